"""The gradient of a learner's meta-loss with respect to its data, in two forms.

* `stored_data_gradient`, an outer tape around T inner tapes, keeps every
  activation. It is the definition, and the oracle of the other.
* `rematerialized_data_gradient` keeps the learner's state after each step and
  walks back over the steps, recomputing one at a time under a tape
  (Griewank & Walther 2000). The adjoint sweep is written out because
  tf.recompute_grad cannot wrap a function that contains a tape. Several
  learners of one kind go through it side by side: what one step computes is
  vectorized over them, with their weights as one more axis.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from gtn_tf.learners.functional import Learner
from gtn_tf.meta.inner_loop import (
    initial_state,
    inner_step,
    step_data,
    unroll,
)
from gtn_tf.meta.inner_problem import (
    InnerProblem,
    MetaLoss,
    meta_loss,
)
from gtn_tf.ops.counted_loop import counted_loop
from gtn_tf.ops.vectorized import one_by_one, vectorized
from gtn_tf.types import Batch, LearnerState, SyntheticData

_ZERO = tf.UnconnectedGradients.ZERO


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
                real = problem.real_batch(seed, step + 1)
                loss, accuracy = meta_loss(learner, state, real)
                losses.append(loss)
        total = tf.add_n(losses)
    gradients = tape.gradient(total, data, unconnected_gradients=_ZERO)
    return gradients, MetaLoss(total, losses[-1], accuracy, tf.zeros([]))


def rematerialized_data_gradient(
    problem: InnerProblem,
    learner: Learner,
    data: SyntheticData,
    seed: tf.Tensor,
) -> tuple[SyntheticData, MetaLoss]:
    """Returns what `stored_data_gradient` does, keeping states only.

    Where the problem has a truncation window, only the window's states, and
    a gradient of zero for the other steps.

    Args:
      problem: learners side by side have no truncation window.
      learner: what is trained.
      data: what it is trained on.
      seed: [2]; or [L, 2] of L learners side by side, of whose gradients and
        losses the sums are returned.
    """
    window = problem.window(seed, data.images.shape[0])
    state = _per_learner(
        seed,
        lambda its: initial_state(learner, problem.optimizer, its),
        seed,
        one_by_one,
    )
    if problem.truncation_window is not None:
        state = unroll(learner, problem.optimizer, state, data, window[0])
    final, trajectory = _forward_sweep(
        problem, learner, state, data, window, seed
    )
    return _backward_sweep(
        problem, learner, final, trajectory, data, window, seed
    )


def _per_learner(
    seed: tf.Tensor,
    function: Callable,
    values: Any,
    for_each: Callable = vectorized,
) -> Any:
    """Returns function(values), or that of each of L learners, stacked."""
    if seed.shape.rank == 1:
        return function(values)
    return for_each(function, values)


def _summed(seed: tf.Tensor, values: Any) -> Any:
    """Returns values, or their sum over learners."""
    if seed.shape.rank == 1:
        return values
    return tf.nest.map_structure(lambda v: tf.reduce_sum(v, 0), values)


def _forward_sweep(
    problem: InnerProblem,
    learner: Learner,
    state: LearnerState,
    data: SyntheticData,
    window: tuple[int | tf.Tensor, int],
    seed: tf.Tensor,
) -> tuple[LearnerState, list[tf.TensorArray]]:
    """Trains over a window; returns the last state, and that before a step."""
    start, num_steps = window
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
        its_data = step_data(data, start + step)
        after = _per_learner(
            seed,
            lambda its: inner_step(learner, problem.optimizer, its, its_data),
            before,
        )
        return step + 1, tf.nest.flatten(after), arrays

    _, flat_final, arrays = counted_loop(
        num_steps, body, (tf.constant(0), flat_state, arrays)
    )
    return tf.nest.pack_sequence_as(state, flat_final), arrays


def _backward_sweep(
    problem: InnerProblem,
    learner: Learner,
    final: LearnerState,
    trajectory: list[tf.TensorArray],
    data: SyntheticData,
    window: tuple[int | tf.Tensor, int],
    seed: tf.Tensor,
) -> tuple[SyntheticData, MetaLoss]:
    """Carries the adjoint of the state from the last step to the first.

    lambda_T = d final / d state_T; going back,
    lambda_t = (d state_{t+1} / d state_t)' lambda_{t+1} [+ d loss_t / d
    state_t where one is due], and the same product with step t's data gives
    that step's gradient.
    """
    start, num_steps = window
    final_loss, accuracy, adjoint = _meta_loss_adjoint(
        problem, learner, final, seed, start + num_steps
    )
    # Never written outside the window, where they stay zero.
    arrays = [
        tf.TensorArray(t.dtype, t.shape[0], element_shape=t.shape[1:])
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
        its_data = step_data(data, start + step)
        adjoint, gradients = _per_learner(
            seed,
            lambda its: _step_adjoint(problem, learner, *its, its_data),
            (before, adjoint),
        )
        gradients = _summed(seed, gradients)
        adjoint, total = _add_intermediate(
            problem, learner, before, seed, (start, step), adjoint, total
        )
        arrays = [
            a.write(start + step, g)
            for a, g in zip(arrays, gradients, strict=True)
        ]
        return step - 1, adjoint, arrays, total

    _, _, arrays, total = counted_loop(
        num_steps,
        body,
        (tf.constant(num_steps - 1), adjoint, arrays, final_loss),
        # Recomputed steps would run ahead of the adjoint, all kept.
        parallel_iterations=1,
    )
    gradients = tf.nest.pack_sequence_as(data, [a.stack() for a in arrays])
    losses = MetaLoss(
        *_summed(seed, (total, final_loss, accuracy)), tf.zeros([])
    )
    return gradients, losses


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

    def adjoint_of(
        its: tuple[LearnerState, Batch],
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        state, real = its
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(_floats(state))
            loss, accuracy = meta_loss(learner, state, real)
        adjoint = tape.gradient(
            loss, _floats(state), unconnected_gradients=_ZERO
        )
        return loss, accuracy, adjoint

    real = _per_learner(
        seed,
        lambda its: problem.real_batch(its, num_done),
        seed,
        one_by_one,
    )
    return _per_learner(seed, adjoint_of, (state, real))


def _add_intermediate(
    problem: InnerProblem,
    learner: Learner,
    state: LearnerState,
    seed: tf.Tensor,
    done: tuple[int | tf.Tensor, tf.Tensor],
    adjoint: list[tf.Tensor],
    total: tf.Tensor,
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Adds a due meta-loss; `done`: steps before and in the window."""
    every = problem.meta_loss_every
    if not every:
        return adjoint, total
    before_window, in_window = done
    num_done = before_window + in_window

    def add() -> tuple[list[tf.Tensor], tf.Tensor]:
        loss, _, more = _meta_loss_adjoint(
            problem, learner, state, seed, num_done
        )
        summed = [a + m for a, m in zip(adjoint, more, strict=True)]
        return summed, total + loss

    is_due = (in_window > 0) & (num_done % every == 0)
    return tf.cond(is_due, add, lambda: (adjoint, total))


def _step_adjoint(
    problem: InnerProblem,
    learner: Learner,
    before: LearnerState,
    adjoint: list[tf.Tensor],
    data: SyntheticData,
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
