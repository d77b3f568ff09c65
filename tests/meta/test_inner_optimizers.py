import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.config.choices import INNER_OPTIMIZERS
from gtn_tf.meta.inner_optimizers import (
    ADAM,
    ADAM_BETA_2,
    ADAM_EPSILON,
    RMSPROP_EPSILON,
    RMSPROP_RHO,
    SGD,
    find_inner_optimizer,
    normalized,
)
from tests.helpers.central_differences import assert_gradient_matches, normal

every_optimizer = pytest.mark.parametrize("name", INNER_OPTIMIZERS)

# Three steps of one parameter: gradients, learning rates, momenta.
START = 0.3
G1, G2, G3 = GRADIENTS = (0.5, -0.2, 0.7)
A1, A2, A3 = RATES = (0.1, 0.2, 0.05)
B1, B2, B3 = MOMENTA = (0.5, 0.8, 0.3)


def hyperparameters(rate, momentum, dtype="float64"):
    return {
        "learning_rate": tf.constant(rate, dtype),
        "momentum": tf.constant(momentum, dtype),
    }


def three_steps(name):
    optimizer = find_inner_optimizer(name)
    params = [tf.constant([START], tf.float64)]
    slots = optimizer.init(params)
    for g, a, b in zip(GRADIENTS, RATES, MOMENTA, strict=True):
        params, slots = optimizer.update(
            [tf.constant([g], tf.float64)],
            params,
            slots,
            hyperparameters(a, b),
        )
    return float(params[0][0])


def test_sgd_by_hand():
    m1 = G1
    m2 = B2 * G1 + G2
    m3 = B3 * (B2 * G1 + G2) + G3
    expected = START - A1 * m1 - A2 * m2 - A3 * m3
    np.testing.assert_allclose(three_steps("sgd"), expected, rtol=1e-12)


def test_adam_by_hand_with_another_beta_1_at_each_step():
    m1 = (1 - B1) * G1
    m2 = B2 * m1 + (1 - B2) * G2
    m3 = B3 * m2 + (1 - B3) * G3
    c = ADAM_BETA_2
    v1 = (1 - c) * G1**2
    v2 = (1 - c) * (c * G1**2 + G2**2)
    v3 = (1 - c) * (c**2 * G1**2 + c * G2**2 + G3**2)
    # Keras' form: the correction of v multiplies the rate, not epsilon.
    r1 = A1 * np.sqrt(1 - c) / (1 - B1)
    r2 = A2 * np.sqrt(1 - c**2) / (1 - B1 * B2)
    r3 = A3 * np.sqrt(1 - c**3) / (1 - B1 * B2 * B3)
    expected = (
        START
        - r1 * m1 / (np.sqrt(v1) + ADAM_EPSILON)
        - r2 * m2 / (np.sqrt(v2) + ADAM_EPSILON)
        - r3 * m3 / (np.sqrt(v3) + ADAM_EPSILON)
    )
    np.testing.assert_allclose(three_steps("adam"), expected, rtol=1e-10)


def test_adams_correction_keeps_a_constant_gradient_constant():
    # With one gradient g for all steps the corrected m is g whatever the
    # betas were, so that each step has the size of its rate.
    optimizer = ADAM
    params = [tf.constant([START], tf.float64)]
    slots = optimizer.init(params)
    gradients = [tf.constant([G1], tf.float64)]
    for a, b in zip(RATES, MOMENTA, strict=True):
        params, slots = optimizer.update(
            gradients, params, slots, hyperparameters(a, b)
        )
    # Only the first few v are small enough for epsilon to be seen.
    np.testing.assert_allclose(params[0], [START - sum(RATES)], atol=1e-5)


def test_rmsprop_by_hand():
    r, e = RMSPROP_RHO, RMSPROP_EPSILON
    v1 = (1 - r) * G1**2
    v2 = (1 - r) * (r * G1**2 + G2**2)
    v3 = (1 - r) * (r**2 * G1**2 + r * G2**2 + G3**2)
    s1 = A1 * G1 / np.sqrt(v1 + e)
    s2 = B2 * s1 + A2 * G2 / np.sqrt(v2 + e)
    s3 = B3 * s2 + A3 * G3 / np.sqrt(v3 + e)
    np.testing.assert_allclose(
        three_steps("rmsprop"), START - s1 - s2 - s3, rtol=1e-12
    )


# Dyadic, as Keras keeps its learning rate in float32.
RATE, MOMENTUM = 2.0**-6, 0.75

#: Keras' default betas, rho and epsilons are meant to be ours.
KERAS = {
    "sgd": lambda: keras.optimizers.SGD(RATE, momentum=MOMENTUM),
    "adam": lambda: keras.optimizers.Adam(RATE, beta_1=MOMENTUM),
    "rmsprop": lambda: keras.optimizers.RMSprop(RATE, momentum=MOMENTUM),
}


def least_squares(seed, dtype):
    """Returns (initial params, function of them -> gradients)."""
    inputs = normal([seed, 0], 6, 3).astype(dtype)
    targets = normal([seed, 1], 6, 2).astype(dtype)

    def gradients(weights, bias):
        residuals = tf.matmul(inputs, weights) + bias - targets
        return [
            tf.matmul(inputs, residuals, transpose_a=True) / 6,
            tf.reduce_mean(residuals, 0),
        ]

    params = [
        normal([seed, 2], 3, 2).astype(dtype),
        normal([seed, 3], 2).astype(dtype),
    ]
    return params, gradients


@pytest.mark.parametrize("seed", range(3))
# Some units in the last place a step; near the minimum RMSProp divides rounding
# by rounding, which float32 must not reach. Keras rounds betas to float32 even
# for float64 variables, which changes Adam's 1 - beta_2 = 1e-3 by 1e-5.
@pytest.mark.parametrize(
    ("dtype", "num_steps", "rtol"),
    [("float32", 20, 2e-5), ("float64", 100, 1e-9)],
)
@every_optimizer
def test_many_steps_equal_keras(name, dtype, num_steps, rtol, seed):
    params, gradients_of = least_squares(seed, dtype)
    theirs = KERAS[name]()
    if name == "adam":
        assert theirs.beta_2 == ADAM_BETA_2
        theirs.beta_2 = tf.constant(ADAM_BETA_2, dtype)
    variables = [keras.Variable(p, dtype=dtype) for p in params]
    theirs.build(variables)
    optimizer = find_inner_optimizer(name)

    @tf.function(autograph=False)
    def ours(params, slots):
        return optimizer.update(
            gradients_of(*params),
            params,
            slots,
            hyperparameters(RATE, MOMENTUM, dtype),
        )

    @tf.function(autograph=False)
    def keras_step():
        theirs.apply(gradients_of(*[v.value for v in variables]))

    params = [tf.constant(p) for p in params]
    slots = optimizer.init(params)
    for _ in range(num_steps):
        params, slots = ours(params, slots)
        keras_step()
    for param, variable in zip(params, variables, strict=True):
        np.testing.assert_allclose(
            param, variable.numpy(), rtol=rtol, atol=rtol
        )


@every_optimizer
def test_inputs_are_left_alone_and_dtypes_kept(name):
    optimizer = find_inner_optimizer(name)
    params = [tf.ones((2, 3)), tf.ones(())]
    slots = optimizer.init(params)
    new_params, new_slots = optimizer.update(
        params, params, slots, hyperparameters(0.5, 0.5, "float32")
    )
    for old, new in itertools.chain(
        zip(params, new_params, strict=True), zip(slots, new_slots, strict=True)
    ):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)
        assert not np.allclose(old, new)
    np.testing.assert_array_equal(params[0], np.ones((2, 3)))


def two_updates(name):
    """A scalar of [params, gradient 1, gradient 2, rates, momenta]."""
    optimizer = find_inner_optimizer(name)

    def scalar(values):
        params, *gradients, rates, momenta = values
        params = [params]
        slots = optimizer.init(params)
        for step, gradient in enumerate(gradients):
            # Of the parameters too, as in training.
            params, slots = optimizer.update(
                [gradient * tf.cos(params[0])],
                params,
                slots,
                {"learning_rate": rates[step], "momentum": momenta[step]},
            )
        return tf.reduce_sum(normal(1, 3) * tf.sin(params[0]))

    return scalar


def update_values(gradient_scale):
    gradients = [gradient_scale * normal([2, i], 3) for i in range(2)]
    return [
        normal(3, 3),
        *gradients,
        np.array(RATES[:2]),
        np.array(MOMENTA[:2]),
    ]


@every_optimizer
def test_the_update_is_differentiable_in_everything(name):
    assert_gradient_matches(
        two_updates(name), update_values(1.0), seed=4, every_element=True
    )


# Masked units have gradients of 0. In float32 the v of those below 3e-18 is 0
# too, and only the guarded root keeps Adam's derivative from being infinite.
# Just above, the root's derivative is enormous, yet the product is right.
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-20, 1e-17, 1e-15, 1e-9])
@every_optimizer
def test_vanishing_gradients_have_the_derivatives_of_float64(name, scale):
    derivatives = []
    for dtype in ("float32", "float64"):
        values = [tf.constant(v, dtype) for v in update_values(scale)]
        with tf.GradientTape() as tape:
            tape.watch(values)
            scalar = two_updates(name)(values)
        derivatives.append(tape.gradient(scalar, values))
    for found, expected in zip(*derivatives, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)


def test_where_adams_second_moment_underflows():
    """At 0 the derivative of the step is that of a root which is constant."""
    # Of step 1: -rate sqrt(1 - c) / (1 - b) (1 - b) g / (sqrt(v) + epsilon).
    expected = -A1 * np.sqrt(1 - ADAM_BETA_2) / ADAM_EPSILON
    for g, underflows in ((1e-18, True), (1e-25, True), (1e-17, False)):
        gradient = tf.constant([g])
        params = [tf.constant([START])]
        slots = ADAM.init(params)
        with tf.GradientTape() as tape:
            tape.watch(gradient)
            params, slots = ADAM.update(
                [gradient], params, slots, hyperparameters(A1, B1, "float32")
            )
        assert (float(slots[1][0]) == 0.0) == underflows
        derivative = tape.gradient(params[0], gradient)
        np.testing.assert_allclose(derivative, [expected], rtol=1e-4)


def test_normalized_by_hand():
    """Slots are those of the wrapped optimizer; a gradient of 0 stays 0."""
    optimizer = normalized(SGD)
    rates = {"learning_rate": tf.constant(0.5), "momentum": tf.constant(0.5)}
    params = [tf.constant([1.0, 2.0]), tf.constant([3.0])]
    state = params, optimizer.init(params)
    # Norms 5 and 0; directions (.6, 0, .8).
    for gradient in (3.0, 0.0, 4.0), (0.0, 0.0, 0.0):
        gradients = [tf.constant(gradient[:2]), tf.constant(gradient[2:])]
        state = optimizer.update(gradients, *state, rates)
    first, second = state[0]
    # 1 - .5 (.6 + .3), 3 - .5 (.8 + .4)
    np.testing.assert_allclose(first, [0.55, 2.0], rtol=1e-6)
    np.testing.assert_allclose(second, [2.4], rtol=1e-6)
    # A norm beyond float32 is no small step.
    huge = [tf.constant([1e30, 0.0]), tf.constant([1e30])]
    params, _ = optimizer.update(huge, *state, rates)
    assert np.isnan(params[0]).all()
