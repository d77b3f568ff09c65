"""Derivatives against central differences, in float64 and graph mode.

Graph mode matters: one of the bugs that these checks are for (stride-1
max-pooling) is absent in eager mode.
"""

import keras
import numpy as np
import tensorflow as tf

#: Truncation costs STEP ** 2, rounding 1e-16 / STEP: both far below RTOL.
STEP = 1e-6
RTOL = 1e-5
#: A directional derivative below this share of |gradient| |direction| is
#: mostly rounding; the next seed's direction is taken instead.
_SMALLEST_COSINE = 1e-3
_MOST_DIRECTIONS = 10
_INNER_RATE = 0.1


def normal(seed, *shape):
    """Returns float64 standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def value_and_gradients(function, values):
    """Returns (graph function of values -> (scalar, gradients), values)."""
    values = [tf.convert_to_tensor(v, tf.float64) for v in values]

    @tf.function(autograph=False)
    def traced(*arguments):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(arguments)
            scalar = function(list(arguments))
        gradients = tape.gradient(
            scalar,
            arguments,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return scalar, gradients

    return traced, values


def _difference(traced, values, direction, step):
    def at(sign):
        moved = [
            v + sign * step * d for v, d in zip(values, direction, strict=True)
        ]
        return float(traced(*moved)[0])

    return (at(1.0) - at(-1.0)) / (2.0 * step)


def _norm(arrays):
    return float(np.sqrt(sum(np.sum(np.square(a)) for a in arrays)))


def _dot(left, right):
    return float(sum(np.sum(a * b) for a, b in zip(left, right, strict=True)))


def _direction(gradients, seed):
    for attempt in range(_MOST_DIRECTIONS):
        rng = np.random.default_rng([seed, attempt])
        found = [rng.standard_normal(g.shape) for g in gradients]
        derivative = _dot(gradients, found)
        scale = _norm(gradients) * _norm(found)
        if abs(derivative) > _SMALLEST_COSINE * scale:
            return found, derivative
    raise AssertionError("the gradient is zero: nothing would be tested")


def relative_error(function, values, seed, step=STEP):
    """Returns the error of the derivative along one random direction."""
    traced, values = value_and_gradients(function, values)
    gradients = [g.numpy() for g in traced(*values)[1]]
    direction, derivative = _direction(gradients, seed)
    expected = _difference(traced, values, direction, step)
    return abs(derivative - expected) / abs(expected)


def assert_gradient_matches(
    function, values, seed, step=STEP, rtol=RTOL, every_element=False
):
    """Checks the gradient of function(list of float64 tensors) -> scalar.

    Args:
      function: must be smooth within `step` of the values.
      values: arrays or tensors.
      seed: of the direction, in all values jointly.
      step: of the difference.
      rtol: relative to the derivative; of single elements, relative to the
        gradient's largest.
      every_element: compare each partial derivative as well.
    """
    error = relative_error(function, values, seed, step)
    assert error < rtol, f"relative error {error:.1e}"
    if not every_element:
        return
    traced, values = value_and_gradients(function, values)
    gradients = [g.numpy() for g in traced(*values)[1]]
    largest = max(np.abs(g).max() for g in gradients if g.size)
    for position, gradient in enumerate(gradients):
        expected = np.zeros_like(gradient)
        for index in np.ndindex(gradient.shape):
            direction = [np.zeros(v.shape) for v in values]
            direction[position][index] = 1.0
            expected[index] = _difference(traced, values, direction, step)
        np.testing.assert_allclose(
            gradient, expected, rtol=0.0, atol=rtol * largest
        )


def second_order_scalar(apply, statistics, seed):
    """Returns a scalar function that contains first derivatives.

    A randomly weighted sum of sines of (a) the first gradient and (b) the
    next batch's outputs after one step of gradient descent, in evaluation
    mode with the statistics that the step left behind.

    Args:
      apply: as `Learner.apply`.
      statistics: its second argument.
      seed: of the weights.

    Returns:
      A function of [*params, inputs, next_inputs].
    """

    def scalar(values):
        *params, inputs, next_inputs = values
        rng = np.random.default_rng(seed)

        def weigh(tensor):
            weights = tf.constant(rng.standard_normal(tensor.shape))
            return tf.reduce_sum(weights * tensor)

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*params, inputs])
            outputs, after = apply(params, statistics, inputs, training=True)
            # The sines keep everything from being linear, and a kernel's
            # input from being a constant, which it could not overwrite.
            loss = weigh(tf.sin(outputs))
        gradients = tape.gradient(
            loss,
            [*params, inputs],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        stepped = [
            p - _INNER_RATE * g
            for p, g in zip(params, gradients[:-1], strict=True)
        ]
        outputs, _ = apply(stepped, after, next_inputs, training=False)
        return tf.add_n([weigh(tf.sin(v)) for v in [*gradients, outputs]])

    return scalar


def second_order_error(layer, input_shape, seed):
    """Returns the relative error of a float64 Keras layer's second order."""
    return relative_error(*_second_order_problem(layer, input_shape, seed))


def assert_second_order_matches(layer, input_shape, seed, rtol=RTOL):
    """Checks that a float64 Keras layer can be differentiated twice.

    Args:
      layer: or model, unbuilt; all its variables get random values.
      input_shape: [B, ...].
      seed: of values, weights, and direction.
      rtol: see `assert_gradient_matches`.
    """
    assert_gradient_matches(
        *_second_order_problem(layer, input_shape, seed), rtol=rtol
    )


def _second_order_problem(layer, input_shape, seed):
    model = keras.Sequential(
        [keras.Input(input_shape[1:], dtype="float64"), layer]
    )
    rng = np.random.default_rng(seed)
    params = [
        v.numpy() + 0.5 * rng.standard_normal(v.shape)
        for v in model.trainable_variables
    ]
    statistics = [
        tf.convert_to_tensor(v) for v in model.non_trainable_variables
    ]
    inputs = [rng.standard_normal(input_shape) for _ in range(2)]

    def apply(params, statistics, inputs, training):
        return model.stateless_call(
            params, statistics, inputs, training=training
        )

    scalar = second_order_scalar(apply, statistics, seed)
    return scalar, [*params, *inputs], seed
