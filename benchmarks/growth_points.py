"""One point of `benchmarks.growth`."""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

#: What one axis leaves as it is.
BASE = {
    "num_steps": 20,
    "batch_size": 16,
    "num_learners": 1,
    "image_size": 16,
    "num_classes": 10,
}
#: Axis -> its values, the next so many times the one before.
AXES = {
    "num_steps": (5, 20, 80, 320),
    "batch_size": (4, 16, 64, 256),
    "num_learners": (1, 4, 16),
    "image_size": (8, 16, 32, 64),
    "num_classes": (10, 100, 1000),
    "num_candidates": (10, 100, 1000, 10_000),
    "num_ranked": (10, 100, 1000, 10_000),
}
_LEAST_SECONDS = 2.0  # of the calls of a meta-step, at least three


class Spent(NamedTuple):
    """Wall and processor seconds."""

    wall_seconds: float
    cpu_seconds: float


def timed(function: Callable[[], Any]) -> tuple[Any, Spent]:
    """Calls a function; returns its result and what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return result, Spent(wall, cpu)


def due(
    points: dict[str, dict], axes: list[str], num_points: int | None
) -> Iterator[tuple[str, int]]:
    """Yields (axis, value) of what is not measured, the cheap ones first."""
    values = {axis: AXES[axis][:num_points] for axis in axes}
    for number in range(max(map(len, values.values()), default=0)):
        for axis in axes:
            if number < len(values[axis]):
                value = values[axis][number]
                if str(value) not in points.get(axis, {}):
                    yield axis, value


def _peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_meta_step(**changed: int) -> dict[str, Any]:
    """Measures a meta-step of `BASE`, but for what is changed."""
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    from benchmarks import op_counts
    from gtn_tf.config.named import named_config
    from gtn_tf.datasets.batches import RealData
    from gtn_tf.meta.meta_step import make_meta_step, pure_meta_gradient
    from gtn_tf.ops.seeds import root_seed
    from gtn_tf.runtime.devices import create_devices
    from gtn_tf.runtime.global_switches import configure_runtime
    from gtn_tf.training.assembly import (
        build_meta_optimizer,
        build_problem,
        build_teacher,
    )
    from gtn_tf.training.memory import meta_training_parts

    size = BASE | changed
    config = named_config("digits")
    config.learner.widths = (32, 64, 128)
    config.inner.meta_loss_every = 0
    config.inner.num_steps = size["num_steps"]
    config.inner.batch_size = size["batch_size"]
    config.meta.num_learners = size["num_learners"]
    configure_runtime()
    random = np.random.default_rng(0)
    shape = (size["image_size"], size["image_size"], 1)
    num_images = 1000
    train = RealData(
        tf.constant(random.integers(256, size=(num_images, *shape)), tf.uint8),
        tf.range(num_images) % size["num_classes"],
        *((0.5,), (0.5,), size["num_classes"], False),
    )
    before = _peak_bytes()
    devices = create_devices("one_device", size["num_learners"], 1.0)
    problem = build_problem(config, train)
    teacher = build_teacher(config, train)
    seed = root_seed(0)
    step = make_meta_step(
        *(teacher, problem, build_meta_optimizer(config, teacher), devices),
        *(seed, size["num_learners"], config.inner.rematerialize),
        config.meta.global_clipnorm,
    )

    def call() -> None:
        step(tf.constant(0))["meta_loss"].numpy()

    _, first = timed(call)
    calls: list[Spent] = []
    while len(calls) < 3 or sum(s.wall_seconds for s in calls) < _LEAST_SECONDS:
        calls.append(timed(call)[1])
    peak = _peak_bytes()
    pure = pure_meta_gradient(teacher, problem, size["num_learners"])
    values = teacher.read()
    graph = tf.function(
        lambda: tf.nest.flatten(pure(values, seed, 0)), autograph=False
    ).get_concrete_function()
    # Statistics of the generator are variables, of which a session has none.
    runs = op_counts.run_and_record(convert_variables_to_constants_v2(graph))
    parts = meta_training_parts(config, shape, size["num_classes"])
    return {
        "wall_seconds": min(s.wall_seconds for s in calls),
        "cpu_seconds": min(s.cpu_seconds for s in calls),
        "first_call_seconds": first.wall_seconds,
        "peak_bytes": peak - before,
        "flops": sum(op_counts.flops_by_type(runs).values()),
        "least_bytes": 4 * sum(part.num_floats for part in parts),
    }


def measure_search(num_candidates: int) -> dict[str, Any]:
    """Measures the parts of a search by counted scores."""
    from gtn_tf.config import default_config
    from gtn_tf.nas.executors import executor
    from gtn_tf.nas.job_results import problem_of
    from gtn_tf.nas.jobs import Plan
    from gtn_tf.nas.loop import Loop
    from gtn_tf.nas.outputs import write_outputs
    from gtn_tf.nas.proposals import Proposals
    from gtn_tf.nas.search import make_strategy
    from gtn_tf.nas.spec import search_spec
    from gtn_tf.nas.worker import Worker
    from gtn_tf.report.write import report
    from gtn_tf.runtime.job_store import JobStore
    from gtn_tf.training.run import write_config

    config = default_config()
    config.dataset.name = "digits"
    config.search.num_architectures = num_candidates
    config.search.evaluators = ("params",)
    config.search.truth = "flops"
    spec = search_spec(config)
    worker = Worker(spec)
    _ = worker.session.data  # read before anything is timed
    before = _peak_bytes()
    parts: dict[str, Spent] = {}

    def part(name: str, function: Callable[[], Any]) -> Any:
        result, parts[name] = timed(function)
        return result

    def propose() -> Proposals:
        return Proposals(
            make_strategy(spec), worker.space, spec.seed, num_candidates
        )

    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        write_config(config, workdir)
        store = JobStore(workdir / "search" / "results", problem_of)

        def run(proposals: Proposals) -> Loop:
            plan = Plan(spec, worker.evaluators, {})
            loop = Loop(spec, proposals, plan, store)
            loop.run(executor("inline"), worker.do, lambda: False)
            return loop

        proposals = part("proposals", propose)
        loop = part("jobs", lambda: run(proposals))
        again = propose()
        part("resuming", lambda: run(again))
        results = [store.get(key) for key in loop.planned]
        part(
            "ranking",
            lambda: write_outputs(
                *(workdir / "search", spec, worker.space, results, {}),
                config.to_dict(),
            ),
        )
        part("report", lambda: report(config, workdir))
    return _with_parts(parts, before)


def measure_rank(num_candidates: int) -> dict[str, Any]:
    """Measures `rank` of one network that trains and of refused ones."""
    import keras

    import gtn_tf
    from gtn_tf.types import InputError

    def small() -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
        )

    def refused() -> keras.Model:
        raise InputError("a network; expected another; give one")

    teacher = gtn_tf.load("gtn:digits")
    builders = [small] + [refused] * (num_candidates - 1)
    before = _peak_bytes()
    parts: dict[str, Spent] = {}
    _, parts["one training"] = timed(lambda: gtn_tf.nas.rank([small], teacher))
    scores, parts["rank"] = timed(lambda: gtn_tf.nas.rank(builders, teacher))
    _, parts["table"] = timed(lambda: str(scores))
    return _with_parts(parts, before)


def _with_parts(parts: dict[str, Spent], before: int) -> dict[str, Any]:
    return {
        "peak_bytes": _peak_bytes() - before,
        "parts": {name: spent._asdict() for name, spent in parts.items()},
    }


def measure(axis: str, value: int) -> dict[str, Any]:
    """Measures one point, in this process."""
    if axis == "num_candidates":
        return measure_search(value)
    if axis == "num_ranked":
        return measure_rank(value)
    return measure_meta_step(**{axis: value})
