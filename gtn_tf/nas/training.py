"""First-order training of one learner, and what is read of it.

Traced once: a step is one call, so that the number of steps, their rates and
the source of the batches ask for no further trace.
"""

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import RealData
from gtn_tf.export.load import Teacher
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.evaluation import log_likelihood, predict, share_right
from gtn_tf.meta.inner_loop import inner_gradients, inner_step_and_loss
from gtn_tf.meta.inner_optimizers import InnerOptimizer
from gtn_tf.runtime.graph_rewriting import arithmetic_as_written
from gtn_tf.types import DivergenceError, LearnerState, SyntheticData

#: Readout of validation images -> its value, of (logits [N, K], images).
_OF_VALIDATION = {"accuracy": share_right, "log_likelihood": log_likelihood}


class TrainedLearner(NamedTuple):
    """A learner at the end of its training.

    Attributes:
      state: of the learner.
      training_loss_sum: of its cross-entropies on its batches, each taken
        before the step on it (Ru et al., arXiv 2006.04492).
    """

    state: LearnerState
    training_loss_sum: float


class Trainer:
    """Trains fresh learners of one kind and reads how good they are.

    Args:
      build: makes the learner; called once.
      optimizer: of the learner.
      validation: the real images that are asked about.

    Attributes:
      build_seconds: that `build` took.
    """

    def __init__(
        self,
        build: Callable[[], Learner],
        optimizer: InnerOptimizer,
        validation: RealData,
    ) -> None:
        began = time.perf_counter()
        self._learner = build()
        self.build_seconds = time.perf_counter() - began
        self._optimizer = optimizer
        self._trace_seconds: dict[tuple, float] = {}

        @tf.function(autograph=False)
        def step(
            state: LearnerState, data: SyntheticData
        ) -> tuple[LearnerState, tf.Tensor]:
            return inner_step_and_loss(self._learner, optimizer, state, data)

        @tf.function(autograph=False)
        def test(state: LearnerState) -> dict[str, tf.Tensor]:
            logits = predict(self._learner, state, validation)
            return {
                name: value(logits, validation)
                for name, value in _OF_VALIDATION.items()
            }

        self._step, self._test = step, test

    def sharing_traces(
        self, optimizers: Iterable[InnerOptimizer]
    ) -> list["Trainer"]:
        """Returns trainers of the same learner by several optimizers.

        What they have in common is traced once: gradients and validation.
        """

        @tf.function(autograph=False)
        def gradients_of(state: LearnerState, data: SyntheticData) -> tuple:
            return inner_gradients(self._learner, state, data)

        def by(optimizer: InnerOptimizer) -> "Trainer":
            update = tf.function(optimizer.update, autograph=False)

            def step(
                state: LearnerState, data: SyntheticData
            ) -> tuple[LearnerState, tf.Tensor]:
                bare = state._replace(slots=[])
                gradients, statistics, loss = gradients_of(
                    bare, data._replace(hyperparameters={})
                )
                params, slots = update(
                    gradients, state.params, state.slots, data.hyperparameters
                )
                return LearnerState(params, statistics, slots), loss

            trainer = copy.copy(self)
            trainer._optimizer, trainer._step = optimizer, step
            return trainer

        return [by(optimizer) for optimizer in optimizers]

    def initial_state(self, *arguments: Any) -> LearnerState:
        """Draws a fresh learner; takes what `Learner.init` takes."""
        params, statistics = self._learner.init(*arguments)
        return LearnerState(params, statistics, self._optimizer.init(params))

    def trace(
        self,
        state: LearnerState,
        data: SyntheticData,
        also_validate: bool = False,
    ) -> float:
        """Traces and compiles for batches like `data`, unless that is done.

        Args:
          state: not changed.
          data: one step's.
          also_validate: look at the validation images too, so that the first
            time does not pay for the optimisation of its graph.

        Returns:
          The seconds that it takes, or took at the first call.
        """
        shape = tuple(data.images.shape)
        if shape not in self._trace_seconds:
            began = time.perf_counter()
            # Tracing alone leaves the optimisation of the graph to the first
            # run, whose result is dropped.
            _wait(self._step(state, data)[0])
            self._test.get_concrete_function(state)
            if also_validate:
                self._test(state)["accuracy"].numpy()
            self._trace_seconds[shape] = time.perf_counter() - began
        return self._trace_seconds[shape]

    def train(
        self, state: LearnerState, batches: Iterable[SyntheticData]
    ) -> TrainedLearner:
        """Takes one step per batch.

        Raises:
          DivergenceError: a parameter is not finite in the end.
        """
        losses = []
        for data in batches:
            state, loss = self._step(state, data)
            losses.append(loss)
        if not np.isfinite(tf.linalg.global_norm(state.params).numpy()):
            raise DivergenceError(
                f"parameters are not finite after {len(losses)} steps"
            )
        return TrainedLearner(state, float(np.sum(losses, dtype=np.float64)))

    def read(self, trained: TrainedLearner, readout: str) -> float:
        """Returns a score, higher is better.

        Args:
          trained: from `train`; the state alone counts but for
            `training_loss_sum`.
          readout: `accuracy`: the share of the validation images that are
            right; `log_likelihood`: the mean log-probability of their labels;
            `training_loss_sum`: the negative of that.
        """
        if readout == "training_loss_sum":
            return -trained.training_loss_sum
        return self.validate(trained.state)[readout]

    def validate(self, state: LearnerState) -> dict[str, float]:
        """Returns all that `read` knows of the validation images, at once."""
        with arithmetic_as_written():
            values = self._test(state)
        return {name: float(value) for name, value in values.items()}


def teacher_steps(
    teacher: Teacher, rate_factor: float = 1.0
) -> list[SyntheticData]:
    """Returns what a learner sees of an export, step by step.

    Args:
      teacher: the export.
      rate_factor: of its learning rates, which were learned with its own
        learners.
    """
    return [
        SyntheticData(
            tf.constant(batch.images),
            tf.constant(batch.labels),
            {
                "learning_rate": tf.constant(
                    rate_factor * batch.inner_learning_rate
                ),
                "momentum": tf.constant(batch.inner_momentum),
            },
        )
        for batch in teacher.batches()
    ]


def _wait(state: LearnerState) -> None:
    state.params[0].numpy()  # devices run behind Python
