"""Keras' own layers, computed so that their second derivatives are right.

Each computes what its parent does, on what its parent holds, so that a layer
of a built model becomes one by a change of its class alone: weights, names and
connections stay, in nested and in subclassed models too.

Departure: batch normalisation keeps the last batch's statistics, as
`normalization` does, whatever its momentum; after a few steps a slow mean is
mostly what it began with. `synchronized` has no effect: a learner is on one
device.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from gtn_tf.types import InputError


def moments(
    values: tf.Tensor, axes: Sequence[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and variance over axes, which are kept with size 1.

    In float32 at least. `tf.nn.moments` stops the gradient of the mean inside
    the variance, which is wrong at second order.
    """
    if values.dtype.size < tf.float32.size:
        values = tf.cast(values, tf.float32)
    mean = tf.reduce_mean(values, axes, keepdims=True)
    squares = tf.square(values - mean)
    return mean, tf.reduce_mean(squares, axes, keepdims=True)


def _normalized(
    layer: keras.layers.Layer,
    values: tf.Tensor,
    axes: Sequence[int],
    shape: Sequence[int],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns (outputs, mean, variance); gamma and beta have `shape`."""
    mean, variance = moments(values, axes)
    scale = tf.math.rsqrt(variance + layer.epsilon)
    if layer.scale:
        gamma = tf.cast(tf.convert_to_tensor(layer.gamma), scale.dtype)
        scale *= tf.reshape(gamma, shape)
    outputs = (tf.cast(values, mean.dtype) - mean) * scale
    if layer.center:
        beta = tf.cast(tf.convert_to_tensor(layer.beta), outputs.dtype)
        outputs += tf.reshape(beta, shape)
    return outputs, mean, variance


def _broadcast_shape(values: tf.Tensor, kept: Sequence[int]) -> list[int]:
    rank = values.shape.rank
    kept = {axis % rank for axis in kept}
    return [values.shape[i] if i in kept else 1 for i in range(rank)]


class BatchNormalization(keras.layers.BatchNormalization):
    """Without `renorm`, whose corrections have no gradient."""

    def call(
        self,
        inputs: tf.Tensor,
        training: bool | None = None,
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        if mask is not None:
            raise InputError(
                f"layer '{self.name}' (BatchNormalization) is given a mask; "
                "expected images, which have none; take the mask away"
            )
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        shape = _broadcast_shape(inputs, [self.axis])
        axes = [i for i in range(len(shape)) if i != self.axis % len(shape)]
        outputs, mean, variance = _normalized(self, inputs, axes, shape)
        for variable, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            value = tf.reshape(value, variable.shape)
            variable.assign(tf.cast(value, variable.dtype))
        return tf.cast(outputs, self.compute_dtype)


class LayerNormalization(keras.layers.LayerNormalization):
    """As its parent."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.rms_scaling:  # by a variance that is right
            return super().call(inputs)
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        shape = _broadcast_shape(inputs, axes)
        outputs, _, _ = _normalized(self, inputs, axes, shape)
        return tf.cast(outputs, self.compute_dtype)


class GroupNormalization(keras.layers.GroupNormalization):
    """As its parent."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        axis = self.axis % inputs.shape.rank
        num_groups, channels = self.groups, inputs.shape[axis]
        sizes = [-1, *inputs.shape[1:]]
        sizes[axis : axis + 1] = [num_groups, channels // num_groups]
        values = tf.reshape(inputs, sizes)
        axes = [i for i in range(1, len(sizes)) if i != axis]
        shape = [1] * len(sizes)
        shape[axis : axis + 2] = sizes[axis : axis + 2]
        outputs, _, _ = _normalized(self, values, axes, shape)
        outputs = tf.reshape(outputs, tf.shape(inputs))
        return tf.cast(outputs, self.compute_dtype)


def _padded(inputs: tf.Tensor, layer: keras.layers.Layer) -> tf.Tensor:
    """Pads as "same" does: [B, .., C] -> the same rank."""
    pads = [(0, 0)]
    for size, pool, stride in zip(
        inputs.shape[1:-1], layer.pool_size, layer.strides, strict=True
    ):
        total = max((-(-size // stride) - 1) * stride + pool - size, 0)
        pads.append((total // 2, total - total // 2))
    # An infinity would turn into NaN where a gradient multiplies it by zero.
    return tf.pad(inputs, [*pads, (0, 0)], constant_values=inputs.dtype.min)


class _MaxPooling:
    """TensorFlow is wrong where what it pools to has the shape of the input.

    Its kernel on CPU overwrites that then, in graph mode.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        is_window = max(self.pool_size) > 1 or max(self.strides) > 1
        if not is_window:
            return inputs
        if self.padding == "same":
            inputs = _padded(inputs, self)
        return tf.nn.max_pool(inputs, self.pool_size, self.strides, "VALID")


class MaxPooling1D(_MaxPooling, keras.layers.MaxPooling1D):
    """As its parent."""


class MaxPooling2D(_MaxPooling, keras.layers.MaxPooling2D):
    """As its parent."""


def _resized(
    images: tf.Tensor, size: tuple[int, int], method: str, antialias: bool
) -> tf.Tensor:
    """Resizes by two products with matrices: [B, H, W, C] -> [B, *size, C].

    Resizing is linear in each direction; TensorFlow's derivative of it has no
    derivative.
    """
    rows, columns = (
        _resizing_matrix(old, new, method, antialias, images.dtype)
        for old, new in zip(images.shape[1:3], size, strict=True)
    )
    images = tf.einsum("ph,bhwc->bpwc", rows, images)
    return tf.einsum("qw,bpwc->bpqc", columns, images)


def _resizing_matrix(
    old: int, new: int, method: str, antialias: bool, dtype: tf.DType
) -> tf.Tensor:
    unit_images = tf.eye(old)[None, :, None]  # a channel each
    resized = tf.image.resize(
        unit_images, (new, 1), method=method, antialias=antialias
    )
    return tf.cast(resized[0, :, 0], dtype)


class UpSampling2D(keras.layers.UpSampling2D):
    """As its parent."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        size = self.compute_output_shape(inputs.shape)[1:3]
        return _resized(inputs, size, self.interpolation, False)


class Resizing(keras.layers.Resizing):
    """Without crop_to_aspect_ratio or pad_to_aspect_ratio."""

    def call(self, data: tf.Tensor, training: bool = True) -> tf.Tensor:
        del training
        size = (self.height, self.width)
        resized = _resized(data, size, self.interpolation, self.antialias)
        return tf.cast(resized, self.compute_dtype)


class PointwiseConv2D(keras.layers.Conv2D):
    """A 1x1 convolution with a stride, as `Subsample` and one without."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        inputs = tf.nn.avg_pool2d(inputs, 1, self.strides, "VALID")
        return keras.ops.conv(
            inputs, kernel, 1, "valid", data_format="channels_last"
        )
