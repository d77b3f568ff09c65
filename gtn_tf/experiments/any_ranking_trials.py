"""Ordinary networks, trained for a few steps and for many."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.datasets.batches import device_split, sample_batch
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.evaluation.constant_rates import (
    DrawBatches,
    draw_balanced,
    draw_subset,
)
from gtn_tf.evaluation.sources import Setting, Source, source_of_run
from gtn_tf.experiments.any_ranking import READOUTS
from gtn_tf.experiments.trials import Measure
from gtn_tf.learners.functional import Learner
from gtn_tf.learners.pool import as_ordinary_learner, draw_networks
from gtn_tf.meta.inner_optimizers import (
    InnerOptimizer,
    find_inner_optimizer,
    normalized,
)
from gtn_tf.nas.evaluators.real import cosine
from gtn_tf.nas.rate_rules import DEFAULT, parse_rule
from gtn_tf.nas.training import Trainer
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.files import to_json
from gtn_tf.runtime.graph_memory import TracedGraphs
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.runtime.progress import Progress
from gtn_tf.training.run import Run
from gtn_tf.types import DivergenceError, SyntheticData

NUM_NETWORKS = 40
#: Of the draw of networks: pools of meta-training are drawn by the run's seed.
_DRAW = 2**31 - 1
_REAL_MOMENTUM = 0.5
#: Of the long training, each rate by a cosine; the better one counts.
LONG_STEPS = 500
_LONG_BATCH_SIZE = 64
_LONG_RATES = (0.03, 0.1)
_LONG_MOMENTUM = 0.9

Rates = dict[str, tf.Tensor]
#: A learner's seed [2] -> its batches, one a step.
Batches = Callable[[tf.Tensor], Iterable[SyntheticData]]


class _Rule(NamedTuple):
    """One way to train on a source: kind of optimizer, and the batches."""

    kind: str
    batches: Batches


def make_measure(plain: config_dict.ConfigDict, folder: Path) -> Measure:
    """Returns what trains every network on a run's data and on real ones.

    Args:
      plain: the config of the first seed, which long trainings take, too.
      folder: of the experiment; networks go to `networks/` in it.
    """

    def measure(
        config: config_dict.ConfigDict, run: Run, dataset: Dataset
    ) -> dict[str, Any]:
        setting = build_setting(config, folder, dataset)
        sources = _sources(setting, source_of_run(config.source, run))
        shape = dataset.image_shape, dataset.num_classes
        networks = draw_networks(NUM_NETWORKS, shape[0], _DRAW)
        optimizer = find_inner_optimizer(config.inner.optimizer)
        store = JobStore(folder / "networks")
        asked = to_json(
            {
                **setting.tuning.asked,
                "meta_steps": config.meta.num_steps,
                "num_learners": setting.num_learners,
            }
        )
        graphs, rows = TracedGraphs(), []
        with (
            stoppable() as check_signals,
            contextlib.closing(
                Progress(len(networks), unit="network")
            ) as progress,
        ):
            for number, network in enumerate(networks):
                check_signals()
                own = {"network": network.text, **asked}
                with graphs.collected():
                    learner = as_ordinary_learner(network, *shape)
                    row = _kept(
                        *(store, f"{config.seed}-{number}", own),
                        lambda learner=learner: _few_steps(
                            learner, optimizer, setting, sources
                        ),
                    )
                    long = {"network": network.text, "seed": plain.seed}
                    row |= _kept(
                        *(store, f"long-{number}", long),
                        lambda learner=learner: _long_training(
                            learner, plain.seed, setting, dataset
                        ),
                    )
                graphs.release()
                rows.append(row)
                progress.update(number + 1)
        return {
            "networks": [network.text for network in networks],
            **{key: [row[key] for row in rows] for key in ("params", "truth")},
            "scores": {
                source: {
                    readout: [row["scores"][source][readout] for row in rows]
                    for readout in READOUTS
                }
                for source in sources
            },
            "seconds_on": {
                source: sum(row["seconds"][source] for row in rows)
                for source in sources
            },
        }

    return measure


def _kept(
    store: JobStore, key: str, asked: dict, make: Callable[[], dict]
) -> dict:
    """Returns what is kept under a key, of the same asked; or makes it."""
    kept = store.get(key)
    if kept is None or kept.get("asked") != asked:
        kept = {"asked": asked, **make()}
        store.put(key, kept)
    return {name: value for name, value in kept.items() if name != "asked"}


def _sources(setting: Setting, data: Source) -> dict[str, list[_Rule]]:
    """Returns the rules by which a network trains, by source of data."""
    of_real = {
        "real": draw_balanced(setting),
        "real_subset": draw_subset(setting),
    }
    return {
        "gtn": [
            _Rule(kind, lambda seed, x=factor: _scaled(data, x, seed))
            for kind, factor in map(parse_rule, DEFAULT)
        ],
        **{
            name: [
                _Rule(
                    "learned",
                    lambda seed, draw=draw, rate=rate: _real(draw, rate, seed),
                )
                for rate in setting.tuning.learning_rates
            ]
            for name, draw in of_real.items()
        },
    }


def _scaled(
    data: Source, factor: float, seed: tf.Tensor
) -> Iterator[SyntheticData]:
    images, labels, rates = data.synthesize(seed)
    for step in range(images.shape[0]):
        own = {name: value[step] for name, value in rates.items()}
        own["learning_rate"] *= factor
        yield SyntheticData(images[step], labels[step], own)


def _real(
    draw: DrawBatches, rate: float, seed: tf.Tensor
) -> Iterator[SyntheticData]:
    images, labels = draw(seed)
    num_steps = images.shape[0]
    for step in range(num_steps):
        own = _rates(rate * cosine(step / num_steps), _REAL_MOMENTUM)
        yield SyntheticData(images[step], labels[step], own)


def _rates(rate: float, momentum: float) -> Rates:
    return {
        "learning_rate": tf.constant(rate, tf.float32),
        "momentum": tf.constant(momentum, tf.float32),
    }


def _few_steps(
    learner: Learner,
    optimizer: InnerOptimizer,
    setting: Setting,
    sources: dict[str, list[_Rule]],
) -> dict[str, Any]:
    """Returns a network's parameters, scores by source, and seconds."""
    first = Trainer(lambda: learner, optimizer, setting.validation)
    trainers = dict(
        zip(
            ("learned", "normalized"),
            first.sharing_traces([optimizer, normalized(optimizer)]),
            strict=True,
        )
    )
    found: dict[str, Any] = {"scores": {}, "seconds": {}}
    initial = fold(root_seed(setting.seed), Purpose.EVALUATION)
    seeds = [fold(initial, index) for index in range(setting.num_learners)]
    params, _ = learner.init(initial)
    found["params"] = int(sum(np.prod(value.shape) for value in params))
    for rule in itertools.chain(*sources.values()):
        _trace(trainers[rule.kind], rule.batches, seeds[0])
    for source, rules in sources.items():
        began = time.perf_counter()
        values = [
            [_trained(trainers[rule.kind], rule.batches, s) for s in seeds]
            for rule in rules
        ]
        found["scores"][source] = {
            readout: _best(values, readout) for readout in READOUTS
        }
        found["seconds"][source] = time.perf_counter() - began
    return found


def _trace(trainer: Trainer, batches: Batches, seed: tf.Tensor) -> None:
    """Traces what all sources share, which is then in no one's seconds."""
    state = trainer.initial_state(seed)
    trainer.trace(state, next(iter(batches(seed))))
    trainer.trace_readout(state, "accuracy", "last_batch", also_run=True)


def _trained(
    trainer: Trainer, batches: Batches, seed: tf.Tensor
) -> dict[str, float] | None:
    """Returns what can be read of a fresh network; None if it diverged."""
    try:
        trained = trainer.train(trainer.initial_state(seed), batches(seed))
    except DivergenceError:
        return None
    values = trainer.validate(trained.state)
    return values if np.isfinite(values["log_likelihood"]) else None


def _best(values: list[list[dict | None]], readout: str) -> float | None:
    """Returns the mean by the best rule, of those that never diverged."""
    means = [
        float(np.mean([value[readout] for value in of_rule]))
        for of_rule in values
        if None not in of_rule
    ]
    return max(means, default=None)


def _long_training(
    learner: Learner, number: int, setting: Setting, dataset: Dataset
) -> dict[str, Any]:
    """Returns the accuracy on all validation images, the truth.

    Args:
      learner: the network.
      number: the seed of its initial values and batches.
      setting: training images.
      dataset: validation images.
    """
    trainer = Trainer(
        lambda: learner,
        find_inner_optimizer("sgd"),
        device_split(dataset, "validation"),
    )
    seed = fold(root_seed(number), Purpose.RETRAINING)

    def batches(rate: float) -> Iterator[SyntheticData]:
        for step in range(LONG_STEPS):
            batch = sample_batch(
                setting.train,
                fold(seed, Purpose.REAL_BATCH, step),
                _LONG_BATCH_SIZE,
            )
            own = _rates(rate * cosine(step / LONG_STEPS), _LONG_MOMENTUM)
            yield SyntheticData(batch.images, batch.labels, own)

    began = time.perf_counter()
    values = [
        [_trained(trainer, lambda _, rate=rate: batches(rate), seed)]
        for rate in _LONG_RATES
    ]
    return {
        "truth": _best(values, "accuracy"),
        "long_seconds": time.perf_counter() - began,
    }
