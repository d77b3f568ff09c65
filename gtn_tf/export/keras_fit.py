"""A curriculum for Keras' own `compile` and `fit`.

    model.compile(teacher.optimizer(), teacher.loss(), metrics=["accuracy"])
    model.fit(
        teacher.dataset(), shuffle=False, callbacks=[teacher.callback()]
    )

takes the steps of `meta.inner_loop`, with the same rates and momenta, and ends
with the same weights up to rounding.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.learners.batch_statistics import (
    change_momenta,
    moving_statistics,
    settle_statistics,
)
from gtn_tf.learners.functional import Learner, stateless_apply
from gtn_tf.learners.undoing import changes_undone
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.types import InputError, LearnerState, SyntheticData


@keras.saving.register_keras_serializable("gtn_tf")
class PerStep(keras.optimizers.schedules.LearningRateSchedule):
    """A value for each inner step; after the last one the first again.

    Args:
      values: [T].
    """

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()
        self.values = [float(value) for value in values]

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the value of step 0, 1, .."""
        place = tf.cast(tf.convert_to_tensor(step), tf.int32)
        return tf.gather(tf.constant(self.values), place % len(self.values))

    def get_config(self) -> dict[str, Any]:
        """As Keras asks."""
        return {"values": self.values}


@keras.saving.register_keras_serializable("gtn_tf")
class InnerStepOptimizer(keras.optimizers.Optimizer):
    """The inner optimizer of a meta-training, with its rates, as Keras'.

    Keras' own SGD, Adam and RMSprop hold one momentum for all steps, and its
    SGD multiplies the rate into the velocity: with a rate of each step that is
    another update than the paper's (eq. 1).

    Args:
      kind: as `inner.optimizer`.
      learning_rate: [T], or a `PerStep`.
      momentum: [T]; of adam beta_1.
      name: Keras'.
    """

    def __init__(
        self,
        kind: str,
        learning_rate: Sequence[float] | PerStep,
        momentum: Sequence[float],
        name: str = "inner_step_optimizer",
        **keras_arguments: Any,
    ) -> None:
        if not isinstance(learning_rate, PerStep):
            learning_rate = PerStep(learning_rate)
        super().__init__(learning_rate, name=name, **keras_arguments)
        self.kind = kind
        self._momenta = PerStep(momentum)
        self._inner = find_inner_optimizer(kind)

    @property
    def momentum(self) -> tf.Tensor:
        """Of the step that comes next."""
        return self._momenta(self.iterations)

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes the slots of each variable."""
        if self.built:
            return
        super().build(variables)
        self._slots = []
        for variable in variables:
            with tf.init_scope():
                initial = self._inner.init([tf.zeros(variable.shape)])
            self._slots.append(
                [
                    self.add_variable(
                        tuple(value.shape),
                        # Adam's products of ones.
                        "ones" if value.numpy().any() else "zeros",
                        dtype=variable.dtype,
                        name="slot",
                    )
                    for value in initial
                ]
            )

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Moves one variable."""
        slots = self._slots[self._get_variable_index(variable)]
        hyperparameters = {
            "learning_rate": tf.cast(learning_rate, variable.dtype),
            "momentum": tf.cast(self.momentum, variable.dtype),
        }
        (value,), after = self._inner.update(
            [tf.convert_to_tensor(gradient)],
            [tf.convert_to_tensor(variable)],
            [tf.convert_to_tensor(slot) for slot in slots],
            hyperparameters,
        )
        self.assign(variable, value)
        for slot, new in zip(slots, after, strict=True):
            self.assign(slot, new)

    def get_config(self) -> dict[str, Any]:
        """As Keras asks."""
        return super().get_config() | {
            "kind": self.kind,
            "momentum": self._momenta.values,
        }


class InOrder(keras.callbacks.Callback):
    """Refuses a fit that is not the curriculum's, step by step.

    And settles the statistics of batch normalisation after the last step, as
    `rank` does: Keras moves them by a hundredth a step.

    Args:
      images: [T, B, H, W, C] of the curriculum.
    """

    def __init__(self, images: np.ndarray) -> None:
        super().__init__()
        self._images = images

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Checks what can be checked ahead, and watches the images.

        Raises:
          InputError: another optimizer, or other numbers of steps.
        """
        model, num_steps = self.model, len(self._images)
        optimizer = model.optimizer
        if not isinstance(optimizer, InnerStepOptimizer):
            raise InputError(
                f"the model is compiled with {type(optimizer).__name__}; "
                "expected rates and momenta of each step; compile it with "
                "teacher.optimizer()"
            )
        done = int(optimizer.iterations)
        if done % num_steps:
            raise InputError(
                f"the optimizer has done {done} steps; expected a multiple of "
                f"the curriculum's {num_steps}; compile the model again with "
                "teacher.optimizer()"
            )
        if model.steps_per_execution != 1:
            raise InputError(
                f"steps_per_execution is {model.steps_per_execution}; expected "
                "1, as the order is checked step by step; compile it so"
            )
        if self.params["steps"] not in (None, num_steps):
            raise InputError(
                f"fit takes {self.params['steps']} steps per epoch; expected "
                f"the curriculum's {num_steps}; give it teacher.dataset() alone"
            )
        self._watch()

    def _watch(self) -> None:
        """Compares each batch with the curriculum's, within the train step."""
        model = self.model
        self._was_own = vars(model).get("train_step")
        plain = model.train_step
        images = tf.constant(self._images)
        self._step = tf.Variable(0, trainable=False)
        self._is_right = tf.Variable(False, trainable=False)
        self._is_weighted = False

        def watched(data: Any) -> Any:
            given, _, weights = keras.utils.unpack_x_y_sample_weight(data)
            self._is_weighted = weights is not None
            self._is_right.assign(_are_equal(given, images[self._step]))
            return plain(data)

        model.train_step = watched
        model.make_train_function(force=True)

    def _unwatch(self) -> None:
        if self._was_own is None:
            del self.model.train_step
        else:
            self.model.train_step = self._was_own
        self.model.train_function = None

    def on_train_batch_begin(
        self, batch: int, logs: dict | None = None
    ) -> None:
        """Says which step comes."""
        self._step.assign(min(batch, len(self._images) - 1))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Looks at what was trained on.

        Raises:
          InputError: other images than those of the step.
        """
        num_steps = len(self._images)
        if batch >= num_steps or not self._is_right or self._is_weighted:
            seen = "weighted examples" if self._is_weighted else "other images"
            self._unwatch()
            raise InputError(
                f"fit trains on {seen} than those of step {batch} of "
                f"{num_steps}; expected the curriculum in its order; give it "
                "teacher.dataset(), neither shuffled nor weighted"
            )
        if batch == num_steps - 1:
            _settle(self.model, self._images)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Leaves the model as it was compiled."""
        self._unwatch()


def _are_equal(given: tf.Tensor, expected: tf.Tensor) -> tf.Tensor:
    """Compares two batches of images, which may be of different sizes."""
    if given.shape[1:] != expected.shape[1:]:
        return tf.constant(False)
    num_given, num_expected = tf.shape(given)[0], tf.shape(expected)[0]
    first = tf.cast(given, expected.dtype)[:num_expected]
    is_equal = tf.reduce_all(first == expected[:num_given])
    return is_equal & (num_given == num_expected)


def _settle(model: keras.Model, images: np.ndarray) -> None:
    """Gives batch normalisation the mean statistics of images [T, B, ...]."""
    with changes_undone():
        change_momenta(model)
        _assign_mean_statistics(model, images)


def _assign_mean_statistics(model: keras.Model, images: np.ndarray) -> None:
    before = [tf.convert_to_tensor(v) for v in model.non_trainable_variables]
    params = [tf.convert_to_tensor(v) for v in model.trainable_variables]
    places = moving_statistics(model, tf.constant(images[0]))
    after = settle_statistics(
        Learner(model.name, lambda seed: ([], []), stateless_apply(model)),
        places,
        LearnerState(params, before, []),
        [SyntheticData(tf.constant(batch), None, {}) for batch in images],
    )
    for place in places:
        model.non_trainable_variables[place].assign(after.statistics[place])
