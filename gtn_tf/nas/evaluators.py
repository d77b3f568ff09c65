"""Scores of a genotype: one job in, one score with its seconds out.

Scores of trained networks are validation accuracies; test data are never read.
What trains for ranking is in search form, as in the official code. The truth
is in training form, the network of the final training: that is what
a ranking is for. It is trained by SGD with momentum and a cosine schedule,
without the final training's regularisation (weight decay, cutout, drop path).

A job is a plain dict, so that any process can do it. A process reads data and
GTNs once. What trains for ranking is one graph that interprets any genotype.
The truth, whose training is long, is built and traced for each genotype, as
are all with `search.interpret=False`: the seconds of that are counted for each
evaluator, as each would need them alone (see `nas.cell_trainers`).
"""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.config.evaluator_names import EvaluatorName
from gtn_tf.datasets.batches import normalize, sample_batch
from gtn_tf.evaluation.constant_rates import choose_subset
from gtn_tf.export.load import Teacher, load
from gtn_tf.learners.functional import from_keras
from gtn_tf.nas.cell_trainers import (
    build_network,
    building,
    graphs_of,
    initial_state,
    trainer_of,
)
from gtn_tf.nas.score_table import read_scores
from gtn_tf.nas.task import (
    Setting,
    Task,
    task_of,
)
from gtn_tf.nas.training import teacher_steps
from gtn_tf.nas.zero_cost import PROXIES
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.types import Batch, SyntheticData

_PROXY_BATCH_SIZE = 64  # as zero-cost proxies are published with

Evaluation = dict[str, Any]  # score, seconds by part
#: Step -> (images and labels of that step).
DrawBatch = Callable[[int], Batch]


_should_stop: Callable[[], bool] | None = None


@contextlib.contextmanager
def stopped_when(should_stop: Callable[[], bool]) -> Iterator[None]:
    """Jobs on real data within ask before each step; True raises `Stopped`."""
    global _should_stop
    _should_stop = should_stop
    try:
        yield
    finally:
        _should_stop = None


def evaluate_job(job: Mapping[str, Any]) -> Evaluation:
    """Does one job, in any process.

    Args:
      job: see `evaluation_task.task_of`.

    Returns:
      `score` and `seconds` with the parts `build`, `trace`, `train`; where
      validation images are read, `validate`; and `setup`, of what serves all
      jobs of the process, where there is such a thing.

    Raises:
      Stopped: see `stopped_when`.
      Exception: whatever stands in the way of a score.
    """
    task = task_of(job)
    return EVALUATORS[task.name.kind](task)


def _train(
    task: Task, optimizer: str, batches: Callable[[], Iterator[SyntheticData]]
) -> Evaluation:
    """Trains a fresh network on batches and asks for its accuracy."""
    with graphs_of(task):
        trainer = trainer_of(task, optimizer)
        first = next(batches())
        began = time.perf_counter()
        state = initial_state(task, trainer)
        build_seconds = time.perf_counter() - began
        trace_seconds = trainer.trace(
            state, first, also_validate=task.is_interpreted
        )
        began = time.perf_counter()
        state = trainer.train(state, batches())
        trained = time.perf_counter()
        score = trainer.accuracy(state)
        validated = time.perf_counter()
    spent = {"train": trained - began, "validate": validated - trained}
    once = trainer.build_seconds
    if task.is_interpreted:
        spent |= {"build": build_seconds, "trace": 0.0}
        spent["setup"] = once + trace_seconds
    else:
        spent |= {"build": once + build_seconds, "trace": trace_seconds}
    return {"score": score, "seconds": spent}


def _train_on_teacher(task: Task) -> Evaluation:
    teacher, steps = _teacher(task.teacher_path)
    optimizer = teacher.metadata["inner_optimizer"]
    return _train(task, optimizer, lambda: iter(steps))


@functools.lru_cache(maxsize=2)
def _teacher(path: str) -> tuple[Teacher, list[SyntheticData]]:
    teacher = load(path)
    return teacher, teacher_steps(teacher)


def training_of(
    config: config_dict.ConfigDict, is_truth: bool
) -> dict[str, Any]:
    """Returns how `real` trains: batch size, rate, momentum, schedule."""
    search = config.search
    if is_truth:
        return {
            "batch_size": search.truth_batch_size,
            "learning_rate": search.truth_learning_rate,
            "momentum": search.real_momentum,
            "schedule": "cosine",
        }
    return {
        "batch_size": search.real_batch_size or config.inner.batch_size,
        "learning_rate": search.real_learning_rate,
        "momentum": search.real_momentum,
        "schedule": search.real_schedule,
    }


def _train_on_real(task: Task) -> Evaluation:
    training = training_of(task.setting.config, task.is_truth)
    draw = _draw_real(task.setting, training["batch_size"])
    num_images = len(task.setting.dataset.train.images)
    # Batches that are the truth's first ones would make a score look like it.
    seed = task.seed if task.is_truth else fold(task.seed, Purpose.SEARCH)
    return _train(
        task,
        "sgd",
        lambda: _batches(
            task, lambda step: draw(seed, step), training, num_images
        ),
    )


@functools.lru_cache(maxsize=2)
def _draw_real(setting: Setting, batch_size: int) -> Callable[..., Batch]:
    @tf.function(autograph=False)
    def draw(seed: tf.Tensor, step: tf.Tensor) -> Batch:
        seed = fold(seed, Purpose.REAL_BATCH, step)
        return sample_batch(setting.train, seed, batch_size)

    return lambda seed, step: draw(seed, tf.constant(step))


def _train_on_subset(task: Task) -> Evaluation:
    """As many real images as the GTN has synthetic ones, in a fixed order."""
    training = training_of(task.setting.config, task.is_truth)
    draw, num_images = _draw_subset(task.setting, training["batch_size"])
    return _train(
        task, "sgd", lambda: _batches(task, draw, training, num_images)
    )


@functools.lru_cache(maxsize=1)
def _draw_subset(setting: Setting, batch_size: int) -> tuple[DrawBatch, int]:
    config = setting.config
    shape = config.inner.num_steps, config.inner.batch_size
    chosen = choose_subset(config.seed, shape, setting.dataset).reshape(-1)

    def draw(step: int) -> Batch:
        positions = np.arange(step * batch_size, (step + 1) * batch_size)
        return _batch_of(setting, chosen[positions % len(chosen)])

    return draw, len(chosen)


def _batches(
    task: Task, draw: DrawBatch, training: dict[str, Any], num_images: int
) -> Iterator[SyntheticData]:
    """Yields batches and rates until the budget is spent."""
    rate_at = SCHEDULES[training["schedule"]]
    momentum = tf.constant(training["momentum"])
    dtype = momentum.dtype
    for step, share in _spend(task, training["batch_size"], num_images):
        if _should_stop is not None and _should_stop():
            raise Stopped(0)
        rate = training["learning_rate"] * rate_at(share)
        images, labels = draw(step)
        yield SyntheticData(
            images,
            labels,
            {"learning_rate": tf.constant(rate, dtype), "momentum": momentum},
        )


#: Share of the budget that is spent -> factor of the learning rate.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: 0.5 * (1.0 + math.cos(math.pi * share)),
}


def _spend(
    task: Task, batch_size: int, num_images: int
) -> Iterator[tuple[int, float]]:
    """Yields (step, share of the budget spent before it)."""
    name = task.name
    if name.unit == "seconds":
        began, step, share = time.perf_counter(), 0, 0.0
        while share < 1.0:
            yield step, share
            _synchronize()
            step += 1
            share = (time.perf_counter() - began) / name.number
        return
    num_steps = num_steps_of(name, task.setting.config, batch_size, num_images)
    for step in range(num_steps):
        yield step, step / num_steps


def _synchronize() -> None:
    if tf.config.list_physical_devices("GPU"):
        tf.test.experimental.sync_devices()


def num_steps_of(
    name: EvaluatorName,
    config: config_dict.ConfigDict,
    batch_size: int,
    num_images: int,
) -> int:
    """Returns the steps of a budget in steps or epochs, or of none."""
    if name.unit is None:
        return config.inner.num_steps
    if name.unit == "epochs":
        return max(1, math.ceil(name.number * num_images / batch_size))
    return name.number


def _count(attribute: str, task: Task) -> Evaluation:
    began = time.perf_counter()
    search, dataset = task.setting.config.search, task.setting.dataset
    cost = cell_network_cost(
        task.genotype,
        search.num_cells,
        search.channels,
        dataset.image_shape,
        dataset.num_classes,
    )
    return _untrained(getattr(cost, attribute), 0.0, began)


def _score_untrained(task: Task) -> Evaluation:
    with building(task):
        began = time.perf_counter()
        # Published for plain weights; those of a direction have a gradient
        # across it only.
        model = build_network(task, weight_norm=False)
        learner = from_keras(lambda: model, second_order=False)
        params, statistics = learner.init(task.seed)
        variables = model.trainable_variables, model.non_trainable_variables
        for kept, drawn in zip(variables, (params, statistics), strict=True):
            for variable, value in zip(kept, drawn, strict=True):
                variable.assign(value)
        built = time.perf_counter()
        score = PROXIES[task.name.kind](model, _draw_different(task))
        return _untrained(score, built - began, built)


def _draw_different(task: Task) -> Batch:
    """Draws without replacement: an image twice would make naswot -inf."""
    num_images = len(task.setting.dataset.train.images)
    seed = fold(task.seed, Purpose.REAL_BATCH, 0).numpy()
    rng = np.random.default_rng([int(v) & 0xFFFFFFFF for v in seed])
    chosen = rng.permutation(num_images)[:_PROXY_BATCH_SIZE]
    return _batch_of(task.setting, chosen)


def _batch_of(setting: Setting, positions: np.ndarray) -> Batch:
    """Returns training images as they are, not augmented."""
    pixels, label_ids = setting.dataset.train
    return Batch(
        normalize(
            tf.constant(pixels[positions]),
            setting.dataset.mean,
            setting.dataset.std,
        ),
        tf.one_hot(label_ids[positions], setting.dataset.num_classes),
    )


def _untrained(score: float, build: float, began: float) -> Evaluation:
    took = time.perf_counter() - began
    return {
        "score": float(score),
        "seconds": {"build": build, "trace": 0.0, "train": took},
    }


def _look_up(task: Task) -> Evaluation:
    began = time.perf_counter()
    score = read_scores(Path(task.name.path)).get(task.genotype.key())
    if score is None:
        raise LookupError(f"{task.name.path} has no such genotype")
    return _untrained(score, 0.0, began)


#: Kind of evaluator -> what does its jobs.
EVALUATORS: dict[str, Callable[[Task], Evaluation]] = {
    "gtn": _train_on_teacher,
    "distillation": _train_on_teacher,
    "real": _train_on_real,
    "real_subset": _train_on_subset,
    "params": functools.partial(_count, "params"),
    "flops": functools.partial(_count, "multiply_adds"),
    **dict.fromkeys(PROXIES, _score_untrained),
    "table": _look_up,
}
