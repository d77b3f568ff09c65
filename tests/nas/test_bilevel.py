"""DARTS' gradient of an architecture: exact, and where it leads."""

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.nas.bilevel import architecture_gradient
from tests.helpers.central_differences import normal

_IMAGES = [normal(seed, 6, 4) for seed in (1, 2)]
_TARGETS = [normal(seed, 6, 3) for seed in (3, 4)]
_ALPHAS = [normal(5, 2), normal(6, 3)]
_PARAMS = [normal(7, 4, 5), normal(8, 5, 3)]
_RATE, _MOMENTUM = 0.3, 0.9
_MOMENTS = [normal(9, 4, 5), normal(10, 5, 3)]


def _loss(part):
    """Of a network that mixes two activations, and weighs its outputs."""
    images, targets = _IMAGES[part], _TARGETS[part]

    def loss(params, alphas):
        hidden = images @ params[0]
        share = tf.nn.softmax(alphas[0])
        hidden = share[0] * tf.tanh(hidden) + share[1] * tf.sin(hidden)
        outputs = hidden @ params[1] * tf.exp(alphas[1])
        return tf.reduce_mean(tf.square(outputs - targets))

    return loss


def _momentum_step(gradients, params):
    moments = [
        _MOMENTUM * m + g for m, g in zip(_MOMENTS, gradients, strict=True)
    ]
    return [p - _RATE * m for p, m in zip(params, moments, strict=True)]


def _constants(arrays):
    return [tf.constant(a, tf.float64) for a in arrays]


def _gradients(update):
    traced = tf.function(architecture_gradient, autograph=False)
    _, found = traced(
        _loss(0), _loss(1), _constants(_PARAMS), _constants(_ALPHAS), update
    )
    return np.concatenate([g.numpy() for g in found])


def _differences(function, arrays, step=1e-6):
    """Central differences of a scalar for each number of the arrays."""
    found = []
    for array in arrays:
        for place in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                before = array[place]
                array[place] = before + sign * step
                ends.append(float(function(_constants(arrays))))
                array[place] = before
            found.append((ends[0] - ends[1]) / (2 * step))
    return np.array(found)


def _weight_gradients(part, params, alphas):
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = _loss(part)(params, alphas)
    return tape.gradient(loss, params)


@pytest.mark.parametrize("order", [1, 2])
def test_it_is_the_derivative_in_float64(order):
    @tf.function(autograph=False)
    def validation_loss(alphas):
        params = _constants(_PARAMS)
        if order == 2:
            params = _momentum_step(
                _weight_gradients(0, params, alphas), params
            )
        return _loss(1)(params, alphas)

    expected = _differences(validation_loss, [a.copy() for a in _ALPHAS])
    found = _gradients(_momentum_step if order == 2 else None)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_published_finite_differences_agree():
    """Eq. 8 with epsilon = 0.01 / |v|."""
    params, alphas = _constants(_PARAMS), _constants(_ALPHAS)
    after = _momentum_step(_weight_gradients(0, params, alphas), params)
    v = _weight_gradients(1, after, alphas)
    epsilon = 0.01 / tf.linalg.global_norm(v)
    both = []
    for sign in (1, -1):
        moved = [p + sign * epsilon * g for p, g in zip(params, v, strict=True)]
        with tf.GradientTape() as tape:
            tape.watch(alphas)
            loss = _loss(0)(moved, alphas)
        both.append(np.concatenate(tape.gradient(loss, alphas)))
    with tf.GradientTape() as tape:
        tape.watch(alphas)
        loss = _loss(1)(after, alphas)
    expected = np.concatenate(tape.gradient(loss, alphas))
    expected -= _RATE * (both[0] - both[1]) / (2 * epsilon)
    found = _gradients(_momentum_step)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    first = _gradients(None)
    assert np.abs(found - first).max() > 0.1


def test_a_virtual_step_of_zero_is_the_first_order():
    found = _gradients(lambda gradients, params: params)
    np.testing.assert_array_equal(found, _gradients(None))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5])
def test_the_toy_problem_of_the_paper(rate):
    """Fig. 2: from (2, -2) to alpha = w = 2 / (1 + 2 rate)."""

    def train_loss(params, alphas):
        (w,), (a,) = params, alphas
        return w**2 - 2.0 * w * a + a**2

    def validation_loss(params, alphas):
        (w,), (a,) = params, alphas
        return a * w - 2.0 * a + 1.0

    def update(gradients, params):
        return [params[0] - rate * gradients[0]]

    @tf.function(autograph=False)
    def step(alpha, w):
        _, (to_alpha,) = architecture_gradient(
            train_loss, validation_loss, [w], [alpha], update
        )
        alpha = alpha - 0.05 * to_alpha
        with tf.GradientTape() as tape:
            tape.watch(w)
            loss = train_loss([w], [alpha])
        return alpha, w - 0.2 * tape.gradient(loss, w)

    alpha, w = _constants([2.0, -2.0])
    for _ in range(400):
        alpha, w = step(alpha, w)
    assert float(alpha) == pytest.approx(2 / (1 + 2 * rate), abs=1e-3)
    assert float(w) == pytest.approx(2 / (1 + 2 * rate), abs=1e-3)
