"""What a GTN is compared with: other sources of training batches.

* `real`, `distillation`: meta-trained through the same outer loop as the GTN:
  as many meta-steps, the same meta-optimizer, inner rates learned per step.
  Each is a run of its own under `baselines/`, resumable like any other.
* `real_tuned`, `real_subset`, `noise`: constant inner rates from a grid, the
  best by validation accuracy.

All learners, batch sizes and numbers of steps are the GTN's. The seconds of
every meta-training or tuning are counted as the source's own.
"""

import copy
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.assembly import build_problem
from gtn_tf.checkpoints import read_json, write_json
from gtn_tf.curricula import balanced_label_ids, draw_noise
from gtn_tf.data import Dataset
from gtn_tf.evaluation import fresh_learner_accuracy
from gtn_tf.gtn import SyntheticData
from gtn_tf.inner_problem import InnerProblem
from gtn_tf.metrics import Progress, read_rows, say, to_json
from gtn_tf.pretrain import Run, pretrain, restore_run
from gtn_tf.real_batches import (
    RealData,
    device_split,
    normalize,
    sample_batch,
)
from gtn_tf.seeds import Purpose, fold, root_seed
from gtn_tf.types import DivergenceError

#: A learner's seed [2] -> (images [T, B, H, W, C], labels [T, B, K]).
DrawBatches = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Source(NamedTuple):
    """Where training batches come from.

    Attributes:
      name: as in `evaluation.sources`.
      synthesize: a learner's seed [2] -> what it trains on; traced.
      setup_seconds: spent before the first learner could train.
      how: one line on how it, and its rates, were found.
    """

    name: str
    synthesize: Callable[[tf.Tensor], SyntheticData]
    setup_seconds: float
    how: str


class Stopped(Exception):
    """A meta-training inside was stopped by a signal; holds its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all sources share.

    Attributes:
      config: of the workdir.
      workdir: baselines go to `baselines/` in it.
      dataset: the test split is not touched here.
      problem: learners and inner optimizer.
      train: real training images.
      accuracy_of: (data, learner's seed) -> validation accuracy; traced.
    """

    config: config_dict.ConfigDict
    workdir: Path
    dataset: Dataset
    problem: InnerProblem
    train: RealData
    accuracy_of: Callable[[SyntheticData, tf.Tensor], tf.Tensor]


def build_setting(
    config: config_dict.ConfigDict, workdir: Path, dataset: Dataset
) -> Setting:
    """Puts the data into tensors and builds the learners."""
    train = device_split(dataset, "train")
    validation = device_split(dataset, "validation")
    problem = build_problem(config, train)

    @tf.function(autograph=False)
    def accuracy_of(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
        return fresh_learner_accuracy(problem, data, validation, seed)

    return Setting(config, workdir, dataset, problem, train, accuracy_of)


def source_of_run(name: str, run: Run, seconds: float, how: str) -> Source:
    """Returns the source that a finished meta-training is."""

    @tf.function(autograph=False)
    def synthesize(seed: tf.Tensor) -> SyntheticData:
        return run.gtn.synthesize(run.gtn.read(), seed)

    return Source(name, synthesize, seconds, how)


class MetaTrained(NamedTuple):
    """A meta-training of a baseline that is done.

    Attributes:
      config: its own.
      folder: its workdir.
      seconds: of all that were tried.
      how: one line on the rates.
    """

    config: config_dict.ConfigDict
    folder: Path
    seconds: float
    how: str


def _meta_trained(name: str, setting: Setting) -> Source:
    done = meta_train(name, setting.config, setting.workdir)
    run = restore_run(done.config, done.folder)
    return source_of_run(name, run, done.seconds, done.how)


def meta_train(
    name: str, config: config_dict.ConfigDict, workdir: Path
) -> MetaTrained:
    """Meta-trains once per rate; takes the best by validation accuracy.

    Args:
      name: `real` or `distillation`.
      config: of the GTN that it is compared with.
      workdir: of that GTN; the baseline's is `baselines/NAME/RATE` in it.

    Raises:
      DivergenceError: it diverged at every rate.
      Stopped: a signal came.
    """
    rates = config.evaluation.meta_learning_rates or (
        config.meta.learning_rate,
    )
    trials = []
    for rate in rates:
        of_trial = _baseline_config(config, name, rate)
        folder = workdir / "baselines" / name / f"{rate:g}"
        say(f"baseline {name}: meta-training at meta.learning_rate {rate:g}")
        try:
            code = pretrain(of_trial, folder)
        except DivergenceError as error:
            say(f"baseline {name}: {error}")
            continue
        if code:
            raise Stopped(code)
        last = read_rows(folder / "metrics.jsonl")[-1]
        trials.append((last["validation_accuracy"], rate, of_trial, folder))
    if not trials:
        raise DivergenceError(
            f"baseline {name!r} diverged at every meta-learning rate of "
            f"{tuple(rates)}; give lower ones by "
            "--config.evaluation.meta_learning_rates"
        )
    _, rate, config, folder = max(trials, key=lambda trial: trial[0])
    seconds = sum(
        read_rows(trial[3] / "metrics.jsonl")[-1]["seconds"] for trial in trials
    )
    how = f"inner rates learned, meta.learning_rate {rate:g} of {len(rates)}"
    return MetaTrained(config, folder, seconds, how)


def _baseline_config(
    config: config_dict.ConfigDict, source: str, rate: float
) -> config_dict.ConfigDict:
    config = copy.deepcopy(config)
    config.source = source
    config.meta.learning_rate = float(rate)
    config.log.tensorboard = False
    config.log.samples_every = 0
    if source == "real":
        config.curriculum.learn_labels = False
    elif config.curriculum.name in ("none", "fixed_noise"):
        config.curriculum.name = "full"  # distilled images have no noise
    return config


def _draw_real(setting: Setting) -> DrawBatches:
    shape = _sequence_shape(setting.config)
    num_images = shape[0] * shape[1]

    def draw(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = sample_batch(
            setting.train, fold(seed, Purpose.CURRICULUM), num_images
        )
        images, labels = (tf.reshape(v, (*shape, *v.shape[1:])) for v in batch)
        return images, labels

    return draw


def _draw_subset(setting: Setting) -> DrawBatches:
    """One balanced set of T x B real images, the same for every learner."""
    pixels, of_pixels = setting.dataset.train
    chosen = choose_subset(setting.config, setting.dataset)
    images = normalize(
        tf.constant(pixels[chosen]), setting.dataset.mean, setting.dataset.std
    )
    labels = tf.one_hot(of_pixels[chosen], setting.dataset.num_classes)
    return lambda seed: (images, labels)


def choose_subset(
    config: config_dict.ConfigDict, dataset: Dataset
) -> np.ndarray:
    """Chooses as many training images as there are synthetic ones.

    Returns:
      [T, B] positions; the classes come in turn.
    """
    label_ids = balanced_label_ids(
        *_sequence_shape(config), dataset.num_classes
    ).numpy()
    rng = np.random.default_rng(config.seed)
    chosen = np.empty(label_ids.shape, np.int64)
    for label in range(dataset.num_classes):
        places = label_ids == label
        of_label = np.flatnonzero(dataset.train.label_ids == label)
        # More places than images: they come round again.
        chosen[places] = np.resize(rng.permutation(of_label), places.sum())
    return chosen


def _draw_noise(setting: Setting) -> DrawBatches:
    """Standard normal images with balanced labels, fixed: no information."""
    label_ids = _label_ids(setting)
    images = draw_noise(
        fold(root_seed(setting.config.seed), Purpose.TUNING),
        (*label_ids.shape, *setting.dataset.image_shape),
    )
    labels = tf.one_hot(label_ids, setting.dataset.num_classes)
    return lambda seed: (images, labels)


def _sequence_shape(config: config_dict.ConfigDict) -> tuple[int, int]:
    return config.inner.num_steps, config.inner.batch_size


def _label_ids(setting: Setting) -> np.ndarray:
    shape = _sequence_shape(setting.config)
    return balanced_label_ids(*shape, setting.dataset.num_classes).numpy()


def _constant_rates(
    name: str, make_draw: Callable[[Setting], DrawBatches], setting: Setting
) -> Source:
    """Finds one learning rate and one momentum for all steps."""
    draw = make_draw(setting)
    shape = _sequence_shape(setting.config)

    @tf.function(autograph=False)
    def synthesize(
        seed: tf.Tensor, rate: tf.Tensor, momentum: tf.Tensor
    ) -> SyntheticData:
        images, labels = draw(seed)
        return SyntheticData(
            images,
            labels,
            {
                "learning_rate": tf.fill(shape[:1], rate),
                "momentum": tf.fill(shape[:1], momentum),
            },
        )

    tuning = _tune(name, synthesize, setting)
    rate, momentum, _ = max(tuning["grid"], key=lambda row: row[2])
    return Source(
        name,
        lambda seed: synthesize(seed, tf.constant(rate), tf.constant(momentum)),
        tuning["seconds"],
        f"constant rate {rate:g}, momentum {momentum:g}: the best of "
        f"{len(tuning['grid'])} on validation data",
    )


def _tune(
    name: str, synthesize: Callable[..., SyntheticData], setting: Setting
) -> dict:
    """Returns {"grid": [[rate, momentum, accuracy] ..], "seconds"}; kept."""
    config = setting.config
    path = setting.workdir / "baselines" / name / "tuning.json"
    asked = to_json(
        {
            key: value
            for key, value in config.to_dict().items()
            if key in ("seed", "dataset", "learner", "inner", "precision")
        }
        | {
            key: config.evaluation[key]
            for key in (
                "tuning_learning_rates",
                "tuning_momenta",
                "tuning_num_learners",
            )
        }
    )
    if path.exists() and (kept := read_json(path))["asked"] == asked:
        return kept
    began = time.monotonic()
    pairs = list(
        itertools.product(
            config.evaluation.tuning_learning_rates,
            config.evaluation.tuning_momenta,
        )
    )
    progress = Progress(len(pairs), unit=f"{name} pair")
    grid = []
    try:
        for number, (rate, momentum) in enumerate(pairs, start=1):
            accuracy = _mean_accuracy(synthesize, rate, momentum, setting)
            grid.append([rate, momentum, accuracy])
            progress.update(number, best=max(row[2] for row in grid))
    finally:
        progress.close()
    tuning = {
        "asked": asked,
        "grid": grid,
        "seconds": time.monotonic() - began,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, tuning)
    return tuning


def _mean_accuracy(
    synthesize: Callable[..., SyntheticData],
    rate: float,
    momentum: float,
    setting: Setting,
) -> float:
    root = root_seed(setting.config.seed)
    accuracies = []
    for index in range(setting.config.evaluation.tuning_num_learners):
        seed = fold(root, Purpose.TUNING, index)
        data = synthesize(seed, tf.constant(rate), tf.constant(momentum))
        accuracies.append(float(setting.accuracy_of(data, seed)))
    return float(np.mean(accuracies))


#: Name -> what makes the source ready.
BASELINES: dict[str, Callable[[Setting], Source]] = {
    "real": functools.partial(_meta_trained, "real"),
    "distillation": functools.partial(_meta_trained, "distillation"),
    "real_tuned": functools.partial(_constant_rates, "real_tuned", _draw_real),
    "real_subset": functools.partial(
        _constant_rates, "real_subset", _draw_subset
    ),
    "noise": functools.partial(_constant_rates, "noise", _draw_noise),
}
