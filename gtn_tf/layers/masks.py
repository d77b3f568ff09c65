"""Masks that make one traced graph serve learners of every width."""

import keras
import tensorflow as tf

from gtn_tf.layers.shapes import SameShape


@keras.saving.register_keras_serializable("gtn_tf")
class WidthMask(SameShape):
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
