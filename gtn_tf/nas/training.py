"""First-order training of one learner, whatever its batches come from.

Traced once: a step is one call, so that the number of steps, their rates and
the source of the batches ask for no further trace.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import RealData
from gtn_tf.export.load import Teacher
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.evaluation import accuracy
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import InnerOptimizer
from gtn_tf.types import DivergenceError, LearnerState, SyntheticData


class Trainer:
    """Trains fresh learners of one kind and asks for their accuracy.

    Args:
      build: makes the learner; called once.
      optimizer: of the learner.
      validation: the real images that accuracies are about.

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
        def step(state: LearnerState, data: SyntheticData) -> LearnerState:
            return inner_step(self._learner, optimizer, state, data)

        @tf.function(autograph=False)
        def test(state: LearnerState) -> tf.Tensor:
            return accuracy(self._learner, state, validation)

        self._step, self._test = step, test

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
          also_validate: ask for an accuracy too, so that the first real one
            does not pay for the optimisation of its graph.

        Returns:
          The seconds that it takes, or took at the first call.
        """
        shape = tuple(data.images.shape)
        if shape not in self._trace_seconds:
            began = time.perf_counter()
            # Tracing alone leaves the optimisation of the graph to the first
            # run, whose result is dropped.
            _wait(self._step(state, data))
            self._test.get_concrete_function(state)
            if also_validate:
                self.accuracy(state)
            self._trace_seconds[shape] = time.perf_counter() - began
        return self._trace_seconds[shape]

    def train(
        self, state: LearnerState, batches: Iterable[SyntheticData]
    ) -> LearnerState:
        """Takes one step per batch.

        Raises:
          DivergenceError: a parameter is not finite in the end.
        """
        num_steps = 0
        for data in batches:
            state = self._step(state, data)
            num_steps += 1
        if not np.isfinite(tf.linalg.global_norm(state.params).numpy()):
            raise DivergenceError(
                f"parameters are not finite after {num_steps} steps"
            )
        return state

    def accuracy(self, state: LearnerState) -> float:
        """Returns the share of the validation images that are right."""
        return float(self._test(state))


def teacher_steps(teacher: Teacher) -> list[SyntheticData]:
    """Returns what a learner sees of an export, step by step."""
    return [
        SyntheticData(
            tf.constant(batch.images),
            tf.constant(batch.labels),
            {
                "learning_rate": tf.constant(batch.inner_learning_rate),
                "momentum": tf.constant(batch.inner_momentum),
            },
        )
        for batch in teacher.batches()
    ]


def _wait(state: LearnerState) -> None:
    state.params[0].numpy()  # devices run behind Python
