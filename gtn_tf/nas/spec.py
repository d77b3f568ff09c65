"""What a search is, read from a config once; imports no TensorFlow."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.config.evaluator_names import parts_of
from gtn_tf.search_spaces.protocol import Space
from gtn_tf.search_spaces.registry import make_space


@dataclasses.dataclass(frozen=True)
class RealTraining:
    """How networks train on real images.

    Attributes:
      batch_size: B.
      learning_rate: of SGD, at the start.
      momentum: of SGD.
      schedule: of the rate, a name of `config.choices.SCHEDULES`.
    """

    batch_size: int
    learning_rate: float
    momentum: float
    schedule: str


@dataclasses.dataclass(frozen=True)
class SupernetSpec:
    """The supernet of the evaluator `supernet`.

    Attributes:
      path: of a finished one, or None.
      num_epochs: of its training.
      learning_rate: at its start; None: that of `real`.
    """

    path: str | None
    num_epochs: int
    learning_rate: float | None


@dataclasses.dataclass(frozen=True)
class HyperNetworkSpec:
    """The hypernetwork of the evaluator `ghn`.

    Attributes:
      path: of a finished one, or None.
      num_epochs: of its training.
      learning_rate: of Adam, at the start.
      num_phases: passes of messages over a cell, forwards and backwards.
      normalizes: whether what it writes is brought to the size of fresh
        weights.
    """

    path: str | None
    num_epochs: int
    learning_rate: float
    num_phases: int
    normalizes: bool


@dataclasses.dataclass(frozen=True)
class SearchSpec:
    """A search.

    Attributes:
      folder: absolute; relative paths of tables begin there.
      data_dir: absolute, a bucket, or None.
      evaluators: those of the config, and parts of means of ranks that are
        not among them; the guide alone, where there is one.
      num_inner_steps: T of the GTN.
      inner_batch_size: B of the GTN.
      training: of the evaluators `real` and `real_subset`.
      truth_training: of the truth.
      strategy_options: the keys of `search.STRATEGY`, where it has any.
      readout: of evaluators that train, where they have none of their own.
      statistics, num_initializations: likewise.
      executor: a name in `EXECUTORS`.

    The others are keys of the config; see docs/config.md.
    """

    folder: str
    seed: int
    precision: str
    num_logical_devices: int | None
    tensor_float_32: bool
    dataset: str
    data_dir: str | None
    split_seed: int
    image_size: int | tuple[int, int] | None
    max_images: int | None
    num_inner_steps: int
    inner_batch_size: int
    space: str
    num_nodes: int
    ops: tuple[str, ...]
    num_cells: int
    channels: int
    strategy: str
    strategy_options: dict[str, Any]
    num_architectures: int
    evaluators: tuple[str, ...]
    guide: str | None
    select_top: int
    truth: str
    truth_num_architectures: int | None
    table: str | None
    training: RealTraining
    truth_training: RealTraining
    supernet: SupernetSpec
    ghn: HyperNetworkSpec
    interpret: bool
    readout: str
    statistics: str
    num_initializations: int
    num_validation_images: int | None
    common_random_numbers: bool
    executor: str
    shard: int
    num_shards: int

    @property
    def names(self) -> tuple[str, ...]:
        """The evaluators that score one by one, the truth last."""
        single = (n for n in self.evaluators if not parts_of(n))
        return (*single, self.truth)

    @property
    def supernet_training(self) -> RealTraining:
        """`training` at the rate of a supernet, which may be its own."""
        rate = self.supernet.learning_rate
        if rate is None:
            return self.training
        return dataclasses.replace(self.training, learning_rate=rate)

    def make_space(self) -> Space:
        """Returns the space of the architectures."""
        return make_space(self.space, self.num_nodes, self.ops)


def search_spec(config: config_dict.ConfigDict) -> SearchSpec:
    """Reads a config."""
    search, inner, dataset = config.search, config.inner, config.dataset
    same: dict[str, Any] = {
        key: search[key]
        for key in (
            *("space", "num_nodes", "num_cells", "channels", "strategy"),
            *("num_architectures", "guide", "select_top"),
            *("truth", "truth_num_architectures"),
            *("readout", "statistics", "num_initializations"),
            *("num_validation_images", "common_random_numbers"),
            *("table", "interpret", "executor", "shard", "num_shards"),
        )
    }
    return SearchSpec(
        folder=str(Path.cwd()),
        seed=config.seed,
        precision=config.precision,
        num_logical_devices=config.num_logical_devices,
        tensor_float_32=config.tensor_float_32,
        dataset=dataset.name,
        data_dir=_in_any_folder(dataset.data_dir),
        split_seed=dataset.split_seed,
        image_size=dataset.image_size,
        max_images=dataset.max_images,
        num_inner_steps=inner.num_steps,
        inner_batch_size=inner.batch_size,
        ops=tuple(search.ops),
        strategy_options=strategy_options(search, search.strategy),
        evaluators=(
            _with_parts(search.evaluators)
            if search.guide is None
            else (search.guide,)
        ),
        training=RealTraining(
            search.real_batch_size or inner.batch_size,
            search.real_learning_rate,
            search.real_momentum,
            search.real_schedule,
        ),
        truth_training=RealTraining(
            search.truth_batch_size,
            search.truth_learning_rate,
            search.real_momentum,
            "cosine",
        ),
        supernet=SupernetSpec(**search.supernet.to_dict()),
        ghn=HyperNetworkSpec(**search.ghn.to_dict()),
        **same,
    )


def strategy_options(
    search: config_dict.ConfigDict, strategy: str
) -> dict[str, Any]:
    """Returns the keys of `search.STRATEGY`, where it has any."""
    of_strategy = search.get(strategy)
    if isinstance(of_strategy, config_dict.ConfigDict):
        return of_strategy.to_dict()
    return {}


def _with_parts(evaluators: Sequence[str]) -> tuple[str, ...]:
    parts = (part for name in evaluators for part in parts_of(name))
    return tuple(dict.fromkeys((*evaluators, *parts)))


def _in_any_folder(path: str | None) -> str | None:
    if path is None or "://" in path:  # gs://
        return path
    return str(Path(path).expanduser().absolute())
