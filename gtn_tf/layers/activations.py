"""The activation of the paper's learners and generator."""

import tensorflow as tf

_LEAKY_RELU_SLOPE = 0.1


def leaky_relu(values: tf.Tensor) -> tf.Tensor:
    """Leaky ReLU of slope 0.1, the activation of the paper's learners."""
    return tf.nn.leaky_relu(values, _LEAKY_RELU_SLOPE)
