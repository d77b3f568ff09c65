"""Scores by weights that all architectures share, trained once."""

import time
from pathlib import Path

from gtn_tf.nas.evaluators.evaluator import Evaluation, Evaluator, Job
from gtn_tf.nas.session import Session, keep
from gtn_tf.nas.supernet_training import load_supernet
from gtn_tf.nas.supernets import Supernet


class BySupernet(Evaluator):
    """`supernet`: validation accuracy of the path; see `nas.supernets`."""

    teacher = "supernet"

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""

        def load() -> tuple[Supernet, float]:
            began = time.perf_counter()
            supernet = load_supernet(session, Path(job.teacher_path))
            supernet.score(job.architecture)  # traces, for all
            return supernet, time.perf_counter() - began

        key = ("supernet", job.teacher_path)
        supernet, setup_seconds = keep(session.kept, key, load)
        began = time.perf_counter()
        score = supernet.score(job.architecture)
        spent = time.perf_counter() - began
        return {
            "score": score,
            "seconds": {
                **dict.fromkeys(("build", "trace", "train"), 0.0),
                **{"validate": spent, "setup": setup_seconds},
            },
        }
