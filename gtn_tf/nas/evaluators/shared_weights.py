"""Scores by weights that are trained once, for all architectures."""

import time
from pathlib import Path
from typing import Any

from gtn_tf.config.evaluator_names import SHARED_READOUTS
from gtn_tf.nas.evaluators.evaluator import Evaluation, Evaluator, Job
from gtn_tf.nas.session import Session, keep
from gtn_tf.nas.weight_sources import WeightSource
from gtn_tf.nas.weight_training import load_source


class _ByShared(Evaluator):
    """What is read of validation images, by the weights of `teacher`."""

    is_random = False

    @property
    def readout(self) -> str:
        """A name of `SHARED_READOUTS`: that of the search, if it is one."""
        common = "accuracy" if self.is_truth else self.spec.readout
        if common not in SHARED_READOUTS:  # of what is trained anew
            common = "log_likelihood"
        return self.name.readout or common

    def own_budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        known = {} if self.readout == "accuracy" else {"readout": self.readout}
        return super().own_budget() | known

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""

        def load() -> tuple[WeightSource, float]:
            began = time.perf_counter()
            source = load_source(self.teacher, session, Path(job.teacher_path))
            source.score(job.architecture)  # traces, for all
            return source, time.perf_counter() - began

        key = (self.teacher, job.teacher_path)
        source, setup_seconds = keep(session.kept, key, load)
        began = time.perf_counter()
        score = source.read(job.architecture)[self.readout]
        spent = time.perf_counter() - began
        return {
            "score": score,
            "seconds": {
                **dict.fromkeys(("build", "trace", "train"), 0.0),
                **{"validate": spent, "setup": setup_seconds},
            },
        }


class BySupernet(_ByShared):
    """`supernet`: of the path; see `nas.supernets`."""

    teacher = "supernet"


class ByHyperNetwork(_ByShared):
    """`ghn`: of what is written; see `nas.hypernetworks`."""

    teacher = "ghn"
