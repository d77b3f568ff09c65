"""Dropout and drop path whose draws come from the training step's seed.

Drop path (Larsson et al. 2017; NASNet's scheduled form) zeroes what an
operation adds to a node, for whole images. NAO keeps, with L cells and S
training steps, in cell l and step s (both from 1)

    1 - (1 - keep) * l / L * s / S

and divides what is kept by that share. NAO's own code has dropped identities
too, and has not; here they are kept, as in NASNet: a dropped identity leaves
a node, or a cell, without any input.
"""

import keras
import tensorflow as tf

from gtn_tf.layers.shapes import SameShape
from gtn_tf.ops.seeds import ALGORITHM, fold


@keras.saving.register_keras_serializable("gtn_tf")
class SeededDropout(SameShape):
    """Drops in training, by a seed that is a variable: [B, ...] -> same.

    A training step gives new values of `seed` and `ramp` to `stateless_call`,
    so that equal steps drop alike, before and after a resume.

    Args:
      drop_share: what is dropped where `ramp` is 1, in [0, 1).
      per_image: drop whole images (drop path), or single numbers.
    """

    def __init__(
        self, drop_share: float, per_image: bool, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.drop_share = drop_share
        self.per_image = per_image

    def build(self, input_shape: tuple) -> None:
        del input_shape
        self.seed = self.add_weight(
            shape=(2,),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            name="seed",
        )
        self.ramp = self.add_weight(
            shape=(),
            dtype="float32",
            initializer="ones",
            trainable=False,
            autocast=False,
            name="ramp",
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return inputs
        shape = tf.shape(inputs)
        if self.per_image:
            ones = tf.ones_like(shape)[1:]
            shape = tf.concat([shape[:1], ones], axis=0)
        keep = 1.0 - self.drop_share * tf.convert_to_tensor(self.ramp)
        draw = tf.random.stateless_uniform(
            shape, tf.convert_to_tensor(self.seed), alg=ALGORITHM
        )
        mask = tf.where(draw < keep, 1.0 / keep, 0.0)
        return inputs * tf.cast(mask, inputs.dtype)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "drop_share": self.drop_share,
            "per_image": self.per_image,
        }


def dropout_layers(model: keras.Model) -> list[SeededDropout]:
    """Returns a model's layers of this class, in their order."""
    return [x for x in model.layers if isinstance(x, SeededDropout)]


def dropout_values(
    model: keras.Model, seed: tf.Tensor, drop_path_ramp: tf.Tensor
) -> dict[int, tf.Tensor]:
    """Returns new values of the variables of all its `SeededDropout`.

    Args:
      model: whose layers they are.
      seed: [2] int32, of the training step.
      drop_path_ramp: [] float32, s / S.

    Returns:
      Values by the variable's id.
    """
    values = {}
    for position, layer in enumerate(dropout_layers(model)):
        values[id(layer.seed)] = fold(seed, position)
        values[id(layer.ramp)] = (
            drop_path_ramp if layer.per_image else tf.ones([])
        )
    return values
