import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers.upsampling import UpsampledConv2D
from gtn_tf.layers.weight_norm import WeightNormConv2D
from tests.helpers.central_differences import assert_gradient_matches, normal


def build(channels, filters, dtype="float64", **kwargs):
    """A layer whose every variable is random."""
    layer = UpsampledConv2D(filters, dtype=dtype, **kwargs)
    layer.build((None, None, None, channels))
    for seed, variable in enumerate(layer.trainable_variables):
        variable.assign(normal(seed, *variable.shape))
    return layer


def step_by_step(layer, images):
    """The same as it is defined: upsample, pad, convolve."""
    conv = WeightNormConv2D(layer.filters, 3, padding="valid", dtype="float64")
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    large = np.pad(large, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    conv.build(large.shape)
    for mine, other in zip(
        conv.trainable_variables, layer.trainable_variables, strict=True
    ):
        mine.assign(other)
    return conv(large)


@pytest.mark.parametrize(
    "shape", [(2, 1, 1, 3), (3, 2, 5, 4), (1, 7, 7, 2), (2, 8, 4, 1)]
)
@pytest.mark.parametrize("filters", [1, 3])
def test_equals_its_definition(shape, filters):
    layer = build(shape[-1], filters)
    images = normal(9, *shape)
    expected = step_by_step(layer, images)
    np.testing.assert_allclose(layer(images), expected, rtol=1e-12, atol=1e-12)


def test_by_hand():
    layer = UpsampledConv2D(1, use_bias=False, dtype="float64")
    layer.build((None, None, None, 1))
    row = [[0.0, 0.0, 0.0], [1.0, 2.0, 4.0], [0.0, 0.0, 0.0]]
    kernel, gain = layer.trainable_variables
    kernel.assign(np.reshape(row, (3, 3, 1, 1)))
    gain.assign([np.sqrt(21.0)])
    # Large, with its reflected border: 1 | 1 1 10 10 | 10
    outputs = layer(np.reshape([1.0, 10.0], (1, 1, 2, 1)))
    once = [1 + 2 + 4, 1 + 2 + 40, 1 + 20 + 40, 10 + 20 + 40]
    np.testing.assert_allclose(outputs[0, :, :, 0], [once, once], rtol=1e-12)


def test_gradients():
    layer = build(2, 3)
    weights = [v.numpy() for v in layer.trainable_variables]
    upstream = normal(8, 2, 6, 4, 3)

    def scalar(values):
        *weights, images = values
        outputs, _ = layer.stateless_call(weights, [], images)
        return tf.reduce_sum(upstream * outputs)

    for seed in range(3):
        assert_gradient_matches(
            scalar, [*weights, normal(7, 2, 3, 2, 2)], seed=seed
        )


def test_under_mixed_precision():
    layer = build(2, 3, dtype="mixed_bfloat16")
    exact = build(2, 3)
    images = normal(9, 1, 4, 4, 2)
    outputs = layer(images)
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(outputs, tf.float64), exact(images), rtol=0.1, atol=0.1
    )


def test_serialization():
    layer = build(2, 3, use_bias=False, name="up")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert isinstance(copy, UpsampledConv2D)
    assert (copy.filters, copy.use_bias, copy.name) == (3, False, "up")
