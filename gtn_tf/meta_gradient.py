"""The meta-gradient: from the real-data loss back through the inner loop.

A learner's meta-loss is its cross-entropy on a batch of real training images
after the last inner step, plus, every `meta_loss_every` steps, that on a fresh
batch (a sum, as in the official code). Two forms compute its gradient with
respect to the synthetic data and the inner hyperparameters:

* `stored_data_gradient`, an outer tape around T inner tapes, keeps every
  activation. It is the definition, and the oracle of the other.
* `rematerialized_data_gradient` keeps the learner's state after each step and
  walks back over the steps, recomputing one at a time under a tape
  (Griewank & Walther 2000). The adjoint sweep is written out because
  tf.recompute_grad cannot wrap a function that contains a tape.

`meta_gradient` makes the data, averages over learners and carries the result
back into the generator.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gtn_tf.gtn import GTN, SyntheticData
from gtn_tf.inner_loop import (
    cross_entropy,
    initial_state,
    inner_step,
    step_data,
)
from gtn_tf.inner_optimizers import InnerOptimizer
from gtn_tf.learners import Learner, with_drawn_learner
from gtn_tf.seeds import Purpose, fold
from gtn_tf.types import Batch, LearnerState

#: (seed [2]) -> a real training batch.
SampleReal = Callable[[tf.Tensor], Batch]

_ZERO = tf.UnconnectedGradients.ZERO


class MetaLoss(NamedTuple):
    """Of one learner, or the mean over learners; all scalars.

    Attributes:
      total: what is differentiated: final plus intermediate losses.
      final: cross-entropy after the last inner step.
      accuracy: on the same real batch, after the last inner step.
    """

    total: tf.Tensor
    final: tf.Tensor
    accuracy: tf.Tensor


class InnerProblem(NamedTuple):
    """What both forms of the gradient need besides data and seed.

    Attributes:
      learners: the families a learner is drawn from, uniformly.
      optimizer: the inner one.
      sample_real: draws the real batches of the meta-loss.
      meta_loss_every: k; 0: only after the last step.
    """

    learners: tuple[Learner, ...]
    optimizer: InnerOptimizer
    sample_real: SampleReal
    meta_loss_every: int = 0

    def is_due(self, num_done: int, num_steps: int) -> bool:
        """Whether a meta-loss is taken after `num_done` of the steps."""
        every = self.meta_loss_every
        return num_done == num_steps or (every > 0 and num_done % every == 0)


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


def _real_batch(
    problem: InnerProblem, seed: tf.Tensor, num_done: int | tf.Tensor
) -> Batch:
    return problem.sample_real(fold(seed, Purpose.REAL_BATCH, num_done))


def stored_data_gradient(
    problem: InnerProblem,
    learner: Learner,
    data: SyntheticData,
    seed: tf.Tensor,
) -> tuple[SyntheticData, MetaLoss]:
    """Returns (d total / d data, losses) of one learner; keeps everything."""
    num_steps = data.images.shape[0]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(data)
        state = initial_state(learner, problem.optimizer, seed)
        losses = []
        for step in range(num_steps):
            state = inner_step(
                learner, problem.optimizer, state, step_data(data, step)
            )
            if problem.is_due(step + 1, num_steps):
                real = _real_batch(problem, seed, step + 1)
                loss, accuracy = meta_loss(learner, state, real)
                losses.append(loss)
        total = tf.add_n(losses)
    gradients = tape.gradient(total, data, unconnected_gradients=_ZERO)
    return gradients, MetaLoss(total, losses[-1], accuracy)


def rematerialized_data_gradient(
    problem: InnerProblem,
    learner: Learner,
    data: SyntheticData,
    seed: tf.Tensor,
) -> tuple[SyntheticData, MetaLoss]:
    """Returns what `stored_data_gradient` does, keeping states only."""
    state = initial_state(learner, problem.optimizer, seed)
    final, trajectory = _forward_sweep(problem, learner, state, data)
    return _backward_sweep(problem, learner, final, trajectory, data, seed)


def _forward_sweep(
    problem: InnerProblem,
    learner: Learner,
    state: LearnerState,
    data: SyntheticData,
) -> tuple[LearnerState, list[tf.TensorArray]]:
    """Trains; returns the last state and the one before every step."""
    num_steps = data.images.shape[0]
    flat_state = tf.nest.flatten(state)
    arrays = [
        tf.TensorArray(t.dtype, num_steps, element_shape=t.shape)
        for t in flat_state
    ]

    def body(
        step: tf.Tensor, flat: list[tf.Tensor], arrays: list[tf.TensorArray]
    ) -> tuple:
        arrays = [a.write(step, t) for a, t in zip(arrays, flat, strict=True)]
        before = tf.nest.pack_sequence_as(state, flat)
        after = inner_step(
            learner, problem.optimizer, before, step_data(data, step)
        )
        return step + 1, tf.nest.flatten(after), arrays

    _, flat_final, arrays = tf.while_loop(
        lambda step, *_: step < num_steps,
        body,
        (tf.constant(0), flat_state, arrays),
        maximum_iterations=num_steps,
    )
    return tf.nest.pack_sequence_as(state, flat_final), arrays


def _backward_sweep(
    problem: InnerProblem,
    learner: Learner,
    final: LearnerState,
    trajectory: list[tf.TensorArray],
    data: SyntheticData,
    seed: tf.Tensor,
) -> tuple[SyntheticData, MetaLoss]:
    """Carries the adjoint of the state from the last step to the first.

    lambda_T = d final / d state_T; going back,
    lambda_t = (d state_{t+1} / d state_t)' lambda_{t+1} [+ d loss_t / d
    state_t where one is due], and the same product with step t's data gives
    that step's gradient.
    """
    num_steps = data.images.shape[0]
    final_loss, accuracy, adjoint = _meta_loss_adjoint(
        problem, learner, final, seed, num_steps
    )
    arrays = [
        tf.TensorArray(t.dtype, num_steps, element_shape=t.shape[1:])
        for t in tf.nest.flatten(data)
    ]

    def body(
        step: tf.Tensor,
        adjoint: list[tf.Tensor],
        arrays: list[tf.TensorArray],
        total: tf.Tensor,
    ) -> tuple:
        before = tf.nest.pack_sequence_as(
            final, [a.read(step) for a in trajectory]
        )
        adjoint, gradients = _step_adjoint(
            problem, learner, before, step_data(data, step), adjoint
        )
        adjoint, total = _add_intermediate(
            problem, learner, before, seed, step, adjoint, total
        )
        arrays = [
            a.write(step, g) for a, g in zip(arrays, gradients, strict=True)
        ]
        return step - 1, adjoint, arrays, total

    _, _, arrays, total = tf.while_loop(
        lambda step, *_: step >= 0,
        body,
        (tf.constant(num_steps - 1), adjoint, arrays, final_loss),
        maximum_iterations=num_steps,
    )
    gradients = tf.nest.pack_sequence_as(data, [a.stack() for a in arrays])
    return gradients, MetaLoss(total, final_loss, accuracy)


def _floats(state: LearnerState) -> list[tf.Tensor]:
    """The tensors that have an adjoint: dropout seeds have none."""
    return [t for t in tf.nest.flatten(state) if t.dtype.is_floating]


def _meta_loss_adjoint(
    problem: InnerProblem,
    learner: Learner,
    state: LearnerState,
    seed: tf.Tensor,
    num_done: int | tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """Returns (meta-loss, accuracy, d meta-loss / d state)."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(_floats(state))
        real = _real_batch(problem, seed, num_done)
        loss, accuracy = meta_loss(learner, state, real)
    adjoint = tape.gradient(loss, _floats(state), unconnected_gradients=_ZERO)
    return loss, accuracy, adjoint


def _add_intermediate(
    problem: InnerProblem,
    learner: Learner,
    state: LearnerState,
    seed: tf.Tensor,
    num_done: tf.Tensor,
    adjoint: list[tf.Tensor],
    total: tf.Tensor,
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Adds the intermediate meta-loss of the state after `num_done` steps."""
    every = problem.meta_loss_every
    if not every:
        return adjoint, total

    def add() -> tuple[list[tf.Tensor], tf.Tensor]:
        loss, _, more = _meta_loss_adjoint(
            problem, learner, state, seed, num_done
        )
        summed = [a + m for a, m in zip(adjoint, more, strict=True)]
        return summed, total + loss

    is_due = (num_done > 0) & (num_done % every == 0)
    return tf.cond(is_due, add, lambda: (adjoint, total))


def _step_adjoint(
    problem: InnerProblem,
    learner: Learner,
    before: LearnerState,
    data: SyntheticData,
    adjoint: list[tf.Tensor],
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Recomputes one step; returns adjoints of the state and of its data."""
    flat_data = tf.nest.flatten(data)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(_floats(before))
        tape.watch(flat_data)
        after = inner_step(learner, problem.optimizer, before, data)
    return tape.gradient(
        _floats(after),
        (_floats(before), flat_data),
        output_gradients=adjoint,
        unconnected_gradients=_ZERO,
    )


#: `inner.rematerialize` -> form.
DATA_GRADIENTS = {
    False: stored_data_gradient,
    True: rematerialized_data_gradient,
}


def meta_gradient(
    gtn: GTN,
    problem: InnerProblem,
    meta_params: dict[str, tf.Tensor],
    step_seed: tf.Tensor,
    learner_ids: tuple[int | tf.Tensor, int],
    rematerialize: bool = True,
) -> tuple[list[tf.Tensor], MetaLoss]:
    """Returns the mean gradient and losses of some of a step's learners.

    Args:
      gtn: the pure functions; its variables are not read.
      problem: learners, inner optimizer, real data.
      meta_params: from `gtn.read()`.
      step_seed: [2], derived from (seed, meta-step).
      learner_ids: (first, number): learners first .. first + number - 1.
      rematerialize: which of the two forms.

    Returns:
      (gradients, losses), the gradients in the order of `gtn.trained_names`.
    """
    first, num_learners = learner_ids
    # Learners that see the same batches share one pass of the generator.
    per_pass = num_learners if gtn.shares_data else 1
    gradient_of = DATA_GRADIENTS[rematerialize]

    trained = [meta_params[name] for name in gtn.trained_names]

    def one_learner(
        data: SyntheticData, seed: tf.Tensor
    ) -> tuple[SyntheticData, MetaLoss]:
        return with_drawn_learner(
            problem.learners,
            seed,
            lambda learner: gradient_of(problem, learner, data, seed),
        )

    def one_pass(first: tf.Tensor) -> tuple[list[tf.Tensor], MetaLoss]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            data = gtn.synthesize(meta_params, fold(step_seed, first))
        data_gradient, losses = _sum_over(
            lambda index: one_learner(data, fold(step_seed, index)),
            first,
            per_pass,
            like=data,
        )
        gradients = tape.gradient(
            data,
            trained,
            output_gradients=data_gradient,
            unconnected_gradients=_ZERO,
        )
        return gradients, losses

    num_passes = num_learners // per_pass
    summed = _sum_over(one_pass, first, num_passes, like=trained)
    return tf.nest.map_structure(
        lambda value: value / tf.cast(num_learners, value.dtype), summed
    )


def _sum_over(
    function: Callable[[tf.Tensor], tuple],
    first: int | tf.Tensor,
    number: int,
    like: list[tf.Tensor] | SyntheticData,
) -> tuple:
    """Returns the sum of function(first) .. function(first + number - 1).

    `function` returns (gradients of the structure `like`, losses). It is
    traced once, however many times it runs.
    """
    first = tf.convert_to_tensor(first)
    if number == 1:
        return function(first)
    zero = tf.zeros([], tf.nest.flatten(like)[0].dtype)
    losses = MetaLoss(zero, zero, tf.zeros([]))
    sums = (tf.nest.map_structure(tf.zeros_like, like), losses)

    def body(index: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = tf.nest.flatten(function(index))
        added = [s + v for s, v in zip(sums, values, strict=True)]
        return (index + 1, *added)

    last = first + number
    _, *flat = tf.while_loop(
        lambda index, *_: index < last,
        body,
        (first, *tf.nest.flatten(sums)),
        maximum_iterations=number,
    )
    return tf.nest.pack_sequence_as(sums, flat)
