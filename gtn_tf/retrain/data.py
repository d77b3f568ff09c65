"""The images of the long protocol: which, in what order, how augmented."""

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import (
    augment,
    cutout,
    normalize,
)
from gtn_tf.datasets.loading import Dataset, Split
from gtn_tf.ops.seeds import fold


def training_images(dataset: Dataset, use_validation: bool) -> Split:
    """Returns the training images, with those for validation or without.

    The normalisation stays that of the training split.
    """
    if not use_validation:
        return dataset.train
    pairs = zip(dataset.train, dataset.validation, strict=True)
    return Split(*map(np.concatenate, pairs))


def epoch_batches(
    num_images: int, batch_size: int, seed: int, epoch: int
) -> np.ndarray:
    """Returns the images of each step of an epoch, [steps, B] positions.

    Each image at most once; the rest that fills no batch is left out, others
    in every epoch (NAO trains on it as a smaller batch).
    """
    order = np.random.default_rng((seed, epoch)).permutation(num_images)
    num_steps = num_images // batch_size
    return order[: num_steps * batch_size].reshape(num_steps, batch_size)


def prepare_images(
    images: tf.Tensor, seed: tf.Tensor, dataset: Dataset, cutout_size: int
) -> tf.Tensor:
    """Crops and flips where the data set allows it, normalises, cuts out.

    Args:
      images: [B, H, W, C] uint8.
      seed: [2] int32.
      dataset: for its mean, its standard deviation and `augment`.
      cutout_size: pixels of a side; 0: none.

    Returns:
      [B, H, W, C] float32 in normalised units.
    """
    if dataset.augment:
        # The usual 4 pixels at 32x32, and as much of other sizes.
        images = augment(images, fold(seed, 0), -(-images.shape[1] // 8))
    images = normalize(images, dataset.mean, dataset.std)
    return cutout(images, fold(seed, 1), cutout_size) if cutout_size else images
