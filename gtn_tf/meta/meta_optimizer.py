"""The meta-optimizer: Adam, with a rate of its own for each variable.

Departure: the paper gives all meta-parameters one rate. The noise of an
example moves one image, a weight of the generator moves all of them; what a
larger rate of the noise gains: docs/results/meta_training.md.
"""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from gtn_tf.teachers.teacher import Teacher


@dataclasses.dataclass(frozen=True)
class MetaOptimizerSpec:
    """Config keys `meta.*`: Adam's numbers and its schedule."""

    num_steps: int
    learning_rate: float
    final_learning_rate_ratio: float
    noise_rate_ratio: float
    adam_beta_1: float
    adam_beta_2: float
    adam_epsilon: float


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
        if scale != 1.0:
            learning_rate = learning_rate * scale
        super().update_step(gradient, variable, learning_rate)


def make_meta_optimizer(
    spec: MetaOptimizerSpec, teacher: Teacher
) -> keras.optimizers.Optimizer:
    """Builds Adam with cosine decay; call it in the strategy's scope.

    The noise has a rate of its own. Clipping is not left to it: it would clip
    before replicas are averaged.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        spec.learning_rate,
        spec.num_steps,
        alpha=spec.final_learning_rate_ratio,
    )
    of_noise = spec.noise_rate_ratio
    names = teacher.trained_names
    optimizer = ScaledAdam(
        schedule,
        [of_noise if name == "noise" else 1.0 for name in names],
        beta_1=spec.adam_beta_1,
        beta_2=spec.adam_beta_2,
        epsilon=spec.adam_epsilon,
    )
    optimizer.build(teacher.trained_variables())
    return optimizer
