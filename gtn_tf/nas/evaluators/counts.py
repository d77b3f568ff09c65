"""Scores that are counted: parameters and multiply-adds."""

import time

from gtn_tf.nas.evaluators.evaluator import (
    Evaluation,
    Evaluator,
    Job,
    untrained,
)
from gtn_tf.nas.session import Session

#: Evaluator -> attribute of `Cost`.
COUNTS = {"params": "params", "flops": "multiply_adds"}


class Counted(Evaluator):
    """`params`, `flops`: what the network costs."""

    is_random = False

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""
        began = time.perf_counter()
        network = session.network(self.form)
        cost = self.space.cost(job.architecture, network)
        return untrained(getattr(cost, COUNTS[self.name.kind]), began)
