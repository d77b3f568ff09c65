import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.learners.pool import (
    WIDTHS,
    OrdinaryNetwork,
    as_ordinary_learner,
    build,
    draw_networks,
)
from gtn_tf.ops.seeds import root_seed
from tests.helpers.central_differences import (
    assert_gradient_matches,
    normal,
    second_order_scalar,
)

#: Between them they have every ingredient.
_ALL_INGREDIENTS = (
    OrdinaryNetwork(
        (3, 4), 2, True, "elu", "he_normal", "max", True, True, "flatten", 0
    ),
    OrdinaryNetwork(
        (4,), 1, False, "silu", "glorot_uniform", "average", False, False,
        "global", 5,
    ),
    OrdinaryNetwork(
        (3, 3), 1, True, "relu", "he_normal", "average", True, False, "global",
        0,
    ),
    OrdinaryNetwork(
        (3,), 2, False, "leaky_relu", "he_normal", "max", False, True,
        "flatten", 4,
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    "network", _ALL_INGREDIENTS, ids=[n.text for n in _ALL_INGREDIENTS]
)
def test_second_order(network):
    learner = as_ordinary_learner(network, (6, 6, 1), 3, "float64")
    params, statistics = learner.init(root_seed(1))
    params = [
        p.numpy() + 0.1 * normal(i, *p.shape) for i, p in enumerate(params)
    ]
    inputs = [normal(seed, 5, 6, 6, 1) for seed in (7, 8)]
    scalar = second_order_scalar(learner.apply, statistics, 3)
    assert_gradient_matches(scalar, [*params, *inputs], 3)


def test_networks_are_drawn_evenly_and_by_the_seed():
    networks = draw_networks(16, (28, 28, 1), 3)
    assert networks == draw_networks(16, (28, 28, 1), 3)
    assert networks != draw_networks(16, (28, 28, 1), 4)
    assert len({network.text for network in networks}) == 16
    for name, number in (
        *(("activation", 4), ("initializer", 2), ("pooling", 2)),
        *(("normalized", 2), ("num_convs", 2)),
    ):
        values = [getattr(network, name) for network in networks]
        assert len(set(values)) == number
        assert {values.count(v) for v in values} == {16 // number}
    plain = [network for network in networks if not network.normalized]
    assert {(n.head, n.residual) for n in plain} == {("flatten", False)}
    others = [network for network in networks if network.normalized]
    assert {n.head for n in others} == {"flatten", "global"}
    assert {n.residual for n in others} == {True, False}
    assert {len(network.widths) for network in networks} == {1, 2, 3}
    assert {w for n in networks for w in n.widths} <= {*WIDTHS}
    for network in draw_networks(16, (8, 8, 1), 3):
        assert len(network.widths) <= 2


def test_evaluation_normalises_by_the_batch_that_is_asked_about():
    (network,) = (n for n in _ALL_INGREDIENTS if n.activation == "elu")
    learner = as_ordinary_learner(network, (6, 6, 1), 3)
    params, statistics = learner.init(root_seed(1))
    images = tf.constant(normal(2, 50, 6, 6, 1), tf.float32)
    logits, _ = learner.apply(params, statistics, images, training=False)
    model = build(network, (6, 6, 1), 3)
    for variable, value in zip(model.trainable_variables, params, strict=True):
        variable.assign(value)
    by_fresh_statistics = model(images, training=False)
    assert np.abs(logits - by_fresh_statistics).max() > 0.1
    np.testing.assert_array_equal(logits, model(images, training=True))
