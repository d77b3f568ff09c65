"""One process of a search, which does jobs one after the other."""

import gc
from collections.abc import Callable, Mapping
from typing import Any

from gtn_tf.nas.evaluators.evaluator import Evaluation, Evaluator, Job
from gtn_tf.nas.evaluators.registry import make_evaluators
from gtn_tf.nas.session import Session, keep
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.global_switches import configure_runtime
from gtn_tf.search_spaces.protocol import Space


class Worker:
    """The space, the evaluators and the session of one process.

    Sent to another process, it becomes that process' own: see `worker_here`.

    Args:
      spec: of the search.
      should_stop: see `Session`.

    Raises:
      InputError: no such space or evaluator, or a table cannot be read.
    """

    def __init__(
        self, spec: SearchSpec, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self.spec = spec
        self.space: Space = spec.make_space()
        self.evaluators: dict[str, Evaluator] = make_evaluators(
            spec, self.space
        )
        self.session = Session(spec, self.space, should_stop)

    def __reduce__(self) -> tuple:
        return worker_here, (self.spec,)

    def do(self, job: Mapping[str, Any]) -> Evaluation:
        """Does one job.

        Args:
          job: plain JSON: `genotype` (text), `evaluator` (name), `seed`,
            `teacher` (path of an export, or None).

        Raises:
          Exception: see `Evaluator.evaluate`.
        """
        architecture = self.space.from_text(job["genotype"])
        evaluator = self.evaluators[job["evaluator"]]
        seed = keep(
            self.session.kept,
            ("seed", job["seed"]),
            lambda: fold(root_seed(job["seed"]), Purpose.SEARCH),
        )
        if not evaluator.has_common_seed:
            seed = fold(seed, int(self.space.key(architecture)[:7], 16))
        return evaluator.evaluate(
            Job(architecture, job["genotype"], seed, job["teacher"]),
            self.session,
        )


#: The worker of this process, where another one sent it its jobs.
_HERE: list[Worker] = []


def worker_here(spec: SearchSpec) -> Worker:
    """Returns this process' worker; a process has one, of one search."""
    if not _HERE or _HERE[0].spec != spec:
        configure_runtime(spec.num_logical_devices, spec.tensor_float_32)
        _HERE[:] = [Worker(spec)]
        gc.freeze()  # what is there is there for good
    return _HERE[0]
