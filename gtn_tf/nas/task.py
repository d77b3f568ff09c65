"""One evaluation, read: what is evaluated, how, and on which data."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.config import default_config
from gtn_tf.config.evaluator_names import EvaluatorName, parse_evaluator
from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import RealData, device_split
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.training.assembly import load_dataset


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What all evaluations of a search share.

    Attributes:
      config: of the search.
      dataset: without test data.
      train: real training images.
      validation: real images that accuracies are about.
    """

    config: config_dict.ConfigDict
    dataset: data.Dataset
    train: RealData
    validation: RealData


@dataclasses.dataclass(frozen=True)
class Task:
    """One job, read.

    Attributes:
      setting: what jobs share.
      genotype: what is evaluated.
      name: the evaluator.
      is_truth: whether its score is what others are compared with.
      seed: [2], of this architecture.
      teacher_path: the export that it trains on, if any.
    """

    setting: Setting
    genotype: Genotype
    name: EvaluatorName
    is_truth: bool
    seed: tf.Tensor
    teacher_path: str | None

    @property
    def form(self) -> str:
        """The name in `FORMS` that the network is built in."""
        return "training" if self.is_truth else "search"

    @property
    def is_interpreted(self) -> bool:
        """Whether the one graph of all genotypes runs this one."""
        return self.setting.config.search.interpret and not self.is_truth


def task_of(job: Mapping[str, Any]) -> Task:
    """Reads a job.

    Args:
      job: `genotype` (text), `evaluator`, `is_truth`, `seed`, `config` (flat),
        `teacher` (path of an export, or None).

    Raises:
      InputError: it cannot be read, or there are no such data.
    """
    genotype = Genotype.from_text(job["genotype"])
    seed = fold(
        root_seed(job["seed"]), Purpose.SEARCH, int(genotype.key()[:7], 16)
    )
    return Task(
        setting_of(job["config"]),
        genotype,
        parse_evaluator(job["evaluator"]),
        job["is_truth"],
        seed,
        job["teacher"],
    )


def setting_of(config: Mapping[str, Any]) -> Setting:
    """Reads the data of a flat config; kept for the next job.

    Raises:
      InputError: there are no such data.
    """
    return _setting(json.dumps(config, sort_keys=True))


@functools.lru_cache(maxsize=1)
def _setting(text: str) -> Setting:
    config = default_config()
    with config.ignore_type():  # tuples come back as lists
        config.update_from_flattened_dict(json.loads(text))
    dataset = load_dataset(config)
    return Setting(
        config,
        dataset,
        device_split(dataset, "train"),
        device_split(dataset, "validation"),
    )
