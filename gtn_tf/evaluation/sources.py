"""Where a learner's training batches come from, and what all sources share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.datasets.batches import RealData
from gtn_tf.datasets.loading import Dataset
from gtn_tf.meta.evaluation import fresh_learner_accuracy
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.training.run import Run
from gtn_tf.types import SyntheticData


class Source(NamedTuple):
    """Where training batches come from.

    Attributes:
      name: as in `evaluation.sources`.
      synthesize: a learner's seed [2] -> what it trains on; traced.
      setup_seconds: spent before the first learner could train.
      how: one line on how it, and its rates, were found.
      validation_curve: (meta-step, validation accuracy) of its
        meta-training; None if it is not meta-trained.
      tuned_accuracy: on validation data, mean of the learners that chose its
        rates last; None if its rates are learned.
    """

    name: str
    synthesize: Callable[[tf.Tensor], SyntheticData]
    setup_seconds: float
    how: str
    validation_curve: list[list] | None = None
    tuned_accuracy: float | None = None


class MetaTrained(NamedTuple):
    """A meta-training of a baseline that is done.

    Attributes:
      config: its own.
      folder: its workdir.
      seconds: of all that were tried, those that diverged too.
      how: one line on the rates.
    """

    config: config_dict.ConfigDict
    folder: Path
    seconds: float
    how: str


class Tuning(NamedTuple):
    """The constant inner rates that are tried, each with each momentum.

    Attributes:
      learning_rates: of the inner optimizer.
      momenta: likewise.
      num_learners: validation learners per pair.
      asked: JSON of all config keys that their accuracies depend on.
    """

    learning_rates: tuple[float, ...]
    momenta: tuple[float, ...]
    num_learners: int
    asked: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all sources share; `evaluation.assembly` makes it of a config.

    Attributes:
      source: of the workdir's own meta-training.
      seed: of that meta-training.
      sequence_shape: (T, B).
      num_learners: fresh learners that each source trains.
      workdir: baselines go to `baselines/` in it.
      dataset: the test split is not touched here.
      problem: learners and inner optimizer.
      train: real training images.
      validation: real validation images.
      tuning: of sources with constant rates.
      meta_train: meta-trains the baseline of a name.
      facts: what the digest of a source's results holds of the config.
      accuracy_of: (data, learner's seed) -> validation accuracy; traced, for
        one shape of the data.
    """

    source: str
    seed: int
    sequence_shape: tuple[int, int]
    num_learners: int
    workdir: Path
    dataset: Dataset
    problem: InnerProblem
    train: RealData
    validation: RealData
    tuning: Tuning
    meta_train: Callable[[str], MetaTrained]
    facts: list
    accuracy_of: Callable[[SyntheticData, tf.Tensor], tf.Tensor] = (
        dataclasses.field(init=False)
    )

    def __post_init__(self) -> None:
        @tf.function(autograph=False)
        def accuracy_of(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
            return fresh_learner_accuracy(
                self.problem, data, self.validation, seed
            )

        object.__setattr__(self, "accuracy_of", accuracy_of)

    def with_sizes(
        self, num_steps: int, batch_size: int, workdir: Path
    ) -> Setting:
        """Returns the same with other inner steps and real images per step."""
        sizes = {"num_steps": num_steps, "batch_size": batch_size}
        asked = self.tuning.asked
        asked = {**asked, "inner": {**asked["inner"], **sizes}}
        return dataclasses.replace(
            self,
            sequence_shape=(num_steps, batch_size),
            workdir=workdir,
            tuning=self.tuning._replace(asked=asked),
        )


def source_of_run(
    name: str,
    run: Run,
    seconds: float = 0.0,
    how: str = "",
    validation_curve: list[list] | None = None,
) -> Source:
    """Returns the source that a finished meta-training is."""

    @tf.function(autograph=False)
    def synthesize(seed: tf.Tensor) -> SyntheticData:
        return run.teacher.synthesize(run.teacher.read(), seed)

    return Source(name, synthesize, seconds, how, validation_curve)
