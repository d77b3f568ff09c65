"""Max-pooling whose derivatives move values by remembered places.

On CPU TensorFlow's own gradients of max-pooling search every window for its
maximum again, at first and at second order, in a scalar loop that costs as
much as the convolutions around it. Here the place of each maximum is found
once, with the forward pass; the gradient scatters by it, the gradient's
gradient gathers, and so on to any order.

TensorFlow's second derivative is moreover wrong for stride-1 `SAME` pools in
CPU graph mode, where its kernel overwrites its own input; and XLA refuses the
first one under op determinism. So accelerators take the maximum of shifted
slices, which XLA fuses and which is right to any order too.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.layers.shapes import Shape, strided

_INTEGERS = {tf.float32: tf.int32, tf.float64: tf.int64}
_TINY = 1e-30  # a zero with codes in its last bits would be flushed to zero


def max_pool(images: tf.Tensor, pool_size: int, strides: int) -> tf.Tensor:
    """Returns the maxima of windows: [B, H, W, C] -> [B, H', W', C].

    Pads pool_size - 1 pixels, the smaller half before. Where several maxima
    of a window are equal, up to their last few bits (2 for 2x2 windows, 4 up
    to 4x4, 6 up to 8x8), one of them receives the gradient.

    Args:
      images: of any float type; CPU computes in float32 or float64.
      pool_size: pixels.
      strides: pixels.
    """
    if any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU")):
        return _maxima_of_slices(images, pool_size, strides)
    if images.dtype not in _INTEGERS:
        pooled = max_pool(tf.cast(images, tf.float32), pool_size, strides)
        return tf.cast(pooled, images.dtype)

    @tf.custom_gradient
    def pool(images: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        padded = _pad(images, pool_size)
        maxima = tf.nn.max_pool2d(padded, pool_size, strides, "VALID")
        places = _places(padded, pool_size, strides)
        return maxima, lambda upstream: _scatter(
            upstream, places, tf.shape(images)
        )

    return pool(images)


def _maxima_of_slices(
    images: tf.Tensor, pool_size: int, strides: int
) -> tf.Tensor:
    height, width = images.shape[1:3]
    padded = _pad(images, pool_size)
    slices = [
        padded[
            :, row : row + height : strides, column : column + width : strides
        ]
        for row in range(pool_size)
        for column in range(pool_size)
    ]
    return functools.reduce(tf.maximum, slices)


def _pad(images: tf.Tensor, pool_size: int) -> tf.Tensor:
    before = (pool_size - 1) // 2
    pad = (before, pool_size - 1 - before)
    # The most negative finite number: an infinity would turn into NaN
    # where a gradient multiplies it by zero.
    return tf.pad(
        images,
        ((0, 0), pad, pad, (0, 0)),
        constant_values=images.dtype.min,
    )


def _places(padded: tf.Tensor, pool_size: int, strides: int) -> tf.Tensor:
    """Returns the place of each window's maximum in the unpadded images.

    A pixel's row and column, modulo a power of two of at least pool_size, take
    the place of the last bits of its value: the pool of floats, which is fast,
    carries them along, and no two pixels of a window share them.

    Returns:
      [B, H', W', C] int32, counted through all of the flattened images.
    """
    integer = _INTEGERS[padded.dtype]
    num_bits = (pool_size - 1).bit_length()  # of a row, and of a column
    low, mask = (1 << num_bits) - 1, (1 << 2 * num_bits) - 1
    # By NumPy what no pixel changes: constants are traced once.
    rows, columns = (np.arange(n) for n in padded.shape[1:3])
    code = ((rows & low) << num_bits)[:, None, None] + (columns & low)[:, None]
    bits = tf.bitcast(padded + _TINY, integer) & ~mask
    bits |= tf.constant(code, integer)
    winners = tf.nn.max_pool2d(
        tf.bitcast(bits, padded.dtype), pool_size, strides, "VALID"
    )
    code = tf.cast(tf.bitcast(winners, integer) & mask, tf.int32)
    first_row, first_column = (
        np.arange(n, dtype=np.int32) * strides for n in winners.shape[1:3]
    )
    first_row, first_column = first_row[:, None, None], first_column[:, None]
    # Within its window: a difference modulo a power of two.
    row = (tf.bitwise.right_shift(code, num_bits) - first_row) & low
    column = (code - first_column) & low
    height, width = (n - pool_size + 1 for n in padded.shape[1:3])
    before = (pool_size - 1) // 2
    origin = (first_row - before) * width + first_column - before
    # Out of range only where the images are not finite.
    pixel = tf.clip_by_value(
        row * width + column + origin, 0, height * width - 1
    )
    num_channels = winners.shape[-1]
    start = _range(padded)[:, None, None, None]
    start = start * (height * width * num_channels)
    channels = np.arange(num_channels, dtype=np.int32)
    return pixel * num_channels + (start + channels)


def _range(images: tf.Tensor) -> tf.Tensor | np.ndarray:
    """Returns 0 .. B - 1 [B] int32, by NumPy where B is known."""
    batch_size = images.shape[0]
    if batch_size is None:
        return tf.range(tf.shape(images)[0])
    return np.arange(batch_size, dtype=np.int32)


@tf.custom_gradient
def _scatter(
    values: tf.Tensor, places: tf.Tensor, shape: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Adds values [B, H', W', C] up at their places in zeros of `shape`."""
    flat = tf.math.unsorted_segment_sum(values, places, tf.reduce_prod(shape))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        return _gather(upstream, places), None, None

    return tf.reshape(flat, shape), gradient


@tf.custom_gradient
def _gather(images: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Takes values [B, H', W', C] from their places."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _scatter(upstream, places, tf.shape(images)), None

    return tf.gather(tf.reshape(images, [-1]), places), gradient


@keras.saving.register_keras_serializable("gtn_tf")
class MaxPool2D(keras.layers.Layer):
    """Max-pooling that is right at second order: [B, H, W, C] -> same rank.

    Pads pool_size - 1 pixels, the smaller half before; see `max_pool`.
    """

    def __init__(self, pool_size: int, strides: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = strides

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return max_pool(inputs, self.pool_size, self.strides)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sides, channels = input_shape
        sides = (strided(pixels, self.strides) for pixels in sides)
        return batch, *sides, channels

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
        }
