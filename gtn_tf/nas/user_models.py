"""Ranks a user's own Keras models by a few steps on a GTN's data.

teacher = gtn_tf.load("runs/digits")
scores = gtn_tf.nas.rank([build_a, build_b], teacher)
best = [build_a, build_b][int(np.argmax(scores))]
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import RealData
from gtn_tf.export.load import Teacher, load
from gtn_tf.learners.batch_statistics import (
    moving_statistics,
    settle_statistics,
)
from gtn_tf.learners.functional import from_keras
from gtn_tf.learners.own_networks import (
    build_own_network,
    check_keras_settings,
)
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.nas.training import Trainer, teacher_steps
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.types import DivergenceError, InputError, SyntheticData


def rank(
    builders: Iterable[Callable[[], keras.Model]],
    gtn: Teacher | Path | str,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
) -> list[float]:
    """Trains each model on a GTN's batches; returns validation accuracies.

    Args:
      builders: each makes a Keras model, images [B, H, W, C] to logits [B, K].
        Its initial values are not used, its initializers are, but for frozen
        layers. What `gtn_tf.learners.own_networks` says is put right or
        refused. Batch normalisation is asked with the mean statistics of the
        GTN's batches, whatever its momentum is.
      gtn: from `gtn_tf.load`, or the path of a workdir or of an export.
      validation: raw real images, uint8 [N, H, W, C], and their label_ids
        [N], whole numbers in 0 .. K - 1; None: the validation split of the
        GTN's own data set.
      seed: of the initial weights, a whole number in [0, 2**62); equal seeds
        give equal scores.

    Returns:
      One score per builder, in their order, higher is better; NaN, with a
      warning that gives its position, where the model cannot be built or is
      refused, or its training diverged.

    Raises:
      InputError: no such export, bad validation data or seed, no builder; or
        none whose model can be trained: then the first one's reason.
    """
    _check_seed(seed)
    check_keras_settings()
    candidates = _listed(builders)
    teacher = gtn if isinstance(gtn, Teacher) else load(gtn)
    real = _real_data(teacher, validation)
    steps = teacher_steps(teacher)
    initial = fold(root_seed(seed), Purpose.SEARCH)
    scores, refused = [], []
    for position, build in enumerate(candidates):
        try:
            score = _score(build, teacher, steps, real, initial)
        except (InputError, DivergenceError) as error:
            logging.warning("Builder %s has no score: %s.", position, error)
            if isinstance(error, InputError):
                refused.append((position, error))
            score = float("nan")
        scores.append(score)
    if len(refused) == len(scores):
        position, error = refused[0]
        raise InputError(f"builder {position}: {error}") from error
    return scores


def _check_seed(seed: int) -> None:
    is_whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not is_whole or not 0 <= seed < 2**62:
        raise InputError(
            f"seed is {seed!r}; expected a whole number in [0, 2**62); give "
            "another seed"
        )


def _listed(
    builders: Iterable[Callable[[], keras.Model]],
) -> list[Callable[[], keras.Model]]:
    if callable(builders) or not isinstance(builders, Iterable):
        raise InputError(
            f"builders is a {type(builders).__name__}; expected a list of "
            "functions that make a Keras model; put it in a list"
        )
    listed = list(builders)
    if not listed:
        raise InputError(
            "builders is empty; expected at least one function that makes a "
            "Keras model; give some"
        )
    return listed


def _score(
    build: Callable[[], keras.Model],
    teacher: Teacher,
    steps: list[SyntheticData],
    real: RealData,
    seed: tf.Tensor,
) -> float:
    """Trains one model from `seed` [2]; returns its validation accuracy."""
    metadata = teacher.metadata
    model = build_own_network(
        build, tuple(metadata["image_shape"]), metadata["num_classes"]
    )
    learner = from_keras(lambda: model, second_order=False)
    optimizer = find_inner_optimizer(metadata["inner_optimizer"])
    trainer = Trainer(lambda: learner, optimizer, real)
    state = trainer.train(trainer.initial_state(seed), steps)
    moving = moving_statistics(model)
    return trainer.accuracy(settle_statistics(learner, moving, state, steps))


def _real_data(
    teacher: Teacher, validation: tuple[np.ndarray, np.ndarray] | None
) -> RealData:
    metadata = teacher.metadata
    if validation is None:
        # Exports that do not name the split are of the default one, or refused.
        split_seed = metadata.get("split_seed", 0)
        try:
            dataset = data.load(
                metadata["dataset"],
                split_seed=split_seed,
                image_size=metadata.get("image_size"),
                max_images=metadata.get("max_images"),
            )
        except InputError as error:
            reason = str(error).split(";")[0]
            raise InputError(
                f"the validation images of '{metadata['dataset']}' cannot be "
                f"read ({reason}); expected them where the environment's "
                "TFDS_DATA_DIR leads; set it, or give them as `validation`"
            ) from error
        if not teacher.was_made_with(dataset.mean):
            raise InputError(
                f"the GTN was made with other training images of "
                f"'{dataset.name}' than those of split_seed {split_seed}; "
                "expected their validation images; give them as `validation`"
            )
        validation = dataset.validation
    images, label_ids = _checked_validation(validation, metadata)
    return RealData(
        images=tf.constant(images),
        label_ids=tf.constant(label_ids, tf.int32),
        mean=tuple(metadata["normalisation"]["mean"]),
        std=tuple(metadata["normalisation"]["std"]),
        num_classes=metadata["num_classes"],
        augment=False,
    )


def _checked_validation(
    validation: tuple[np.ndarray, np.ndarray], metadata: dict
) -> tuple[np.ndarray, np.ndarray]:
    images, label_ids = map(np.asarray, validation)
    shape = tuple(metadata["image_shape"])
    if (
        images.dtype != np.uint8
        or images.shape[1:] != shape
        or label_ids.shape != images.shape[:1]
        or not len(images)
    ):
        raise InputError(
            f"validation is {images.dtype}{images.shape} with label_ids "
            f"{label_ids.shape}; expected raw pixels uint8 (N, "
            f"{', '.join(map(str, shape))}) and label_ids (N,), N at least 1; "
            "convert them"
        )
    if label_ids.dtype.kind not in "iuf" or np.any(label_ids % 1 != 0):
        raise InputError(
            f"label_ids of validation are {label_ids.dtype}, such as "
            f"{label_ids.flat[0].item()!r}; expected whole numbers; number the "
            "classes"
        )
    largest = metadata["num_classes"] - 1
    if label_ids.min() < 0 or label_ids.max() > largest:
        raise InputError(
            f"label_ids of validation are {label_ids.min()} to "
            f"{label_ids.max()}; expected 0 to {largest}, in the order of the "
            "GTN's classes; subtract the first or map them"
        )
    return images, label_ids
