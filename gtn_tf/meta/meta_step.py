"""One meta-step on all replicas: gradient, average, clip, apply.

The apply is the only mutation of a meta-step; all before it is a pure
function of tensors.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from gtn_tf.meta.inner_problem import InnerProblem, MetaLoss
from gtn_tf.meta.meta_gradient import meta_gradient
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.runtime.devices import Devices
from gtn_tf.teachers.teacher import Teacher
from gtn_tf.types import InputError

#: meta-step (from 0) -> its scalars.
MetaStep = tf.types.experimental.PolymorphicFunction


def pure_meta_gradient(
    teacher: Teacher,
    problem: InnerProblem,
    num_learners: int,
    rematerialize: bool = True,
    jit: bool = False,
) -> Callable[..., tuple[list[tf.Tensor], MetaLoss]]:
    """Returns the part of a meta-step that can be compiled, traced.

    It is (meta_params, step seed [2], first learner []) -> what
    `meta_gradient` returns for learners first .. first + num_learners - 1.
    """

    @tf.function(jit_compile=jit or None, autograph=False)
    def pure(
        meta_params: dict[str, tf.Tensor], seed: tf.Tensor, first: tf.Tensor
    ) -> tuple[list[tf.Tensor], MetaLoss]:
        learners = (first, num_learners)
        return meta_gradient(
            teacher, problem, meta_params, seed, learners, rematerialize
        )

    return pure


def _of_those_kept(
    gradients: list[tf.Tensor], losses: MetaLoss
) -> tuple[list[tf.Tensor], MetaLoss]:
    """Makes means over the learners kept of means with zeros for the others.

    Where none was kept, the gradients stay zeros; the losses are not numbers.
    """
    share = 1.0 - losses.num_skipped
    gradients = [
        tf.math.divide_no_nan(g, tf.cast(share, g.dtype)) for g in gradients
    ]
    means = [value / tf.cast(share, value.dtype) for value in losses[:3]]
    return gradients, MetaLoss(*means, losses.num_skipped)


def make_meta_step(
    teacher: Teacher,
    problem: InnerProblem,
    optimizer: keras.optimizers.Optimizer,
    devices: Devices,
    root_seed: tf.Tensor,
    num_learners: int,
    rematerialize: bool = True,
    global_clipnorm: float | None = None,
    jit: bool = False,
) -> MetaStep:
    """Returns the traced function that moves the teacher by one meta-step.

    Args:
      teacher: created in the devices' scope, as is `optimizer`.
      problem: learners, inner optimizer and real data.
      optimizer: built on `teacher.trained_variables()`.
      devices: their replicas share the learners by index.
      root_seed: [2], the run's.
      num_learners: of a meta-step, on all replicas together.
      rematerialize: which form of the meta-gradient.
      global_clipnorm: largest norm of the mean gradient, or None.
      jit: compile the pure part with XLA.

    Raises:
      InputError: a replica's learners are no whole number of such that go
        side by side.
    """
    num_own = num_learners // devices.num_replicas
    if num_own % problem.learner_batch_size:
        raise InputError(
            f"meta.learner_batch_size is {problem.learner_batch_size} with "
            f"{num_own} learners on each replica; expected a multiple of it; "
            "set --config.meta.learner_batch_size=1"
        )
    pure = pure_meta_gradient(teacher, problem, num_own, rematerialize, jit)

    def on_replica(step: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = fold(root_seed, Purpose.META_STEP, step)
        first = devices.replica_index() * num_own
        gradients, losses = devices.mean(pure(teacher.read(), seed, first))
        if problem.skips_non_finite:
            gradients, losses = _of_those_kept(gradients, losses)
        norm = tf.linalg.global_norm(gradients)
        if global_clipnorm is not None:
            gradients, _ = tf.clip_by_global_norm(
                gradients, global_clipnorm, use_norm=norm
            )
        if devices.num_replicas > 1:  # Keras sums when it applies them
            gradients = [g / devices.num_replicas for g in gradients]
        optimizer.apply(gradients, teacher.trained_variables())
        scalars = {
            "meta_loss": losses.total,
            "final_meta_loss": losses.final,
            "meta_accuracy": losses.accuracy,
            "meta_gradient_norm": norm,
        }
        if problem.skips_non_finite:
            scalars["num_skipped_learners"] = tf.round(
                losses.num_skipped * num_learners
            )
        return scalars

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)], autograph=False)
    def meta_step(step: tf.Tensor) -> dict[str, tf.Tensor]:
        return devices.run(on_replica, step)

    return meta_step
