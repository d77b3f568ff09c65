import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.retrain.drop_path import (
    SeededDropout,
    dropout_layers,
    dropout_values,
)

_SHAPE = (6, 4, 4, 8)


def _call(layer, seed=(1, 2), ramp=1.0, shape=_SHAPE, dtype=tf.float32):
    images = tf.ones(shape, dtype)
    layer.build(shape)
    values = [(layer.seed, tf.constant(seed)), (layer.ramp, tf.constant(ramp))]
    with keras.StatelessScope(values):
        return layer(images, training=True).numpy()


def test_an_image_is_dropped_as_a_whole_and_divided_by_what_is_kept():
    outputs = _call(SeededDropout(0.4, per_image=True), shape=(200, 2, 2, 3))
    per_image = outputs.reshape(200, -1)
    assert (per_image == per_image[:, :1]).all()
    np.testing.assert_allclose(np.unique(per_image), [0.0, 1 / 0.6], rtol=1e-6)


def test_numbers_are_dropped_one_by_one():
    outputs = _call(SeededDropout(0.4, per_image=False), shape=(3, 50))
    assert ((outputs == 0).any(axis=1) & (outputs > 0).any(axis=1)).all()


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize(("drop", "ramp"), [(0.4, 1.0), (0.4, 0.5)])
def test_share_and_expectation(per_image, drop, ramp):
    layer = SeededDropout(drop, per_image)
    outputs = _call(layer, ramp=ramp, shape=(40_000, 1))
    share = drop * ramp
    # Four standard deviations of the mean of 40,000 draws.
    tolerance = 4 * np.sqrt(share * (1 - share) / 40_000)
    assert abs((outputs == 0).mean() - share) < tolerance
    assert abs(outputs.mean() - 1) < tolerance / (1 - share)
    np.testing.assert_allclose(outputs.max(), 1 / (1 - share), rtol=1e-6)


def test_no_ramp_drops_nothing():
    np.testing.assert_array_equal(
        _call(SeededDropout(0.9, per_image=True), ramp=0.0), np.ones(_SHAPE)
    )


def test_equal_seeds_drop_alike():
    one, same, other = (
        _call(SeededDropout(0.5, per_image=False), seed)
        for seed in ((1, 2), (1, 2), (1, 3))
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_inference_drops_nothing():
    layer = SeededDropout(0.9, per_image=True)
    images = tf.ones(_SHAPE)
    np.testing.assert_array_equal(layer(images, training=False), images)


def test_bfloat16_keeps_its_type():
    layer = SeededDropout(0.5, per_image=True, dtype="mixed_bfloat16")
    assert _call(layer, dtype=tf.bfloat16).dtype == tf.bfloat16.as_numpy_dtype


def test_layers_of_a_model_have_seeds_of_their_own():
    images = keras.Input((2, 2, 1))
    path = SeededDropout(0.2, per_image=True)(images)
    number = SeededDropout(0.4, per_image=False)(path)
    model = keras.Model(images, number)
    values = dropout_values(model, tf.constant([3, 4]), tf.constant(0.25))
    first, second = dropout_layers(model)
    seeds = [tuple(values[id(x.seed)].numpy()) for x in (first, second)]
    assert len(set(seeds)) == 2
    # The ramp is drop path's alone.
    assert values[id(first.ramp)].numpy() == 0.25
    assert values[id(second.ramp)].numpy() == 1.0


def test_config_round_trip():
    layer = SeededDropout(0.25, per_image=True, name="path")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    assert (again.drop_share, again.per_image) == (0.25, True)
