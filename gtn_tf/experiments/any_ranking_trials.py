"""Ordinary networks, trained for a few steps and for many."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.datasets.batches import device_split, sample_batch
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.evaluation.sources import Setting, source_of_run
from gtn_tf.experiments.any_ranking import FREE, READOUTS
from gtn_tf.experiments.any_ranking_scores import (
    RULES,
    best,
    few_step_scores,
    free_scores,
    rules_by_source,
    step_rates,
    trained,
)
from gtn_tf.experiments.trials import Measure
from gtn_tf.learners.functional import Learner
from gtn_tf.learners.pool import as_ordinary_learner, build, draw_networks
from gtn_tf.meta.inner_optimizers import (
    find_inner_optimizer,
)
from gtn_tf.nas.evaluators.real import cosine
from gtn_tf.nas.training import Trainer
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.files import to_json
from gtn_tf.runtime.graph_memory import TracedGraphs
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.runtime.progress import Progress
from gtn_tf.training.run import Run
from gtn_tf.types import SyntheticData

NUM_NETWORKS = 40
#: Of the draw of networks: pools of meta-training are drawn by the run's seed.
_DRAW = 2**31 - 1
#: Of the long training, each rate by a cosine; the better one counts.
LONG_STEPS = 500
_LONG_BATCH_SIZE = 64
_LONG_RATES = (0.03, 0.1)
_LONG_MOMENTUM = 0.9


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
        data = source_of_run(config.source, run)
        sources = rules_by_source(setting, data)
        shape = dataset.image_shape, dataset.num_classes
        networks = draw_networks(NUM_NETWORKS, shape[0], _DRAW)
        optimizer = find_inner_optimizer(config.inner.optimizer)
        store = JobStore(folder / "networks")
        asked = to_json(
            {
                **setting.tuning.asked,
                "meta_steps": config.meta.num_steps,
                "num_learners": setting.num_learners,
                "rules": RULES,
                "free": FREE,
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
                        lambda learner=learner, network=network: {
                            **few_step_scores(
                                learner, optimizer, setting, sources
                            ),
                            **free_scores(build(network, *shape), setting),
                        },
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
            "truth": [row["truth"] for row in rows],
            "free": {n: [row["free"][n] for row in rows] for n in FREE},
            "scores": {
                source: {
                    readout: [row["scores"][source][readout] for row in rows]
                    for readout in READOUTS
                }
                for source in sources
            },
            "seconds_on": {
                name: sum(row[key][name] for row in rows)
                for key, names in (("seconds", sources), ("free_seconds", FREE))
                for name in names
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
            own = step_rates(rate * cosine(step / LONG_STEPS), _LONG_MOMENTUM)
            yield SyntheticData(batch.images, batch.labels, own)

    began = time.perf_counter()
    values = [
        [trained(trainer, lambda _, rate=rate: batches(rate), seed)]
        for rate in _LONG_RATES
    ]
    return {
        "truth": best(values, "accuracy"),
        "long_seconds": time.perf_counter() - began,
    }
