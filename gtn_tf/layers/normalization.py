"""Batch normalisation with moments of its own, right at second order.

Both layers keep the *last* batch's statistics by default (momentum 0, as in
the paper): evaluating a learner uses the activation moments of its last
training batch, and the meta-gradient flows through them. They live in
non-trainable variables, so that `stateless_call` hands them from one inner
step to the next.

`tf.nn.moments`, and with it every normalisation layer of Keras, must not be
used here: it stops the gradient of the mean inside the variance, which leaves
the first derivative right and makes the second one wrong.
"""

import keras
import tensorflow as tf

from gtn_tf.layers.shapes import SameShape


class _StatisticsLayer(SameShape):
    """What both normalisations share: momentum, reduction axes, dtypes.

    Args:
      momentum: weight of the old statistics; 0 keeps the last batch's only.
      num_group_axes: leading axes that keep statistics of their own. 1 for
        inputs [N, B, ..., C] that hold N batches side by side, each
        normalised by itself; the stored statistics are then their mean.
    """

    def __init__(
        self, momentum: float = 0.0, num_group_axes: int = 0, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.num_group_axes = num_group_axes
        self.beta_initializer = keras.initializers.Zeros()
        self.gamma_initializer = keras.initializers.Ones()
        self.moving_mean_initializer = keras.initializers.Zeros()
        self.moving_variance_initializer = keras.initializers.Ones()

    def _add_channel_weight(
        self, name: str, channels: int, trainable: bool
    ) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(channels,),
            initializer=getattr(self, f"{name}_initializer"),
            trainable=trainable,
            autocast=False,
        )

    def _mean(self, values: tf.Tensor) -> tf.Tensor:
        axes = list(range(self.num_group_axes, values.shape.rank - 1))
        return tf.reduce_mean(values, axes, keepdims=True)

    def _store(self, variable: keras.Variable, batch_value: tf.Tensor) -> None:
        channels = variable.shape[0]
        value = tf.reduce_mean(tf.reshape(batch_value, (-1, channels)), 0)
        if self.momentum:
            old = tf.convert_to_tensor(variable)
            value = self.momentum * old + (1.0 - self.momentum) * value
        variable.assign(value)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "num_group_axes": self.num_group_axes,
        }


@keras.saving.register_keras_serializable("gtn_tf")
class MeanOnlyBatchNormalization(_StatisticsLayer):
    """x - mean(x) + beta (Salimans & Kingma 2016, section 4).

    Variance and scale are left to weight normalisation: [..., C] -> [..., C].
    """

    def build(self, input_shape: tuple[int, ...]) -> None:
        channels = input_shape[-1]
        self.beta = self._add_channel_weight("beta", channels, True)
        self.moving_mean = self._add_channel_weight(
            "moving_mean", channels, False
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        values = tf.cast(inputs, self.variable_dtype)
        if training:
            mean = self._mean(values)
            self._store(self.moving_mean, mean)
        else:
            mean = tf.convert_to_tensor(self.moving_mean)
        outputs = values - mean + tf.convert_to_tensor(self.beta)
        return tf.cast(outputs, self.compute_dtype)


@keras.saving.register_keras_serializable("gtn_tf")
class BatchNormalization(_StatisticsLayer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta: [..., C] -> same."""

    def __init__(self, epsilon: float = 1e-5, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int, ...]) -> None:
        channels = input_shape[-1]
        self.gamma = self._add_channel_weight("gamma", channels, True)
        self.beta = self._add_channel_weight("beta", channels, True)
        self.moving_mean = self._add_channel_weight(
            "moving_mean", channels, False
        )
        self.moving_variance = self._add_channel_weight(
            "moving_variance", channels, False
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        values = tf.cast(inputs, self.variable_dtype)
        if training:
            mean = self._mean(values)
            variance = self._mean(tf.square(values - mean))
            self._store(self.moving_mean, mean)
            self._store(self.moving_variance, variance)
        else:
            mean = tf.convert_to_tensor(self.moving_mean)
            variance = tf.convert_to_tensor(self.moving_variance)
        scale = tf.convert_to_tensor(self.gamma) * tf.math.rsqrt(
            variance + tf.cast(self.epsilon, values.dtype)
        )
        outputs = (values - mean) * scale + tf.convert_to_tensor(self.beta)
        return tf.cast(outputs, self.compute_dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}
