"""The inner loop: a learner's training on synthetic data.

`inner_step` is one optimizer step, itself differentiable; `unroll` is T of
them. Everything is a function of tensors.
"""

import tensorflow as tf

from gtn_tf.learners.functional import Learner
from gtn_tf.meta.inner_optimizers import InnerOptimizer
from gtn_tf.ops.counted_loop import counted_loop
from gtn_tf.types import LearnerState, SyntheticData


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the mean cross-entropy of logits [B, K] and labels [B, K].

    tf.nn.softmax_cross_entropy_with_logits must not be used: its second
    derivative with respect to the labels is missing.
    """
    log_probabilities = tf.nn.log_softmax(logits)
    return -tf.reduce_mean(tf.reduce_sum(labels * log_probabilities, axis=-1))


def initial_state(
    learner: Learner, optimizer: InnerOptimizer, seed: tf.Tensor
) -> LearnerState:
    """Returns a fresh learner drawn from `seed` [2]."""
    params, statistics = learner.init(seed)
    return LearnerState(params, statistics, optimizer.init(params))


def step_data(data: SyntheticData, step: int | tf.Tensor) -> SyntheticData:
    """Returns inner step t's images [B, ...], labels [B, K] and scalars."""
    return tf.nest.map_structure(lambda values: values[step], data)


def inner_step(
    learner: Learner,
    optimizer: InnerOptimizer,
    state: LearnerState,
    data: SyntheticData,
) -> LearnerState:
    """Trains the learner on one batch; arguments as of `inner_step_and_loss`.

    Returns:
      The state after the step.
    """
    return inner_step_and_loss(learner, optimizer, state, data)[0]


def inner_step_and_loss(
    learner: Learner,
    optimizer: InnerOptimizer,
    state: LearnerState,
    data: SyntheticData,
) -> tuple[LearnerState, tf.Tensor]:
    """Trains the learner on one batch.

    Args:
      learner: what is trained.
      optimizer: how.
      state: before the step.
      data: of this step, from `step_data`.

    Returns:
      The state after the step; its statistics are those of this batch, taken
      before the update (as training mode computes them); and the
      cross-entropy [] of the batch, likewise, without the layers' penalties.
    """
    gradients, statistics, entropy = inner_gradients(learner, state, data)
    params, slots = optimizer.update(
        gradients, state.params, state.slots, data.hyperparameters
    )
    return LearnerState(params, statistics, slots), entropy


def inner_gradients(
    learner: Learner, state: LearnerState, data: SyntheticData
) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
    """Returns (gradients, statistics, cross-entropy []) on one batch."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(state.params)
        logits, statistics = learner.apply(
            state.params, state.statistics, data.images, training=True
        )
        loss = entropy = cross_entropy(logits, data.labels)
        if learner.penalty is not None:
            loss += learner.penalty(state.params)
    gradients = tape.gradient(
        loss, state.params, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return gradients, statistics, entropy


def unroll(
    learner: Learner,
    optimizer: InnerOptimizer,
    state: LearnerState,
    data: SyntheticData,
    num_steps: int | tf.Tensor | None = None,
) -> LearnerState:
    """Trains for the first of the T steps; None: all. First order only."""
    maximum = data.images.shape[0]
    loop_vars = (tf.constant(0), *tf.nest.flatten(state))

    def body(step: tf.Tensor, *flat: tf.Tensor) -> tuple[tf.Tensor, ...]:
        state_before = tf.nest.pack_sequence_as(state, flat)
        after = inner_step(
            learner, optimizer, state_before, step_data(data, step)
        )
        return (step + 1, *tf.nest.flatten(after))

    if num_steps is None:
        _, *final = counted_loop(maximum, body, loop_vars)
    else:
        _, *final = tf.while_loop(
            lambda step, *_: step < num_steps,
            body,
            loop_vars,
            maximum_iterations=maximum,
        )
    return tf.nest.pack_sequence_as(state, final)
