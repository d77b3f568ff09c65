"""The meta-gradient: from the real-data loss back through the inner loop.

`meta_gradient` makes the data, averages the gradient with respect to them
over learners (`data_gradients`) and carries it back into the teacher: the
generator and its curriculum.
"""

from collections.abc import Callable

import tensorflow as tf

from gtn_tf.learners.functional import with_drawn_learner
from gtn_tf.meta.data_gradients import (
    rematerialized_data_gradient,
    stored_data_gradient,
)
from gtn_tf.meta.inner_problem import InnerProblem, MetaLoss
from gtn_tf.ops.counted_loop import counted_loop
from gtn_tf.ops.seeds import fold
from gtn_tf.teachers.teacher import Teacher
from gtn_tf.types import SyntheticData

#: `inner.rematerialize` -> form.
DATA_GRADIENTS = {
    False: stored_data_gradient,
    True: rematerialized_data_gradient,
}

#: Of one learner's gradient with respect to its data: squares of it, and of
#: what the generator makes of it, are to stay below float32's 3e38.
_LARGEST_NORM = 1e12


def meta_gradient(
    teacher: Teacher,
    problem: InnerProblem,
    meta_params: dict[str, tf.Tensor],
    step_seed: tf.Tensor,
    learner_ids: tuple[int | tf.Tensor, int],
    rematerialize: bool = True,
) -> tuple[list[tf.Tensor], MetaLoss]:
    """Returns the mean gradient and losses of some of a step's learners.

    Args:
      teacher: the pure functions; its variables are not read.
      problem: learners, inner optimizer, real data.
      meta_params: from `teacher.read()`.
      step_seed: [2], derived from (seed, meta-step).
      learner_ids: (first, number): learners first .. first + number - 1.
      rematerialize: which of the two forms.

    Returns:
      (gradients, losses), the gradients in the order of the teacher's
      `trained_names`. A learner that is skipped enters the means as zeros;
      `num_skipped` is the share of such ones.
    """
    first, num_learners = learner_ids
    # Learners that see the same batches share one pass of the generator.
    per_pass = num_learners if teacher.shares_data else 1
    gradient_of = DATA_GRADIENTS[rematerialize]
    side_by_side = problem.learner_batch_size if teacher.shares_data else 1

    trained = [meta_params[name] for name in teacher.trained_names]

    def one_learner(
        data: SyntheticData, seed: tf.Tensor
    ) -> tuple[SyntheticData, MetaLoss]:
        factor = None
        if problem.learning_rate_spread:
            factor = tf.cast(problem.rate_factor(seed), data.images.dtype)
            data = _with_rates_times(factor, data)
        gradient, losses = with_drawn_learner(
            problem.learners,
            seed,
            lambda learner: gradient_of(problem, learner, data, seed),
        )
        if factor is not None:  # the chain rule's
            gradient = _with_rates_times(factor, gradient)
        if problem.skips_non_finite:
            return _skipped_unless_finite(gradient, losses)
        return gradient, losses

    def some_learners(
        data: SyntheticData, index: tf.Tensor
    ) -> tuple[SyntheticData, MetaLoss]:
        if side_by_side == 1:
            return one_learner(data, fold(step_seed, index))
        seeds = [fold(step_seed, index + i) for i in range(side_by_side)]
        (learner,) = problem.learners
        return rematerialized_data_gradient(
            problem, learner, data, tf.stack(seeds)
        )

    def one_pass(first: tf.Tensor) -> tuple[list[tf.Tensor], MetaLoss]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            data = teacher.synthesize(meta_params, fold(step_seed, first))
        data_gradient, losses = _sum_over(
            lambda index: some_learners(data, index),
            first,
            per_pass,
            like=data,
            step=side_by_side,
        )
        gradients = tape.gradient(
            data,
            trained,
            output_gradients=data_gradient,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return gradients, losses

    num_passes = num_learners // per_pass
    summed = _sum_over(one_pass, first, num_passes, like=trained)
    return tf.nest.map_structure(
        lambda value: value / tf.cast(num_learners, value.dtype), summed
    )


def _with_rates_times(factor: tf.Tensor, data: SyntheticData) -> SyntheticData:
    rates = data.hyperparameters
    scaled = rates | {"learning_rate": factor * rates["learning_rate"]}
    return data._replace(hyperparameters=scaled)


def _skipped_unless_finite(
    gradient: SyntheticData, losses: MetaLoss
) -> tuple[SyntheticData, MetaLoss]:
    """Puts zeros in place of what one learner brings, if it is not finite.

    Nor may it become so in the generator, or where its norm is taken.
    """
    norm = tf.linalg.global_norm(tf.nest.flatten(gradient))
    is_finite = (norm < _LARGEST_NORM) & tf.math.is_finite(losses.total)

    def kept(value: tf.Tensor) -> tf.Tensor:
        return tf.where(is_finite, value, tf.zeros_like(value))

    gradient, losses = tf.nest.map_structure(kept, (gradient, losses))
    skipped = tf.cast(~is_finite, tf.float32)
    return gradient, losses._replace(num_skipped=skipped)


def _sum_over(
    function: Callable[[tf.Tensor], tuple],
    first: int | tf.Tensor,
    number: int,
    like: list[tf.Tensor] | SyntheticData,
    step: int = 1,
) -> tuple:
    """Returns the sum of function(first) .. function(first + number - 1).

    With a `step` of s, of every s-th of them. `function` returns (gradients of
    the structure `like`, losses). It is traced once, however often it runs.
    """
    first = tf.convert_to_tensor(first)
    if number == step:
        return function(first)
    zero = tf.zeros([], tf.nest.flatten(like)[0].dtype)
    losses = MetaLoss(zero, zero, tf.zeros([]), tf.zeros([]))
    sums = (tf.nest.map_structure(tf.zeros_like, like), losses)

    def body(index: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = tf.nest.flatten(function(index))
        added = [s + v for s, v in zip(sums, values, strict=True)]
        return (index + step, *added)

    # One after the other: learners that overlap are in memory together.
    _, *flat = counted_loop(
        number // step,
        body,
        (first, *tf.nest.flatten(sums)),
        parallel_iterations=1,
    )
    return tf.nest.pack_sequence_as(sums, flat)
