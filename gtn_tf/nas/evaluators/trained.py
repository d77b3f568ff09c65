"""Scores of trained networks: built for an architecture, or one for all.

What trains for ranking is one graph that interprets any architecture, where
the space has one. The truth, whose training is long, is built and traced for
each architecture, as are all with `search.interpret=False`: the seconds of
that are counted for each evaluator, as each would need them alone, though it
is done once for those that come one after the other.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.nas.evaluators.evaluator import Evaluation, Evaluator, Job
from gtn_tf.nas.session import Kept, Session, keep
from gtn_tf.nas.training import Trainer
from gtn_tf.runtime.graph_rewriting import not_rewritten
from gtn_tf.types import SyntheticData


class Trained(Evaluator):
    """Validation accuracy of a fresh network after some steps."""

    @property
    def is_interpreted(self) -> bool:
        """Whether the one graph of all architectures runs its networks."""
        wanted = self.spec.interpret and not self.is_truth
        return wanted and self.space.interprets

    def own_budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        # The same function, but other initial weights.
        return {"interpreted": self.is_interpreted}

    def train(
        self,
        job: Job,
        session: Session,
        optimizer: str,
        batches: Callable[[], Iterator[SyntheticData]],
    ) -> Evaluation:
        """Trains a fresh network and asks for its accuracy.

        Args:
          job: the architecture.
          session: of this process.
          optimizer: a name of `config.choices.INNER_OPTIMIZERS`.
          batches: begins them; the first one is asked for twice.
        """
        with self._graphs(job, session) as kept:
            trainer = keep(
                kept,
                ("trainer", self.form, optimizer),
                functools.partial(self._trainer, job, session, optimizer),
            )
            first = next(batches())
            given = [job.architecture] if self.is_interpreted else []
            began = time.perf_counter()
            state = trainer.initial_state(job.seed, *given)
            build_seconds = time.perf_counter() - began
            trace_seconds = trainer.trace(
                state, first, also_validate=self.is_interpreted
            )
            began = time.perf_counter()
            state = trainer.train(state, batches())
            trained = time.perf_counter()
            score = trainer.accuracy(state)
            validated = time.perf_counter()
        spent = {"train": trained - began, "validate": validated - trained}
        once = trainer.build_seconds
        if self.is_interpreted:
            spent |= {"build": build_seconds, "trace": 0.0}
            spent["setup"] = once + trace_seconds
        else:
            spent |= {"build": once + build_seconds, "trace": trace_seconds}
        return {"score": score, "seconds": spent}

    @contextlib.contextmanager
    def _graphs(self, job: Job, session: Session) -> Iterator[Kept]:
        """Networks are traced and run within; yields what keeps them."""
        if self.is_interpreted:
            with not_rewritten():
                yield session.kept
        else:
            with session.building(job.text) as kept:
                yield kept

    def _trainer(self, job: Job, session: Session, optimizer: str) -> Trainer:
        network = session.network(self.form)

        def build() -> Learner:
            if self.is_interpreted:
                return Learner("cell", *session.space.interpreter(network))
            return from_keras(
                lambda: session.space.build(job.architecture, network),
                second_order=False,
            )

        return Trainer(
            build,
            find_inner_optimizer(optimizer),
            session.data.validation,
        )
