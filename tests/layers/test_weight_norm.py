import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers.initializers import he_normal
from gtn_tf.layers.weight_norm import (
    WeightNormDense,
    WeightNormDepthwiseConv2D,
)
from tests.helpers.central_differences import normal
from tests.helpers.weight_norm_twins import TWINS

weight_normalised = pytest.mark.parametrize("name", TWINS)


def build(name, **kwargs):
    """Returns a built float64 layer with random values, and its inputs."""
    cls, _, arguments, shape = TWINS[name]
    layer = cls(**arguments, dtype="float64", **kwargs)
    layer.build((None, *shape[1:]))
    return layer, normal(1, *shape)


def randomize(layer):
    for index, variable in enumerate(layer.trainable_variables):
        variable.assign(normal([2, index], *variable.shape))


def numpy_kernel(layer):
    """g V / ||V||, one output unit after the other."""
    kernel, gain = layer.kernel.numpy(), layer.gain.numpy()
    found = np.empty_like(kernel)
    for unit in np.ndindex(gain.shape):
        direction = kernel[(..., *unit)]
        length = np.sqrt(np.sum(direction**2))
        found[(..., *unit)] = gain[unit] * direction / length
    return found


def numpy_convolution(images, kernel, strides, padding):
    """Convolution [B, H, W, C] by [h, w, C, F] with explicit loops."""
    size = np.array(kernel.shape[:2])
    strides = np.array(strides)
    sides = np.array(images.shape[1:3])
    if padding == "same":
        outputs = -(-sides // strides)
        total = np.maximum((outputs - 1) * strides + size - sides, 0)
        before = total // 2  # TensorFlow's "same": the odd pixel is behind
        pad = [(0, 0), *zip(before, total - before, strict=True), (0, 0)]
        images = np.pad(images, pad)
    else:
        outputs = (sides - size) // strides + 1
    found = np.empty((len(images), *outputs, kernel.shape[3]))
    for row, column in np.ndindex(*outputs):
        top, left = row * strides[0], column * strides[1]
        window = images[:, top : top + size[0], left : left + size[1]]
        found[:, row, column] = np.einsum("bhwc,hwcf->bf", window, kernel)
    return found


def numpy_forward(layer, inputs):
    kernel = numpy_kernel(layer)
    if isinstance(layer, WeightNormDense):
        return inputs @ kernel + layer.bias.numpy()
    strides = layer.strides
    if isinstance(layer, WeightNormDepthwiseConv2D):
        strides = (strides, strides)
        height, width, channels, multiplier = kernel.shape
        blocks = np.zeros((height, width, channels, channels, multiplier))
        for channel in range(channels):
            blocks[:, :, channel, channel] = kernel[:, :, channel]
        kernel = blocks.reshape(height, width, channels, -1)
    outputs = numpy_convolution(inputs, kernel, strides, layer.padding)
    return outputs + layer.bias.numpy()


def unit_sums(layer, values):
    return np.sum(values, axis=layer.unit_axes)


@weight_normalised
def test_kernel_is_g_v_over_norm_and_the_bias_comes_after(name):
    layer, inputs = build(name)
    randomize(layer)
    np.testing.assert_allclose(
        layer(inputs), numpy_forward(layer, inputs), rtol=1e-10, atol=1e-12
    )


@weight_normalised
def test_a_fresh_layer_equals_its_plain_twin(name):
    layer, inputs = build(name)
    kernel = layer.kernel.numpy()
    np.testing.assert_allclose(
        layer.gain.numpy(), np.sqrt(unit_sums(layer, kernel**2)), rtol=1e-10
    )
    np.testing.assert_array_equal(layer.bias.numpy(), 0.0)
    _, plain, arguments, _ = TWINS[name]
    twin = plain(**arguments, dtype="float64")
    twin.build(inputs.shape)
    twin.set_weights([kernel, layer.bias.numpy()])
    np.testing.assert_allclose(layer(inputs), twin(inputs), atol=1e-10)


@weight_normalised
def test_the_scale_of_each_units_direction_does_not_matter(name):
    layer, inputs = build(name)
    randomize(layer)
    before = layer(inputs).numpy()
    scales = np.exp(normal(3, *layer.gain.shape))
    for axis in sorted(layer.unit_axes):
        scales = np.expand_dims(scales, axis)
    layer.kernel.assign(layer.kernel.numpy() * scales)
    np.testing.assert_allclose(layer(inputs), before, rtol=1e-9, atol=1e-10)


@weight_normalised
def test_each_units_gradient_is_orthogonal_to_its_direction(name):
    layer, inputs = build(name)
    randomize(layer)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(layer(inputs)))
    gradient = tape.gradient(loss, layer.kernel.value).numpy()
    products = unit_sums(layer, gradient * layer.kernel.numpy())
    lengths = unit_sums(layer, np.abs(gradient * layer.kernel.numpy()))
    assert np.all(lengths > 0.0)
    np.testing.assert_allclose(products / lengths, 0.0, atol=1e-10)


@weight_normalised
def test_a_call_assigns_nothing(name):
    layer, inputs = build(name)
    before = [v.numpy() for v in layer.variables]
    values = [v + 1.0 for v in before]
    outputs, statistics = layer.stateless_call(values, [], inputs)
    assert statistics == []
    assert not np.allclose(outputs, layer(inputs))
    for variable, value in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_without_bias():
    layer, _ = build("dense", use_bias=False)
    assert [v.name for v in layer.variables] == ["kernel", "gain"]


def test_kernel_and_gain_stay_in_float32_under_mixed_precision():
    layer = WeightNormDense(3, dtype="mixed_bfloat16")
    outputs = layer(tf.ones((2, 4)))
    assert outputs.dtype == tf.bfloat16
    assert layer.normalized_kernel().dtype == tf.bfloat16
    with keras.src.backend.AutocastScope("bfloat16"):
        # What the layer's call sees.
        assert tf.convert_to_tensor(layer.kernel).dtype == tf.float32
        assert tf.convert_to_tensor(layer.gain).dtype == tf.float32


@pytest.mark.parametrize("size", [(200, 100), (3, 3, 40, 100)])
def test_he_normal_is_untruncated_and_of_variance_2_over_fan_in(size):
    values = he_normal()(size, dtype="float64").numpy()
    std = np.sqrt(2.0 / np.prod(size[:-1]))
    # Of n normal numbers the std's standard error is std / sqrt(2 n).
    assert abs(values.std() / std - 1.0) < 4.0 / np.sqrt(2.0 * values.size)
    # Keras' truncation would be at 2 / 0.88 = 2.3 std.
    assert np.abs(values).max() > 3.0 * std
