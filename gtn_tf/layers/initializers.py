"""What draws the kernels of a fresh learner."""

from collections.abc import Callable

import keras


def he_normal(
    num_groups: int = 1, factor: float = 1.0
) -> keras.initializers.Initializer:
    """Returns the untruncated normal of variance 2 / fan_in (He et al. 2015).

    Keras' own `he_normal` is truncated; the official code's is not.

    Args:
      num_groups: the channels of a depthwise kernel, all of which Keras
        counts as its fan-in.
      factor: times which the values are.
    """
    return keras.initializers.VarianceScaling(
        scale=2.0 * num_groups * factor**2,
        mode="fan_in",
        distribution="untruncated_normal",
    )


def glorot_normal() -> keras.initializers.Initializer:
    """Returns the untruncated normal of variance 2 / (fan_in + fan_out)."""
    return keras.initializers.VarianceScaling(
        scale=1.0, mode="fan_avg", distribution="untruncated_normal"
    )


#: `learner.initializer` -> what draws the kernels of a fresh learner.
INITIALIZERS: dict[str, Callable[[], keras.initializers.Initializer]] = {
    "he_normal": he_normal,
    "glorot_normal": glorot_normal,
    "orthogonal": keras.initializers.Orthogonal,
    "he_normal_half": lambda: he_normal(factor=0.5),
    "he_normal_double": lambda: he_normal(factor=2.0),
}
