"""Curricula: which noise a learner meets at which inner step (Fig. 1c).

A learned curriculum is a tensor [T, B, Z] of noise, trained with the
generator; labels are fixed and balanced. What differs is the order in which a
learner meets it, and whether it is learned, fixed, or drawn afresh.

Departure: shuffles are without replacement, as in the paper; the official
code draws with replacement.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gtn_tf.import_paths import choose
from gtn_tf.ops.seeds import ALGORITHM, fold
from gtn_tf.teachers.registry import CURRICULA


@dataclasses.dataclass(frozen=True)
class CurriculumSpec:
    """Config keys `curriculum.*`: of `registry.CURRICULA`, and the labels."""

    name: str
    learn_labels: bool


class Curriculum(NamedTuple):
    """How a learner's sequence of batches comes about.

    Attributes:
      learned: the noise is a meta-parameter.
      fresh: noise and labels are drawn anew for every learner.
      draw_order: (seed [2], T, B) -> [T * B] positions in the flattened
        sequence, drawn per learner; None: every learner sees one order, and
        so the same batches.
    """

    learned: bool
    fresh: bool = False
    draw_order: Callable[[tf.Tensor, int, int], tf.Tensor] | None = None

    @property
    def shared(self) -> bool:
        """Whether all learners of a meta-step see the same batches."""
        return self.draw_order is None and not self.fresh


def _shuffle_batches(
    seed: tf.Tensor, num_steps: int, batch_size: int
) -> tf.Tensor:
    order = _permutation(seed, num_steps)
    within = tf.range(batch_size)
    return tf.reshape(order[:, None] * batch_size + within, [-1])


def _shuffle_all(seed: tf.Tensor, num_steps: int, batch_size: int) -> tf.Tensor:
    return _permutation(seed, num_steps * batch_size)


def _permutation(seed: tf.Tensor, number: int) -> tf.Tensor:
    # XLA has no kernel for tf.random.experimental.stateless_shuffle.
    keys = tf.random.stateless_uniform(
        [number], seed, None, None, tf.int32, alg=ALGORITHM
    )
    return tf.argsort(keys)


# `registry.CURRICULA` names them.
FULL = Curriculum(learned=True)
SHUFFLED_BATCH = Curriculum(learned=True, draw_order=_shuffle_batches)
ALL_SHUFFLED = Curriculum(learned=True, draw_order=_shuffle_all)
NONE = Curriculum(learned=False, fresh=True)
FIXED_NOISE = Curriculum(learned=False)


def find_curriculum(name: str) -> Curriculum:
    """Returns what `curriculum.name` names; its error lists the choices."""
    return choose(name, CURRICULA, "curriculum.name")


def balanced_label_ids(
    num_steps: int, batch_size: int, num_classes: int
) -> tf.Tensor:
    """Returns [T, B] int32 labels 0, 1, .., K - 1, 0, 1, .. in order."""
    label_ids = tf.range(num_steps * batch_size) % num_classes
    return tf.reshape(label_ids, (num_steps, batch_size))


def draw_noise(
    seed: tf.Tensor, shape: tuple[int, ...], dtype: str = "float32"
) -> tf.Tensor:
    """Returns standard normal noise of `shape`."""
    return tf.random.stateless_normal(
        shape, fold(seed, 0), dtype=dtype, alg=ALGORITHM
    )


def draw_label_ids(
    seed: tf.Tensor, shape: tuple[int, ...], num_classes: int
) -> tf.Tensor:
    """Returns uniform int32 labels of `shape`."""
    return tf.random.stateless_uniform(
        shape, fold(seed, 1), 0, num_classes, tf.int32, alg=ALGORITHM
    )


def reorder(values: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Reorders the T * B examples of values [T, B, ...]."""
    flat = tf.reshape(values, (-1, *values.shape[2:]))
    return tf.reshape(_gather(flat, order), values.shape)


@tf.custom_gradient
def _gather(values: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """values[order] for a permutation.

    The gradient is the inverse permutation: a dense tensor, where tf.gather's
    IndexedSlices do not mix with the dense gradients of other learners.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.gather(upstream, tf.argsort(order)), None

    return tf.gather(values, order), gradient
