"""Ways to compute a convolution: direct, or as one product of matrices.

oneDNN's convolutions reach a CPU's limit, but not where there is little to do:
there the gradient of a kernel costs twice what it should, and one channel as
much as eight. So small batches of small images, and images of one channel, are
laid out as patches [pixels, h w C], of which one matrix product makes the
convolution, and its gradients to any order by the products' own. What is faster
was measured layer by layer: docs/performance.md.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

#: Output pixels of a whole batch, up to which patches are the faster form.
_MOST_PIXELS = 512
#: Below so many channels pixels are copied a batch at a time, not singly.
_FEW_CHANNELS = 4

_Pair = tuple[int, int]


def direct(
    images: tf.Tensor, kernel: tf.Tensor, strides: _Pair, padding: str
) -> tf.Tensor:
    """Convolves images [B, H, W, C] with a kernel [h, w, C, F]."""
    return tf.nn.conv2d(images, kernel, strides, padding.upper())


def patches(
    images: tf.Tensor, kernel: tf.Tensor, strides: _Pair, padding: str
) -> tf.Tensor:
    """As `direct`, by patches where that is faster; B must be known there."""
    batch, *image_size, channels = images.shape
    sources = _sources(image_size, kernel.shape[:2], strides, padding)
    out_height, out_width = sources.shape[:2]
    is_small = batch and batch * out_height * out_width <= _MOST_PIXELS
    if not (is_small or (batch and channels == 1)):
        return direct(images, kernel, strides, padding)
    return by_patches(images, kernel, sources)


def by_patches(
    images: tf.Tensor, kernel: tf.Tensor, sources: np.ndarray
) -> tf.Tensor:
    """Convolves as `sources`, from `_sources`, says."""
    batch, height, width, channels = images.shape
    out_height, out_width = sources.shape[:2]
    filters = kernel.shape[-1]
    take = _taking(sources.reshape(-1), height * width)
    taken = take(tf.reshape(images, (batch, height * width, channels)))
    rows = tf.reshape(taken, (batch * out_height * out_width, -1))
    product = rows @ tf.reshape(kernel, (-1, filters))
    return tf.reshape(product, (batch, out_height, out_width, filters))


def _sources(
    image_size: _Pair, kernel_size: _Pair, strides: _Pair, padding: str
) -> np.ndarray:
    """Returns the pixel that each place of a kernel reads at each output.

    [H', W', h, w] int32: row W + column; H W where it reads padding.
    """
    inside, indices = [], []
    for size, places, stride in zip(
        image_size, kernel_size, strides, strict=True
    ):
        outputs = (size - places) // stride + 1
        before = 0
        if padding.lower() == "same":
            outputs = -(-size // stride)
            before = max((outputs - 1) * stride + places - size, 0) // 2
        index = np.arange(outputs)[:, None] * stride + np.arange(places)
        index -= before
        inside.append((index >= 0) & (index < size))
        indices.append(index)
    rows, columns = indices[0][:, None, :, None], indices[1][None, :, None]
    is_pixel = inside[0][:, None, :, None] & inside[1][None, :, None]
    height, width = image_size
    found = np.where(is_pixel, rows * width + columns, height * width)
    return found.astype(np.int32)


def _taking(sources: np.ndarray, num_pixels: int) -> Callable:
    """Returns the map from pixels [B, N, C] to those at M places, [B, M, C].

    It is linear; it and its transpose are each other's gradient, and each only
    copies, where TensorFlow's own gradient of a gather adds up one by one.
    """
    readers = _readers(sources, num_pixels)

    @tf.custom_gradient
    def take(pixels: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return _copied(pixels, sources), add_up

    @tf.custom_gradient
    def add_up(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        copied = _copied(values, readers.reshape(-1))
        shape = (-1, *readers.shape, values.shape[-1])
        return tf.reduce_sum(tf.reshape(copied, shape), 2), take

    return take


def _readers(sources: np.ndarray, num_pixels: int) -> np.ndarray:
    """Returns the places that read each pixel, [N, most]; M: none."""
    order = np.argsort(sources, kind="stable")
    order = order[: np.count_nonzero(sources < num_pixels)]  # padding is last
    pixels = sources[order]
    counts = np.bincount(pixels, minlength=num_pixels)
    numbers = np.arange(len(order)) - (np.cumsum(counts) - counts)[pixels]
    found = np.full((num_pixels, max(counts.max(), 1)), len(sources), np.int32)
    found[pixels, numbers] = order
    return found


def _copied(values: tf.Tensor, places: np.ndarray) -> tf.Tensor:
    """Copies rows of [B, N, C]; row N is zero."""
    batch, _, channels = values.shape
    if channels >= _FEW_CHANNELS:
        zeros = tf.zeros((batch, 1, channels), values.dtype)
        return tf.gather(tf.concat([values, zeros], 1), places, axis=1)
    zeros = tf.zeros((1, batch, channels), values.dtype)
    pixels_first = tf.transpose(values, (1, 0, 2))
    rows = tf.gather(tf.concat([pixels_first, zeros], 0), places)
    return tf.transpose(rows, (1, 0, 2))
