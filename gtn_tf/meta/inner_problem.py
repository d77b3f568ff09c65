"""What the meta-gradient differentiates: learners, their training, a loss.

A learner's meta-loss is its cross-entropy on a batch of real training images
after the last inner step, plus, every `meta_loss_every` steps, that on a fresh
batch (a sum, as in the official code).

With a truncation window of M steps (RaT-BPTT, Feng et al. 2023) a learner
stops after N steps, N drawn uniformly from M .. T by its seed. The meta-loss
is taken there; gradients, and intermediate losses, reach over the last M
steps only. The N - M before them are first-order training that nothing is
kept of. With M = T it is the whole gradient.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gtn_tf.learners.functional import Learner
from gtn_tf.meta.inner_loop import cross_entropy
from gtn_tf.meta.inner_optimizers import InnerOptimizer
from gtn_tf.ops.seeds import (
    ALGORITHM,
    Purpose,
    fold,
)
from gtn_tf.types import Batch, LearnerState

#: (seed [2]) -> a real training batch.
SampleReal = Callable[[tf.Tensor], Batch]


class MetaLoss(NamedTuple):
    """Of one learner, or the mean over learners; all scalars.

    Attributes:
      total: what is differentiated: final plus intermediate losses.
      final: cross-entropy after the last inner step.
      accuracy: on the same real batch, after the last inner step.
      num_skipped: 1 of a learner that was left out, with zeros for the rest.
    """

    total: tf.Tensor
    final: tf.Tensor
    accuracy: tf.Tensor
    num_skipped: tf.Tensor


class InnerProblem(NamedTuple):
    """What both forms of the gradient need besides data and seed.

    Attributes:
      learners: what a learner is drawn from, uniformly: one per family, of
        family `cell` one per genotype.
      optimizer: the inner one.
      sample_real: draws the real batches of the meta-loss.
      meta_loss_every: k; 0: only after the last step.
      truncation_window: M; None: all T steps.
      learning_rate_spread: s; a learner's rates are times exp(U[-s, s]).
      skips_non_finite: leave a learner out whose meta-gradient is not finite,
        or about to overflow.
      learner_batch_size: L; learners of a meta-step that go side by side.
    """

    learners: tuple[Learner, ...]
    optimizer: InnerOptimizer
    sample_real: SampleReal
    meta_loss_every: int = 0
    truncation_window: int | None = None
    learning_rate_spread: float = 0.0
    skips_non_finite: bool = False
    learner_batch_size: int = 1

    def rate_factor(self, seed: tf.Tensor) -> tf.Tensor:
        """Returns the [] float32 factor of a learner's inner rates."""
        spread = self.learning_rate_spread
        uniform = tf.random.stateless_uniform(
            [], fold(seed, Purpose.LEARNING_RATE), -1.0, 1.0, alg=ALGORITHM
        )
        return tf.exp(spread * uniform)

    def is_due(self, num_done: int, num_steps: int) -> bool:
        """Whether a meta-loss is taken after `num_done` of the steps."""
        every = self.meta_loss_every
        return num_done == num_steps or (every > 0 and num_done % every == 0)

    def window(
        self, seed: tf.Tensor, num_steps: int
    ) -> tuple[int | tf.Tensor, int]:
        """Returns (N - M, M): where a learner's window starts, its length."""
        if self.truncation_window is None:
            return 0, num_steps
        length = self.truncation_window
        start = tf.random.stateless_uniform(
            [],
            fold(seed, Purpose.WINDOW),
            0,
            num_steps - length + 1,
            tf.int32,
            alg=ALGORITHM,
        )
        return start, length

    def real_batch(self, seed: tf.Tensor, num_done: int | tf.Tensor) -> Batch:
        """Returns the batch of the meta-loss after `num_done` steps."""
        return self.sample_real(fold(seed, Purpose.REAL_BATCH, num_done))


def meta_loss(
    learner: Learner, state: LearnerState, real: Batch
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (cross-entropy, accuracy) of a learner on a real batch.

    Batch normalisation uses the statistics in the state: the last synthetic
    batch's.
    """
    logits, _ = learner.apply(
        state.params, state.statistics, real.images, training=False
    )
    labels = tf.cast(real.labels, logits.dtype)
    correct = tf.argmax(logits, -1) == tf.argmax(labels, -1)
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    return cross_entropy(logits, labels), accuracy
