"""Where a learner's training batches come from, and what all sources share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.datasets.batches import RealData, device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.meta.evaluation import fresh_learner_accuracy
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.training.assembly import build_problem
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
    """

    name: str
    synthesize: Callable[[tf.Tensor], SyntheticData]
    setup_seconds: float
    how: str
    validation_curve: list[list] | None = None


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all sources share.

    Attributes:
      config: of the workdir.
      workdir: baselines go to `baselines/` in it.
      dataset: the test split is not touched here.
      problem: learners and inner optimizer.
      train: real training images.
      accuracy_of: (data, learner's seed) -> validation accuracy; traced.
    """

    config: config_dict.ConfigDict
    workdir: Path
    dataset: Dataset
    problem: InnerProblem
    train: RealData
    accuracy_of: Callable[[SyntheticData, tf.Tensor], tf.Tensor]


def build_setting(
    config: config_dict.ConfigDict, workdir: Path, dataset: Dataset
) -> Setting:
    """Puts the data into tensors and builds the learners."""
    train = device_split(dataset, "train")
    validation = device_split(dataset, "validation")
    problem = build_problem(config, train)

    @tf.function(autograph=False)
    def accuracy_of(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
        return fresh_learner_accuracy(problem, data, validation, seed)

    return Setting(config, workdir, dataset, problem, train, accuracy_of)


def source_of_run(
    name: str,
    run: Run,
    seconds: float,
    how: str,
    validation_curve: list[list] | None = None,
) -> Source:
    """Returns the source that a finished meta-training is."""

    @tf.function(autograph=False)
    def synthesize(seed: tf.Tensor) -> SyntheticData:
        return run.gtn.synthesize(run.gtn.read(), seed)

    return Source(name, synthesize, seconds, how, validation_curve)
