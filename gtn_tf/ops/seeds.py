"""Every random number of the project comes from one stateless seed.

A seed is an int32 tensor of shape [2]. `fold` derives a new one from it and
from whole numbers (meta-step, learner index, purpose), so that no draw depends
on another's order, on the number of devices, or on a resume.
"""

import enum

import tensorflow as tf

#: TensorFlow's default algorithm draws other numbers under XLA than without.
ALGORITHM = "philox"


class Purpose(enum.IntEnum):
    """What a derived seed is for; values are part of the results' identity."""

    META_PARAMS = 0
    META_STEP = 1
    VALIDATION = 2
    CURRICULUM = 3
    FAMILY = 4
    WIDTHS = 5
    WEIGHTS = 6
    REAL_BATCH = 7
    TUNING = 8
    EVALUATION = 9
    WINDOW = 10
    SEARCH = 11
    RETRAINING = 12
    LEARNER_POOL = 13
    LEARNING_RATE = 14
    INITIALIZATION = 15
    BATCH_STATISTICS = 16
    SUPERNET = 17


def root_seed(seed: int) -> tf.Tensor:
    """Returns the [2] int32 seed of a run from the config's number."""
    return tf.constant([seed & 0x7FFFFFFF, seed >> 31], tf.int32)


def fold(seed: tf.Tensor, *data: int | tf.Tensor) -> tf.Tensor:
    """Returns the [2] seed derived from `seed` and each of `data` in order."""
    for value in data:
        seed = _fold_one(seed, tf.cast(value, tf.int32))
    return seed


# A function of its own: its 50 operations, traced for every variable of every
# network, took most of the time of tracing what draws initial values.
@tf.function(
    input_signature=[tf.TensorSpec([2], tf.int32), tf.TensorSpec([], tf.int32)],
    autograph=False,
)
def _fold_one(seed: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, number, ALGORITHM)
