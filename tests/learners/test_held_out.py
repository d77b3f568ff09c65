import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.learners.batch_statistics import (
    moving_statistics,
    normalizing_by_the_batch,
)
from gtn_tf.learners.functional import from_keras
from gtn_tf.learners.held_out import HELD_OUT, held_out_learner
from gtn_tf.learners.pool import WIDTHS
from gtn_tf.ops.seeds import root_seed
from tests.helpers.central_differences import normal


def _hidden_widths(model):
    """Of all layers that mix channels, but for the last."""
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    mixing = [layer for layer in model.layers if isinstance(layer, kinds)]
    return {
        int(layer.kernel.shape[-1])
        for layer in mixing[:-1]
        if not isinstance(layer, keras.layers.DepthwiseConv2D)
    }


@pytest.mark.parametrize("name", HELD_OUT)
def test_the_pool_cannot_draw_it(name):
    for shape in ((8, 8, 1), (28, 28, 1)):
        model = HELD_OUT[name](shape, 10)
        assert model.output_shape == (None, 10)
        # All that the pool draws are of WIDTHS: tests/learners/test_pool.py.
        assert _hidden_widths(model) - {*WIDTHS}


def test_there_are_enough():
    assert len(HELD_OUT) >= 12


def test_evaluation_is_the_same_whatever_the_momentum():
    found = []
    for momentum in (0.99, 0.5, 0.0):
        model = keras.Sequential(
            [
                keras.Input((4, 4, 1)),
                keras.layers.Conv2D(3, 3),
                keras.layers.BatchNormalization(momentum=momentum),
                keras.layers.Flatten(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(2),
            ]
        )
        plain = from_keras(lambda model=model: model, second_order=False)
        images = tf.constant(normal(1, 9, 4, 4, 1), tf.float32)
        moving = moving_statistics(model, images)
        learner = normalizing_by_the_batch(plain, moving)
        params, statistics = learner.init(root_seed(3))
        logits, _ = learner.apply(params, statistics, images, training=False)
        found.append(logits.numpy())
        # No dropout, and the images' own mean and variance.
        kernel, bias, gamma, beta, dense, dense_bias = params
        values = tf.nn.conv2d(images, kernel, 1, "VALID") + bias
        mean, variance = tf.nn.moments(values, [0, 1, 2])
        values = (values - mean) * tf.math.rsqrt(variance + 1e-3)
        values = tf.reshape(values * gamma + beta, (9, -1))
        np.testing.assert_allclose(
            logits, values @ dense + dense_bias, rtol=0, atol=1e-4
        )
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=0, atol=1e-4)


def test_what_has_no_statistics_is_left_as_it_is():
    learner = held_out_learner("conv", (8, 8, 1), 10)
    params, statistics = learner.init(root_seed(0))
    assert not statistics
    logits, _ = learner.apply(
        params, statistics, tf.zeros((2, 8, 8, 1)), training=False
    )
    assert logits.shape == (2, 10)
