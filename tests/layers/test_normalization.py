import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers.normalization import (
    BatchNormalization,
    MeanOnlyBatchNormalization,
)
from tests.helpers.central_differences import (
    assert_gradient_matches,
    assert_second_order_matches,
    normal,
    second_order_error,
)
from tests.helpers.float_tolerance import assert_close

IMAGES = (3, 2, 4, 5)
#: As in test_layers.py.
CLEARLY_WRONG = 1e-3

both = pytest.mark.parametrize(
    "cls", [MeanOnlyBatchNormalization, BatchNormalization]
)


def build(cls, shape=IMAGES, **kwargs):
    """Returns a built float64 layer with random beta and gamma."""
    layer = cls(dtype="float64", **kwargs)
    layer.build(shape)
    for index, variable in enumerate(layer.trainable_variables):
        variable.assign(normal([1, index], *variable.shape))
    return layer


def moments(values):
    """Mean and biased variance per channel."""
    flat = values.reshape(-1, values.shape[-1])
    mean = flat.sum(0) / len(flat)
    return mean, ((flat - mean) ** 2).sum(0) / len(flat)


def by_hand(layer, values, mean, variance):
    if isinstance(layer, MeanOnlyBatchNormalization):
        return values - mean + layer.beta.numpy()
    std = np.sqrt(variance + layer.epsilon)
    return layer.gamma.numpy() * (values - mean) / std + layer.beta.numpy()


def assert_statistics(layer, mean, variance):
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean)
    if isinstance(layer, BatchNormalization):
        np.testing.assert_allclose(layer.moving_variance.numpy(), variance)


@both
@pytest.mark.parametrize("shape", [IMAGES, (7, 5)])
def test_by_hand(cls, shape):
    layer = build(cls, shape)
    values = 3.0 + 2.0 * normal(2, *shape)
    np.testing.assert_allclose(
        layer(values, training=True),
        by_hand(layer, values, *moments(values)),
    )


@both
def test_evaluation_uses_the_last_batchs_statistics(cls):
    layer = build(cls)
    earlier, last, test = (i + normal([3, i], *IMAGES) for i in range(3))
    layer(earlier, training=True)
    layer(last, training=True)
    assert_statistics(layer, *moments(last))
    np.testing.assert_allclose(
        layer(test), by_hand(layer, test, *moments(last))
    )
    # Evaluation leaves the statistics alone.
    assert_statistics(layer, *moments(last))


@both
def test_momentum_averages_old_and_new(cls):
    layer = build(cls, momentum=0.9)
    first, second = (i + normal([4, i], *IMAGES) for i in range(2))
    layer(first, training=True)
    layer(second, training=True)
    mean_1, variance_1 = moments(first)
    mean_2, variance_2 = moments(second)
    # From mean 0 and variance 1.
    assert_statistics(
        layer,
        0.9 * (0.1 * mean_1) + 0.1 * mean_2,
        0.9 * (0.9 + 0.1 * variance_1) + 0.1 * variance_2,
    )


@both
@pytest.mark.parametrize("shape", [IMAGES, (6, 5)])
def test_groups_are_normalised_one_by_one(cls, shape):
    groups = np.stack([i + (i + 1) * normal([5, i], *shape) for i in range(3)])
    layer = build(cls, groups.shape, num_group_axes=1)
    single = build(cls, shape)
    expected = [single(group, training=True) for group in groups]
    np.testing.assert_allclose(
        layer(groups, training=True), expected, rtol=1e-10, atol=1e-12
    )
    per_group = [moments(group) for group in groups]
    assert_statistics(
        layer,
        np.mean([mean for mean, _ in per_group], 0),
        np.mean([variance for _, variance in per_group], 0),
    )


@both
def test_stateless_calls_return_the_statistics_and_assign_nothing(cls):
    layer = build(cls)
    values = 1.0 + normal(6, *IMAGES)
    before = layer.get_weights()
    params = [v.numpy() for v in layer.trainable_variables]
    old = [v.numpy() for v in layer.non_trainable_variables]
    _, new = layer.stateless_call(params, old, values, training=True)
    for found, expected in zip(new, moments(values), strict=False):
        np.testing.assert_allclose(found, expected)
    _, kept = layer.stateless_call(params, new, values + 1, training=False)
    for found, expected in zip(kept, new, strict=True):
        np.testing.assert_array_equal(found, expected)
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@both
def test_statistics_stay_in_float32_under_mixed_precision(cls):
    layer = cls(dtype="mixed_bfloat16")
    layer.build(IMAGES)
    # 1000 + normal: bfloat16's 8 bits would lose the differences.
    values = tf.constant(1000.0 + normal(7, *IMAGES), tf.bfloat16)
    outputs = layer(values, training=True)
    assert outputs.dtype == tf.bfloat16
    mean, _ = moments(values.numpy().astype("float64"))
    assert_close(layer.moving_mean, mean, num_roundings=3 * 2 * 4)


@both
def test_serialization(cls):
    layer = cls(momentum=0.9, num_group_axes=1)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(copy) is cls
    assert copy.get_config() == layer.get_config()
    assert (copy.momentum, copy.num_group_axes) == (0.9, 1)


# The next batch of these checks is evaluated with training=False: its loss
# depends on the first batch through the stored statistics.
@both
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("shape", [IMAGES, (6, 3)])
def test_right_at_second_order(cls, momentum, shape):
    layer = cls(momentum=momentum, dtype="float64")
    assert_second_order_matches(layer, shape, seed=8)


@both
def test_gradient_flows_through_stored_statistics(cls):
    layer = build(cls)
    params = [tf.convert_to_tensor(v) for v in layer.trainable_variables]
    old = [tf.convert_to_tensor(v) for v in layer.non_trainable_variables]
    test = tf.constant(normal(9, *IMAGES))

    def loss(values):
        _, new = layer.stateless_call(params, old, values[0], training=True)
        outputs, _ = layer.stateless_call(params, new, test, training=False)
        return tf.reduce_sum(tf.sin(outputs))

    assert_gradient_matches(
        loss, [normal(10, *IMAGES)], seed=11, every_element=True
    )


# All three call tf.nn.moments, whose variance is mean((x - stop_gradient(m))
# ** 2). The stopped term's derivative is zero, so first derivatives are right;
# the derivative of that derivative is not zero and is lost. A learner with one
# of them would get a wrong meta-gradient, without any sign of it.
@pytest.mark.parametrize(
    "make_layer",
    [
        lambda: keras.layers.BatchNormalization(dtype="float64"),
        lambda: keras.layers.LayerNormalization(dtype="float64"),
        lambda: keras.layers.GroupNormalization(groups=1, dtype="float64"),
    ],
    ids=["batch", "layer", "group"],
)
def test_keras_normalizations_are_wrong_at_second_order(make_layer):
    layer = make_layer()
    # Few elements per mean: the lost term is one over their number.
    assert second_order_error(layer, (4, 1, 1, 5), seed=8) > CLEARLY_WRONG
    weights = normal(12, *IMAGES)
    assert_gradient_matches(
        lambda values: tf.reduce_sum(weights * layer(values[0], training=True)),
        [normal(13, *IMAGES)],
        seed=14,
    )
