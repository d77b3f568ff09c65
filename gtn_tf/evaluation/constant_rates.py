"""Sources that learn nothing: batches at the best of a grid of inner rates."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import normalize, sample_batch, training_images
from gtn_tf.datasets.subsets import choose_subset
from gtn_tf.evaluation.sources import Setting, Source
from gtn_tf.ops.seeds import ALGORITHM, Purpose, fold, root_seed
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.runtime.progress import Progress
from gtn_tf.teachers.curricula import balanced_label_ids, draw_noise
from gtn_tf.types import SyntheticData

_NUM_FINALISTS = 5
_TIMES_LEARNERS = 4  # of the finalists: times those of the grid

_KEY = "tuning"  # of baselines/NAME/tuning.json

#: A learner's seed [2] -> (images [T, B, H, W, C], labels [T, B, K]).
DrawBatches = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def draw_real(setting: Setting) -> DrawBatches:
    """Real batches at random, each learner's own: what source `real` draws."""
    shape = setting.sequence_shape
    num_images = shape[0] * shape[1]

    def draw(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = sample_batch(
            setting.train, fold(seed, Purpose.CURRICULUM), num_images
        )
        images, labels = (tf.reshape(v, (*shape, *v.shape[1:])) for v in batch)
        return images, labels

    return draw


def draw_balanced(setting: Setting) -> DrawBatches:
    """Real images as they are, each learner's own, the classes in turn.

    What a fresh learner of few steps gains from: every batch holds all
    classes alike, and no image is cropped or flipped.
    """
    of_pixels = setting.dataset.train.label_ids
    # Positions class by class: where a class begins, and how many it has.
    positions = tf.constant(np.argsort(of_pixels, kind="stable"))
    sizes = np.bincount(of_pixels, minlength=setting.dataset.num_classes)
    begins = np.cumsum(sizes) - sizes
    label_ids = _label_ids(setting)
    labels = tf.one_hot(label_ids, setting.dataset.num_classes)

    def draw(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        numbers = tf.random.stateless_uniform(
            label_ids.shape,
            fold(seed, Purpose.CURRICULUM),
            maxval=tf.int32.max,
            dtype=tf.int32,
            alg=ALGORITHM,
        )
        offsets = numbers % tf.constant(sizes[label_ids], tf.int32)
        chosen = offsets + tf.constant(begins[label_ids], tf.int32)
        images = normalize(
            tf.gather(setting.train.images, tf.gather(positions, chosen)),
            setting.dataset.mean,
            setting.dataset.std,
        )
        return images, labels

    return draw


def draw_subset(setting: Setting) -> DrawBatches:
    """One balanced set of T x B real images, the same for every learner."""
    chosen = choose_subset(
        setting.seed, setting.sequence_shape, setting.dataset
    )
    images, labels = training_images(setting.dataset, chosen)
    return lambda seed: (images, labels)


def draw_noise_images(setting: Setting) -> DrawBatches:
    """Standard normal images with balanced labels, fixed: no information."""
    label_ids = _label_ids(setting)
    images = draw_noise(
        fold(root_seed(setting.seed), Purpose.TUNING),
        (*label_ids.shape, *setting.dataset.image_shape),
    )
    labels = tf.one_hot(label_ids, setting.dataset.num_classes)
    return lambda seed: (images, labels)


def _label_ids(setting: Setting) -> np.ndarray:
    shape = setting.sequence_shape
    return balanced_label_ids(*shape, setting.dataset.num_classes).numpy()


def constant_rates(
    name: str,
    ways: dict[str, Callable[[Setting], DrawBatches]],
    setting: Setting,
) -> Source:
    """Finds one learning rate and one momentum for all steps.

    The best few of the grid are measured once more, by others and four times
    as many learners: the best of many pairs is also a lucky one.

    Args:
      name: of the source.
      ways: to draw batches, by what they are called; the best one is taken.
      setting: what the source is for.
    """
    synthesize = {
        way: _with_rates(make_draw(setting), setting)
        for way, make_draw in ways.items()
    }
    tuning = _tune(name, synthesize, setting)
    best = max(tuning["finals"], key=_accuracy)
    way, rate, momentum, accuracy = best
    drawn = f"batches {way}, " if len(ways) > 1 else ""
    return Source(
        name,
        lambda seed: synthesize[way](
            seed, tf.constant(rate), tf.constant(momentum)
        ),
        tuning["seconds"],
        f"{drawn}constant rate {rate:g}, momentum {momentum:g}: the best of "
        f"{len(tuning['grid'])} on validation data",
        tuned_accuracy=accuracy,
    )


def _with_rates(
    draw: DrawBatches, setting: Setting
) -> Callable[..., SyntheticData]:
    shape = setting.sequence_shape

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

    return synthesize


def _tune(
    name: str,
    synthesize: dict[str, Callable[..., SyntheticData]],
    setting: Setting,
) -> dict:
    """Returns {"grid", "finals": [[way, rate, momentum, accuracy] ..], ..}.

    Kept row by row, so that what was stopped goes on.
    """
    spec = setting.tuning
    asked = {**spec.asked, "ways": list(synthesize)}
    candidates = list(
        itertools.product(synthesize, spec.learning_rates, spec.momenta)
    )
    store = JobStore(setting.workdir / "baselines" / name, _problem_of)
    tuning = store.get(_KEY)
    if tuning is None or tuning["asked"] != asked:
        tuning = {"asked": asked, "grid": [], "finals": [], "seconds": 0.0}
    grid, finals = tuning["grid"], tuning["finals"]
    num_rows = len(candidates) + min(_NUM_FINALISTS, len(candidates))
    if len(grid) + len(finals) == num_rows:
        return tuning
    began = time.monotonic() - tuning["seconds"]
    num_learners = spec.num_learners
    progress = Progress(num_rows, len(grid) + len(finals), unit=f"{name} pair")

    def measure(rows: list, candidate: tuple, learners: range) -> None:
        way, rate, momentum = candidate
        accuracy = _mean_accuracy(
            synthesize[way], rate, momentum, learners, setting
        )
        rows.append([way, rate, momentum, accuracy])
        tuning["seconds"] = time.monotonic() - began
        store.put(_KEY, tuning)
        best = max(map(_accuracy, finals or grid))
        progress.update(len(grid) + len(finals), best=best)

    try:
        with stoppable() as check_signals:
            for candidate in candidates[len(grid) :]:
                check_signals()
                measure(grid, candidate, range(num_learners))
            others = range(num_learners, num_learners * (1 + _TIMES_LEARNERS))
            finalists = sorted(grid, key=_accuracy, reverse=True)
            for row in finalists[len(finals) : _NUM_FINALISTS]:
                check_signals()
                measure(finals, tuple(row[:3]), others)
    finally:
        progress.close()
    return tuning


def _problem_of(key: str, value: Any) -> str:
    known = {"asked", "grid", "finals", "seconds"}
    is_known = isinstance(value, dict) and known <= value.keys()
    return "" if is_known else "no tuning of rates"


def _accuracy(row: list) -> float:
    return row[3]


def _mean_accuracy(
    synthesize: Callable[..., SyntheticData],
    rate: float,
    momentum: float,
    learners: range,
    setting: Setting,
) -> float:
    root = root_seed(setting.seed)
    accuracies = []
    for index in learners:
        seed = fold(root, Purpose.TUNING, index)
        data = synthesize(seed, tf.constant(rate), tf.constant(momentum))
        accuracies.append(float(setting.accuracy_of(data, seed)))
    return float(np.mean(accuracies))
