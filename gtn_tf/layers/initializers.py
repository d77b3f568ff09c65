"""What draws the kernels of a fresh learner."""

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


def he_normal_half() -> keras.initializers.Initializer:
    """Returns `he_normal` times 0.5."""
    return he_normal(factor=0.5)


def he_normal_double() -> keras.initializers.Initializer:
    """Returns `he_normal` times 2."""
    return he_normal(factor=2.0)
