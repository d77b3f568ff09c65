"""The meta-optimizer: Adam, with a rate of its own for each variable.

Departure: the paper gives all meta-parameters one rate. The noise of an
example moves one image, a weight of the generator moves all of them; what a
larger rate of the noise gains: docs/results/meta_training.md.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf


class ScaledAdam(keras.optimizers.Adam):
    """Adam whose rate is multiplied variable by variable.

    Args:
      learning_rate: a number or a schedule.
      scales: one per variable, in the order that it is built on.
      **kwargs: Adam's.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        scales: Sequence[float],
        **kwargs: float,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self._scales = tuple(scales)

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Moves one variable, as Adam does at its own rate."""
        scale = self._scales[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * scale)
