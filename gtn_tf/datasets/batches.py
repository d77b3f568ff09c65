"""Batches of real images: drawn statelessly, augmented, normalised.

`device_split` puts one split into tensors; the rest are pure functions that
work inside compiled ones.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.loading import Dataset
from gtn_tf.ops.seeds import ALGORITHM, fold
from gtn_tf.types import Batch


class RealData(NamedTuple):
    """A split as tensors, with what a batch of it needs.

    Attributes:
      images: [N, H, W, C] uint8.
      label_ids: [N] int32.
      mean, std, num_classes, augment: as in `Dataset`.
    """

    images: tf.Tensor
    label_ids: tf.Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_classes: int
    augment: bool

    def first(self, number: int | None) -> "RealData":
        """Returns its first images; None: all."""
        return self._replace(
            images=self.images[:number], label_ids=self.label_ids[:number]
        )


def device_split(
    dataset: Dataset, split: Literal["train", "validation", "test"]
) -> RealData:
    """Puts one split into tensors; only `train` is ever augmented.

    Raises:
      ValueError: the test data were not loaded.
    """
    arrays = getattr(dataset, split)
    if arrays is None:
        raise ValueError(f"{split!r} of {dataset.name!r} was not loaded.")
    return RealData(
        images=tf.constant(arrays.images),
        label_ids=tf.constant(arrays.label_ids),
        mean=dataset.mean,
        std=dataset.std,
        num_classes=dataset.num_classes,
        augment=dataset.augment and split == "train",
    )


def sample_batch(real: RealData, seed: tf.Tensor, batch_size: int) -> Batch:
    """Draws images uniformly, with replacement.

    Args:
      real: N images; N must be static.
      seed: [2] int32; equal seeds give equal batches.
      batch_size: B.

    Returns:
      float32 images [B, H, W, C] in normalised units, one-hot labels [B, K].
    """
    indices = tf.random.stateless_uniform(
        [batch_size],
        fold(seed, 0),
        maxval=real.images.shape[0],
        dtype=tf.int32,
        alg=ALGORITHM,
    )
    return _batch_of(real, indices, seed)


def _batch_of(real: RealData, indices: tf.Tensor, seed: tf.Tensor) -> Batch:
    images = tf.gather(real.images, indices)
    if real.augment:
        # The usual 4 pixels at 32x32, and as much of other sizes.
        images = augment(images, fold(seed, 1), -(-images.shape[1] // 8))
    label_ids = tf.gather(real.label_ids, indices)
    return Batch(
        images=normalize(images, real.mean, real.std),
        labels=tf.one_hot(label_ids, real.num_classes, dtype=tf.float32),
    )


def sample_balanced(real: RealData) -> Callable[[tf.Tensor, int], Batch]:
    """Returns `sample_batch` of these data, but with all classes alike.

    A class is drawn uniformly for each image, then an image of that class
    uniformly, with replacement.

    Args:
      real: K classes, each with at least one image.

    Returns:
      (seed [2], B) -> as `sample_batch`.
    """
    label_ids = real.label_ids.numpy()
    # Positions class by class: where a class begins, and how many it has.
    by_class = tf.constant(np.argsort(label_ids, kind="stable"), tf.int32)
    sizes = np.bincount(label_ids, minlength=real.num_classes)
    begins = np.cumsum(sizes) - sizes

    def sample(seed: tf.Tensor, batch_size: int) -> Batch:
        classes, numbers = (
            tf.random.stateless_uniform(
                [batch_size],
                fold(seed, stream),
                maxval=most,
                dtype=tf.int32,
                alg=ALGORITHM,
            )
            for stream, most in ((0, real.num_classes), (2, tf.int32.max))
        )
        of_class = numbers % tf.gather(tf.constant(sizes, tf.int32), classes)
        chosen = of_class + tf.gather(tf.constant(begins, tf.int32), classes)
        return _batch_of(real, tf.gather(by_class, chosen), seed)

    return sample


def normalize(
    images: tf.Tensor, mean: Sequence[float], std: Sequence[float]
) -> tf.Tensor:
    """Returns (pixel / 255 - mean) / std as float32.

    Args:
      images: [..., C] uint8.
      mean: [C], in units of pixel / 255.
      std: [C], likewise.
    """
    scaled = tf.cast(images, tf.float32) / 255.0
    return (scaled - tf.constant(mean, tf.float32)) / tf.constant(
        std, tf.float32
    )


def augment(images: tf.Tensor, seed: tf.Tensor, padding: int) -> tf.Tensor:
    """Pads with black pixels, crops to the old size, flips half the images.

    Takes raw pixels, before `normalize`, so that padding is black as in the
    usual recipe. Every image has its own offsets and its own coin.

    Args:
      images: [B, H, W, C] uint8; the shape must be static.
      seed: [2] int32.
      padding: pixels on each side.

    Returns:
      Shape and type of `images`.
    """
    batch_size, height, width, _ = images.shape
    offsets = tf.random.stateless_uniform(
        [2, batch_size, 1],
        fold(seed, 0),
        maxval=2 * padding + 1,
        dtype=tf.int32,
        alg=ALGORITHM,
    )
    flips = tf.random.stateless_uniform(
        [batch_size, 1],
        fold(seed, 1),
        maxval=2,
        dtype=tf.int32,
        alg=ALGORITHM,
    )
    column = tf.range(width)
    rows = offsets[0] + tf.range(height)  # [B, H]
    columns = offsets[1] + tf.where(flips == 1, width - 1 - column, column)
    sides = [padding, padding]
    padded = tf.pad(images, [[0, 0], sides, sides, [0, 0]])
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


def cutout(images: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Zeroes a square of each image (DeVries & Taylor 2017).

    Its centre is uniform over the pixels, so that a part may lie outside.
    Takes normalised images, where zero is the mean colour.

    Args:
      images: [B, H, W, C] float; the shape must be static.
      seed: [2] int32.
      size: pixels of a side; an even square has one more pixel before its
        centre than behind it.

    Returns:
      Shape and type of `images`.
    """
    batch_size, height, width, _ = images.shape
    inside = []
    for axis, pixels in enumerate((height, width)):
        centers = tf.random.stateless_uniform(
            [batch_size, 1],
            fold(seed, axis),
            maxval=pixels,
            dtype=tf.int32,
            alg=ALGORITHM,
        )
        first = centers - size // 2
        position = tf.range(pixels)
        inside.append((position >= first) & (position < first + size))
    square = inside[0][:, :, None] & inside[1][:, None, :]  # [B, H, W]
    return tf.where(square[..., None], tf.zeros([], images.dtype), images)


def training_images(dataset: Dataset, positions: np.ndarray) -> Batch:
    """Returns training images [.., H, W, C] as they are, not augmented."""
    pixels, label_ids = dataset.train
    return Batch(
        normalize(tf.constant(pixels[positions]), dataset.mean, dataset.std),
        tf.one_hot(label_ids[positions], dataset.num_classes),
    )
