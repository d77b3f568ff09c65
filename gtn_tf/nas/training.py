"""First-order training of one learner, and what is read of it.

Traced once: a step is one call, so that the number of steps, their rates and
the source of the batches ask for no further trace.
"""

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from gtn_tf.config.evaluator_names import ALONG
from gtn_tf.datasets.batches import RealData
from gtn_tf.export.load import Teacher
from gtn_tf.learners.batch_statistics import always_in_training
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.evaluation import log_likelihood, predict, readouts
from gtn_tf.meta.inner_loop import inner_gradients, inner_step_and_loss
from gtn_tf.meta.inner_optimizers import InnerOptimizer
from gtn_tf.types import DivergenceError, LearnerState, SyntheticData

_LOOK_EVERY = 5  # steps
_MOST_LOOKED_AT = 1000  # images


class Along(NamedTuple):
    """What was read of a learner while it was trained.

    Attributes:
      log_likelihood: mean over the looks.
      seconds: that the looks took.
    """

    log_likelihood: float
    seconds: float


class TrainedLearner(NamedTuple):
    """A learner at the end of its training.

    Attributes:
      state: of the learner.
      training_loss_sum: of its cross-entropies on its batches, each taken
        before the step on it (Ru et al., arXiv 2006.04492).
      along: by the statistics that were asked for.
    """

    state: LearnerState
    training_loss_sum: float
    along: dict[str, Along]


class Trainer:
    """Trains fresh learners of one kind and reads how good they are.

    Args:
      build: makes the learner; called once.
      optimizer: of the learner.
      validation: the real images that are asked about.
      by_the_batch: makes a learner that normalises by the images it is asked
        about; None: as in training, for networks in which nothing else asks
        whether they are.

    Attributes:
      build_seconds: that `build` took.
    """

    def __init__(
        self,
        build: Callable[[], Learner],
        optimizer: InnerOptimizer,
        validation: RealData,
        by_the_batch: Callable[[Learner], Learner] | None = None,
    ) -> None:
        by_the_batch = by_the_batch or always_in_training
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

        own = {
            "last_batch": lambda: self._learner,
            "validation": lambda: by_the_batch(self._learner),
        }
        few = validation.first(_MOST_LOOKED_AT)

        @tf.function(autograph=False)
        def test(state: LearnerState, statistics: str) -> dict[str, tf.Tensor]:
            logits = predict(own[statistics](), state, validation)
            return readouts(logits, validation)

        @tf.function(autograph=False)
        def look(state: LearnerState, statistics: str) -> tf.Tensor:
            logits = predict(own[statistics](), state, few)
            return log_likelihood(logits, few)

        self._step, self._test, self._look = step, test, look

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
            trainer._trace_seconds = {}
            return trainer

        return [by(optimizer) for optimizer in optimizers]

    def initial_state(self, *arguments: Any) -> LearnerState:
        """Draws a fresh learner; takes what `Learner.init` takes."""
        params, statistics = self._learner.init(*arguments)
        return LearnerState(params, statistics, self._optimizer.init(params))

    def trace(self, state: LearnerState, data: SyntheticData) -> float:
        """Traces and compiles a step of batches like `data`.

        Args:
          state: not changed.
          data: one step's.

        Returns:
          The seconds that it takes, or took at the first call.
        """
        shape = tuple(data.images.shape)
        # Tracing alone leaves the optimisation of the graph to the first run,
        # whose result is dropped.
        return self._once(
            ("step", shape), lambda: _wait(self._step(state, data)[0])
        )

    def trace_readout(
        self,
        state: LearnerState,
        readout: str,
        statistics: str,
        also_run: bool = False,
    ) -> float:
        """Traces what looks at the validation images for a readout.

        Args:
          state: not changed.
          readout: as that of `read`.
          statistics: a key of `config.evaluator_names.STATISTICS`.
          also_run: so that the first time does not pay for the optimisation of
            its graph.

        Returns:
          The seconds that it takes, or took at the first call.
        """
        if readout == "training_loss_sum":
            return 0.0
        name = "look" if readout == ALONG else "test"
        function = getattr(self, f"_{name}")

        def trace() -> None:
            if also_run:
                tf.nest.map_structure(_finish, function(state, statistics))
            else:
                function.get_concrete_function(state, statistics)

        return self._once((name, statistics), trace)

    def _once(self, key: tuple, trace: Callable[[], None]) -> float:
        if key not in self._trace_seconds:
            began = time.perf_counter()
            trace()
            self._trace_seconds[key] = time.perf_counter() - began
        return self._trace_seconds[key]

    def train(
        self,
        state: LearnerState,
        batches: Iterable[SyntheticData],
        looks: Sequence[str] = (),
    ) -> TrainedLearner:
        """Takes one step per batch.

        Args:
          state: of a fresh learner.
          batches: one a step.
          looks: by which statistics to look at validation images on the way.

        Raises:
          DivergenceError: a parameter is not finite in the end.
        """
        losses: list[tf.Tensor] = []
        seen: dict[str, list[Along]] = {statistics: [] for statistics in looks}

        def look() -> None:
            for statistics, found in seen.items():
                began = time.perf_counter()
                value = float(self._look(state, statistics))
                found.append(Along(value, time.perf_counter() - began))

        for data in batches:
            state, loss = self._step(state, data)
            losses.append(loss)
            if len(losses) % _LOOK_EVERY == 0:
                look()
        if len(losses) % _LOOK_EVERY:
            look()
        if not np.isfinite(tf.linalg.global_norm(state.params).numpy()):
            raise DivergenceError(
                f"parameters are not finite after {len(losses)} steps"
            )
        return TrainedLearner(
            state,
            float(np.sum(losses, dtype=np.float64)),
            {
                statistics: Along(
                    fmean(a.log_likelihood for a in found),
                    sum(a.seconds for a in found),
                )
                for statistics, found in seen.items()
            },
        )

    def read(
        self,
        trained: TrainedLearner,
        readout: str,
        statistics: str = "last_batch",
    ) -> float:
        """Returns a score, higher is better.

        Args:
          trained: from `train`; the state alone counts but for
            `training_loss_sum` and `log_likelihood_along`.
          readout: `accuracy`: the share of the validation images that are
            right; `log_likelihood`: the mean log-probability of their labels;
            `log_likelihood_along`: the mean of that over some looks on the
            way, which `train` was asked for; `training_loss_sum`: the negative
            of that.
          statistics: a key of `config.evaluator_names.STATISTICS`.
        """
        if readout == "training_loss_sum":
            return -trained.training_loss_sum
        if readout == ALONG:
            return trained.along[statistics].log_likelihood
        return self.validate(trained.state, statistics)[readout]

    def validate(
        self, state: LearnerState, statistics: str = "last_batch"
    ) -> dict[str, float]:
        """Returns all that `read` knows of the validation images, at once."""
        values = self._test(state, statistics)
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
    _finish(state.params[0])


def _finish(value: tf.Tensor) -> None:
    value.numpy()  # devices run behind Python
