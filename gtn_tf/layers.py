"""Keras layers whose first AND second derivatives are right.

The meta-gradient differentiates the learner's own gradient, so every learner
layer is differentiated twice. Three of Keras' are wrong there, silently:

* its batch, layer and group normalisation: `tf.nn.moments` stops the gradient
  of the mean inside the variance, harmless once, wrong twice (see
  `normalization`);
* stride-1 `SAME` max-pooling in CPU graph mode (see `pools`);
* bilinear resizing: its gradient is registered as not differentiable.

Layers with weights are in `weight_norm`.
"""

import keras
import tensorflow as tf

from gtn_tf.pools import max_pool


@keras.saving.register_keras_serializable("gtn_tf")
class MaxPool2D(keras.layers.Layer):
    """Max-pooling that is right at second order: [B, H, W, C] -> same rank.

    Pads pool_size - 1 pixels, the smaller half before; see `pools.max_pool`.
    """

    def __init__(self, pool_size: int, strides: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = strides

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return max_pool(inputs, self.pool_size, self.strides)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
        }


@keras.saving.register_keras_serializable("gtn_tf")
class Subsample(keras.layers.Layer):
    """Keeps every s-th pixel: [B, H, W, C] -> [B, ceil(H / s), ..].

    In front of a 1x1 convolution it is what a stride would be. The filter
    gradient of the strided one writes outside its memory on CPU, in oneDNN's
    kernels (TensorFlow 2.21): few channels, an even size, "same" padding.
    """

    def __init__(self, strides: tuple[int, int], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.strides = tuple(strides)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # Slices with a stride take 4 to 15 times as long on CPU.
        return tf.nn.avg_pool2d(inputs, 1, self.strides, "VALID")

    def get_config(self) -> dict:
        return {**super().get_config(), "strides": self.strides}


@keras.saving.register_keras_serializable("gtn_tf")
class Shift(keras.layers.Layer):
    """Moves images by one pixel up and left: [B, H, W, C] -> same; zeros enter.

    Keras crops by a strided slice, whose gradient takes as long on CPU as the
    convolutions around it; that of a plain slice pads.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        moved = tf.slice(inputs, [0, 1, 1, 0], [-1, -1, -1, -1])
        return tf.pad(moved, ((0, 0), (0, 1), (0, 1), (0, 0)))


@keras.saving.register_keras_serializable("gtn_tf")
class WidthMask(keras.layers.Layer):
    """Zeroes the channels beyond a learner's drawn width: [..., C] -> [..., C].

    The mask is a non-trainable variable, so one traced graph serves learners
    of every width.

    Attributes:
      mask: [C], ones then zeros.
    """

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.mask = self.add_weight(
            name="mask",
            shape=(input_shape[-1],),
            initializer="ones",
            trainable=False,
        )
        self.mask_initializer = keras.initializers.Ones()

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * tf.convert_to_tensor(self.mask)
