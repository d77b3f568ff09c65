"""Scores of a genotype: one job in, one score with its seconds out.

Scores of trained networks are validation accuracies; test data are never read.
What trains for ranking wears the dress `search`, as the official code. The
truth wears the dress `train`, the network of the final training: that is what
a ranking is for. It is trained by SGD with momentum and a cosine schedule,
without the final training's regularisation (weight decay, cutout, drop path).

A job is a plain dict, so that any process can do it. A process reads data and
GTNs once. What trains for ranking is one graph that interprets any genotype,
traced once per process (`nas.cell_interpreter`). The truth, whose training is
long, is built and traced for each genotype, as are all with
`search.interpret=False`: once for all the evaluators that come one after the
other; the seconds of that are counted for each, as each would need them alone.
"""

import dataclasses
import functools
import gc
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf import data
from gtn_tf.baselines import choose_subset
from gtn_tf.config import default_config
from gtn_tf.gtn import SyntheticData
from gtn_tf.inner_optimizers import INNER_OPTIMIZERS
from gtn_tf.learners import Learner, from_keras
from gtn_tf.nas.cell_cost import cell_network_cost
from gtn_tf.nas.cell_interpreter import (
    CellInterpreter,
    EncodedGenotype,
    draw_genotype,
    encode,
)
from gtn_tf.nas.cell_network import DRESSES, build_cell_network
from gtn_tf.nas.evaluator_names import EvaluatorName, parse_evaluator
from gtn_tf.nas.genotypes import Genotype
from gtn_tf.nas.score_table import read_scores
from gtn_tf.nas.search_space import SearchSpace
from gtn_tf.nas.training import Trainer
from gtn_tf.nas.zero_cost import PROXIES
from gtn_tf.real_batches import (
    RealData,
    device_split,
    normalize,
    sample_batch,
)
from gtn_tf.seeds import Purpose, fold, root_seed
from gtn_tf.teacher import Teacher, load
from gtn_tf.types import Batch, LearnerState

_PROXY_BATCH_SIZE = 64  # as zero-cost proxies are published with

Evaluation = dict[str, Any]  # score, seconds by part
#: Step -> (images and labels of that step).
DrawBatch = Callable[[int], Batch]


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What all evaluations of a search share.

    Attributes:
      config: of the search.
      dataset: without test data.
      train: real training images.
      validation: real images that accuracies are about.
    """

    config: config_dict.ConfigDict
    dataset: data.Dataset
    train: RealData
    validation: RealData


@dataclasses.dataclass(frozen=True)
class Task:
    """One job, read.

    Attributes:
      setting: what jobs share.
      genotype: what is evaluated.
      name: the evaluator.
      is_truth: whether its score is what others are compared with.
      seed: [2], of this architecture.
      teacher_path: the export that it trains on, if any.
    """

    setting: Setting
    genotype: Genotype
    name: EvaluatorName
    is_truth: bool
    seed: tf.Tensor
    teacher_path: str | None

    @property
    def dress(self) -> str:
        """The name in `DRESSES` that the network is built in."""
        return "train" if self.is_truth else "search"

    @property
    def is_interpreted(self) -> bool:
        """Whether the one graph of all genotypes runs this one."""
        return self.setting.config.search.interpret and not self.is_truth


def evaluate_job(job: Mapping[str, Any]) -> Evaluation:
    """Does one job, in any process.

    Args:
      job: `genotype` (text), `evaluator`, `is_truth`, `seed`, `config` (flat),
        `teacher` (path of an export, or None).

    Returns:
      `score` and `seconds` with the parts `build`, `trace`, `train`; where
      validation images are read, `validate`; and `setup`, of what serves all
      jobs of the process, where there is such a thing.

    Raises:
      Exception: whatever stands in the way of a score.
    """
    genotype = Genotype.from_text(job["genotype"])
    seed = fold(
        root_seed(job["seed"]), Purpose.SEARCH, int(genotype.key()[:7], 16)
    )
    task = Task(
        setting_of(job["config"]),
        genotype,
        parse_evaluator(job["evaluator"]),
        job["is_truth"],
        seed,
        job["teacher"],
    )
    return EVALUATORS[task.name.kind](task)


def setting_of(config: Mapping[str, Any]) -> Setting:
    """Reads the data of a flat config; kept for the next job.

    Raises:
      InputError: there are no such data.
    """
    return _setting(json.dumps(config, sort_keys=True))


@functools.lru_cache(maxsize=1)
def _setting(text: str) -> Setting:
    config = default_config()
    with config.ignore_type():  # tuples come back as lists
        config.update_from_flattened_dict(json.loads(text))
    dataset = data.load(
        config.dataset.name,
        config.dataset.data_dir,
        config.dataset.split_seed,
    )
    return Setting(
        config,
        dataset,
        device_split(dataset, "train"),
        device_split(dataset, "validation"),
    )


# Networks and their graphs are large: those of one genotype are kept.
_TRAINERS: dict[tuple[str, str, str], Trainer] = {}


def trainer_of(task: Task, optimizer: str) -> Trainer:
    """Returns what trains the task's genotype; kept for the next job."""
    if task.is_interpreted:
        return _interpreting_trainer(task.setting, optimizer)
    text = task.genotype.to_text()
    key = (text, task.dress, optimizer)
    if any(kept[0] != text for kept in _TRAINERS):
        _TRAINERS.clear()
        gc.collect()  # graphs and Keras models refer to themselves
    if key not in _TRAINERS:
        _TRAINERS[key] = Trainer(
            lambda: from_keras(
                functools.partial(_build_network, task), second_order=False
            ),
            INNER_OPTIMIZERS[optimizer],
            task.setting.validation,
        )
    return _TRAINERS[key]


@functools.lru_cache(maxsize=2)
def _interpreting_trainer(setting: Setting, optimizer: str) -> Trainer:
    return Trainer(
        functools.partial(_build_interpreter, setting),
        INNER_OPTIMIZERS[optimizer],
        setting.validation,
    )


def _build_interpreter(setting: Setting) -> Learner:
    """Returns a learner whose `init` takes a seed and an encoded genotype."""
    config, dataset = setting.config, setting.dataset
    interpreter = CellInterpreter(
        _space(setting),
        config.search.num_cells,
        config.search.channels,
        dataset.image_shape,
        dataset.num_classes,
        dataclasses.replace(DRESSES["search"], dtype=config.precision),
    )

    @tf.function(autograph=False)
    def init(seed: tf.Tensor, genotype: EncodedGenotype) -> tuple:
        return interpreter.init_genotype(genotype, seed)

    seed = root_seed(0)
    init(seed, draw_genotype(_space(setting), seed))  # traces, for all
    return Learner("cell", init, interpreter.apply)


def _space(setting: Setting) -> SearchSpace:
    search = setting.config.search
    return SearchSpace(search.num_nodes, tuple(search.ops))


def _build_network(task: Task) -> Any:
    config, dataset = task.setting.config, task.setting.dataset
    dress = dataclasses.replace(DRESSES[task.dress], dtype=config.precision)
    return build_cell_network(
        task.genotype,
        config.search.num_cells,
        config.search.channels,
        dataset.image_shape,
        dataset.num_classes,
        dress,
    )


def _train(
    task: Task, optimizer: str, batches: Callable[[], Iterator[SyntheticData]]
) -> Evaluation:
    """Trains a fresh network on batches and asks for its accuracy."""
    trainer = trainer_of(task, optimizer)
    first = next(batches())
    began = time.perf_counter()
    state = _initial_state(task, trainer)
    build_seconds = time.perf_counter() - began
    trace_seconds = trainer.trace(state, first)
    began = time.perf_counter()
    state = trainer.train(state, batches())
    trained = time.perf_counter()
    score = trainer.accuracy(state)
    spent = {
        "train": trained - began,
        "validate": time.perf_counter() - trained,
    }
    once = trainer.build_seconds
    if task.is_interpreted:
        spent |= {"build": build_seconds, "trace": 0.0}
        spent["setup"] = once + trace_seconds
    else:
        spent |= {"build": once + build_seconds, "trace": trace_seconds}
    return {"score": score, "seconds": spent}


def _initial_state(task: Task, trainer: Trainer) -> LearnerState:
    if not task.is_interpreted:
        return trainer.initial_state(task.seed)
    encoded = encode(task.genotype, _space(task.setting))
    return trainer.initial_state(task.seed, encoded)


def _train_on_teacher(task: Task) -> Evaluation:
    teacher, steps = _teacher(task.teacher_path)
    optimizer = teacher.metadata["inner_optimizer"]
    return _train(task, optimizer, lambda: iter(steps))


@functools.lru_cache(maxsize=2)
def _teacher(path: str) -> tuple[Teacher, list[SyntheticData]]:
    teacher = load(path)
    return teacher, teacher_steps(teacher)


def teacher_steps(teacher: Teacher) -> list[SyntheticData]:
    """Returns what a learner sees of an export, step by step."""
    return [
        SyntheticData(
            tf.constant(batch.images),
            tf.constant(batch.labels),
            {
                "learning_rate": tf.constant(batch.inner_learning_rate),
                "momentum": tf.constant(batch.inner_momentum),
            },
        )
        for batch in teacher.batches()
    ]


def teacher_digest(teacher: Teacher) -> str:
    """Returns the hash of all that a learner sees of an export."""
    digest = hashlib.sha256(teacher.metadata["inner_optimizer"].encode())
    for array in (
        teacher.images,
        teacher.labels,
        teacher.inner_learning_rate,
        teacher.inner_momentum,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


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
    return _train(
        task,
        "sgd",
        lambda: _batches(
            task, lambda step: draw(task.seed, step), training, num_images
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
    pixels, label_ids = setting.dataset.train
    chosen = choose_subset(setting.config, setting.dataset).reshape(-1)

    def draw(step: int) -> Batch:
        positions = np.arange(step * batch_size, (step + 1) * batch_size)
        of_batch = chosen[positions % len(chosen)]
        return Batch(
            normalize(
                tf.constant(pixels[of_batch]),
                setting.dataset.mean,
                setting.dataset.std,
            ),
            tf.one_hot(label_ids[of_batch], setting.dataset.num_classes),
        )

    return draw, len(chosen)


def _batches(
    task: Task, draw: DrawBatch, training: dict[str, Any], num_images: int
) -> Iterator[SyntheticData]:
    """Yields batches and rates until the budget is spent."""
    rate_at = SCHEDULES[training["schedule"]]
    momentum = tf.constant(training["momentum"])
    dtype = momentum.dtype
    for step, share in _spend(task, training["batch_size"], num_images):
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
    began = time.perf_counter()
    model = _build_network(task)
    learner = from_keras(lambda: model, second_order=False)
    params, statistics = learner.init(task.seed)
    variables = model.trainable_variables, model.non_trainable_variables
    for kept, drawn in zip(variables, (params, statistics), strict=True):
        for variable, value in zip(kept, drawn, strict=True):
            variable.assign(value)
    built = time.perf_counter()
    real = sample_batch(
        task.setting.train,
        fold(task.seed, Purpose.REAL_BATCH, 0),
        _PROXY_BATCH_SIZE,
    )
    score = PROXIES[task.name.kind](model, real)
    return _untrained(score, built - began, built)


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
