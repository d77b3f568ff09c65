import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from gtn_tf.layers import twice_differentiable
from gtn_tf.types import InputError
from tests.helpers.central_differences import (
    assert_second_order_matches,
    second_order_error,
)
from tests.helpers.float_tolerance import assert_close

CLEARLY_WRONG = 1e-4  # ten times what is right

SHAPE = (4, 5, 6, 4)
LAYERS = {
    "batch": lambda **k: L.BatchNormalization(momentum=0.9, **k),
    "batch of an axis": lambda **k: L.BatchNormalization(axis=1, **k),
    "batch alone": lambda **k: L.BatchNormalization(
        scale=False, center=False, **k
    ),
    "layer": lambda **k: L.LayerNormalization(**k),
    "layer of two axes": lambda **k: L.LayerNormalization(axis=(1, 3), **k),
    "group": lambda **k: L.GroupNormalization(2, **k),
    "instance": lambda **k: L.GroupNormalization(-1, scale=False, **k),
    "pool": lambda **k: L.MaxPooling2D(3, 1, "same", **k),
    "pool of two sides": lambda **k: L.MaxPooling2D((1, 3), 1, "same", **k),
    "pool with strides": lambda **k: L.MaxPooling2D(3, (2, 1), "same", **k),
    "bilinear": lambda **k: L.UpSampling2D((2, 3), None, "bilinear", **k),
    "bicubic": lambda **k: L.UpSampling2D(2, interpolation="bicubic", **k),
    "smaller": lambda **k: L.Resizing(3, 4, antialias=True, **k),
    "nearest": lambda **k: L.Resizing(7, 3, interpolation="nearest", **k),
    "pointwise": lambda **k: L.Conv2D(3, 1, 2, "same", **k),
}
# TensorFlow resizes in float32, whatever the dtype of the images.
_RESIZED = ("bilinear", "bicubic", "smaller", "nearest")
#: Right already: swapped for other reasons.
_RIGHT = ("pool of two sides", "pool with strides", "nearest", "pointwise")


def twin_of(layer):
    name = type(layer).__name__
    name = "PointwiseConv2D" if name == "Conv2D" else name
    return getattr(twice_differentiable, name).from_config(layer.get_config())


def outputs_of(layer, images, training=True):
    outputs = layer(images, training=training)
    return outputs.numpy(), [w.numpy() for w in layer.weights]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_bfloat16"])
def test_it_computes_what_its_parent_does(name, dtype):
    layer = LAYERS[name](dtype=dtype)
    twin = twin_of(layer)
    rng = np.random.default_rng(1)
    images = tf.constant(rng.normal(3.0, 2.0, SHAPE), layer.compute_dtype)
    for each in (layer, twin):
        each.build(SHAPE)
    values = [rng.uniform(0.5, 2.0, w.shape) for w in layer.weights]
    for each in (layer, twin):
        each.set_weights(values)
    ours, theirs = (outputs_of(each, images)[0] for each in (twin, layer))
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    ours, theirs = (v.astype("float64") for v in (ours, theirs))
    eps = {"float64": 2e-16, "float32": 1e-7, "mixed_bfloat16": 8e-3}[dtype]
    if name in _RESIZED:
        eps = max(eps, 1e-7)
    # Sums of up to 120 numbers.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=128 * eps * 20)
    if "norm" in name:
        evaluated = (outputs_of(e, images, False)[0] for e in (twin, layer))
        np.testing.assert_array_equal(*evaluated)


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_right_at_second_order(name):
    twin = twin_of(LAYERS[name](dtype="float64"))
    assert_second_order_matches(twin, SHAPE, seed=3)


@pytest.mark.parametrize("name", [n for n in LAYERS if n not in _RIGHT])
def test_its_parent_is_not(name):
    layer = LAYERS[name](dtype="float64")
    try:
        error = second_order_error(layer, SHAPE, seed=5)
    except (LookupError, TypeError):  # no second derivative at all
        return
    assert error > CLEARLY_WRONG


def test_statistics_are_the_last_batchs():
    images = np.random.default_rng(2).normal(size=SHAPE)
    twin = twice_differentiable.BatchNormalization(
        momentum=0.9, dtype="float64"
    )
    outputs_of(twin, images)
    assert_close(twin.moving_mean, images.mean((0, 1, 2)), 120, 4)
    assert_close(twin.moving_variance, images.var((0, 1, 2)), 120, 16)


def test_a_pool_of_single_pixels_is_the_identity():
    images = tf.ones((1, 2, 2, 1))
    twin = twice_differentiable.MaxPooling2D(1)
    np.testing.assert_array_equal(twin(images), images)
    lines = twice_differentiable.MaxPooling1D(3, 1, "same")
    values = tf.constant([[[1.0], [4.0], [2.0], [3.0]]])
    np.testing.assert_array_equal(lines(values)[0, :, 0], [4, 4, 4, 3])
    assert isinstance(lines, keras.layers.MaxPooling1D)


def test_a_mask_is_refused():
    twin = twice_differentiable.BatchNormalization()
    mask = tf.ones(SHAPE[:3], tf.bool)
    with pytest.raises(InputError, match="given a mask"):
        twin(tf.ones(SHAPE), training=True, mask=mask)
