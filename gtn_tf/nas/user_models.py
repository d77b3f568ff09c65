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
from gtn_tf.learners.functional import from_keras
from gtn_tf.meta.inner_optimizers import INNER_OPTIMIZERS
from gtn_tf.nas.training import Trainer, teacher_steps
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.types import DivergenceError, InputError


def rank(
    builders: Iterable[Callable[[], keras.Model]],
    gtn: Teacher | Path | str,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
) -> list[float]:
    """Trains each model on a GTN's batches; returns validation accuracies.

    Args:
      builders: each makes a built Keras model, images [B, H, W, C] to logits
        [B, K]. Its initial values are not used, its initializers are.
      gtn: from `gtn_tf.load`, or the path of a workdir or of an export.
      validation: raw real images, uint8 [N, H, W, C], and their label_ids
        [N]; None: the validation split of the GTN's own data set.
      seed: of the initial weights; equal seeds give equal scores.

    Returns:
      One score per builder, in their order, higher is better; NaN where
      training diverged.

    Raises:
      InputError: no such export, or validation data or a model of another
        shape.
    """
    teacher = gtn if isinstance(gtn, Teacher) else load(gtn)
    real = _real_data(teacher, validation)
    steps = teacher_steps(teacher)
    optimizer = INNER_OPTIMIZERS[teacher.metadata["inner_optimizer"]]
    initial = fold(root_seed(seed), Purpose.SEARCH)
    scores = []
    for position, build in enumerate(builders):
        learner = from_keras(_checked(build, teacher), second_order=False)
        trainer = Trainer(lambda kept=learner: kept, optimizer, real)
        try:
            state = trainer.initial_state(initial)
            scores.append(trainer.accuracy(trainer.train(state, steps)))
        except DivergenceError as error:
            logging.warning("Model %s (%s): %s.", position, learner.name, error)
            scores.append(float("nan"))
    return scores


def _checked(
    build: Callable[[], keras.Model], teacher: Teacher
) -> Callable[[], keras.Model]:
    image_shape = tuple(teacher.metadata["image_shape"])
    num_classes = teacher.metadata["num_classes"]

    def build_and_check() -> keras.Model:
        model = build()
        shapes = model.input_shape[1:], model.output_shape[1:]
        if model.built and shapes != (image_shape, (num_classes,)):
            raise InputError(
                f"model '{model.name}' maps {shapes[0]} to {shapes[1]}; "
                f"expected images {image_shape} to logits ({num_classes},), "
                "as the GTN was made for; rebuild the model"
            )
        return model

    return build_and_check


def _real_data(
    teacher: Teacher, validation: tuple[np.ndarray, np.ndarray] | None
) -> RealData:
    metadata = teacher.metadata
    if validation is None:
        # Exports that do not name the split are of the default one, or refused.
        split_seed = metadata.get("split_seed", 0)
        dataset = data.load(metadata["dataset"], split_seed=split_seed)
        if not teacher.was_made_with(dataset.mean):
            raise InputError(
                f"the GTN was made with other training images of "
                f"'{dataset.name}' than those of split_seed {split_seed}; "
                "expected their validation images; give them as `validation`"
            )
        validation = dataset.validation
    images, label_ids = map(np.asarray, validation)
    shape = tuple(metadata["image_shape"])
    if (
        images.dtype != np.uint8
        or images.shape[1:] != shape
        or label_ids.shape != images.shape[:1]
    ):
        raise InputError(
            f"validation is {images.dtype}{images.shape} with label_ids "
            f"{label_ids.shape}; expected raw pixels uint8 (N, "
            f"{', '.join(map(str, shape))}) and label_ids (N,); convert them"
        )
    return RealData(
        images=tf.constant(images),
        label_ids=tf.constant(label_ids, tf.int32),
        mean=tuple(metadata["normalisation"]["mean"]),
        std=tuple(metadata["normalisation"]["std"]),
        num_classes=metadata["num_classes"],
        augment=False,
    )
