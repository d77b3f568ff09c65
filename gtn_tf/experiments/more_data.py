"""What a GTN gives beyond the data that it was meta-trained with.

Longer and larger batches, and ensembles of learners, for four sources:

* `repeat`: the curriculum over again, with its learned rates;
* `sample`: the curriculum first, then batches that the generator has never
  been trained to make (`sample` of the export), with the rates of the last
  position; likewise what a batch has beyond its B examples. A learned
  curriculum's noise is all that its generator knows: `sample` draws from these
  T x B vectors;
* `endless`: another GTN, meta-trained on curriculum `none`, whose generator
  turns any noise into data: each learner has its own batches, made as in
  meta-training, and after T steps more of them, with the last rates;
* `real_tuned`: as many real images, constant rates tuned for just these sizes.

GTN data come with the rates they were meta-trained with, or the last of them;
only real data are tuned for every size.

An ensemble averages the class probabilities of its learners; ensembles of one
size share none. Theirs also come from `all_sampled`: no batch is the
curriculum's, each learner has its own.

Intervals are over GTN seeds; of one seed over its fresh learners, or over its
ensembles where there are four or more. A row that only one of several seeds has
is without.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.datasets.batches import device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.constant_rates import sequence_shape
from gtn_tf.evaluation.fresh_learners import FinalTest
from gtn_tf.evaluation.sources import Source, build_setting
from gtn_tf.experiments.extended_data import (
    endless,
    repeated,
    sampled,
)
from gtn_tf.experiments.real_budgets import tuned_real
from gtn_tf.experiments.trials import (
    TUNING_KEYS,
    done_trials,
    make_trials,
    run_trials,
)
from gtn_tf.export.saved_model import ExportedGTN
from gtn_tf.meta.evaluation import fresh_learner_logits
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.progress import say
from gtn_tf.statistics.over_seeds import over_seeds
from gtn_tf.training.run import Run
from gtn_tf.types import InputError, SyntheticData

#: Times the steps, times the batch.
SIZES = ((1, 1), (2, 1), (4, 1), (1, 2), (1, 4), (2, 2))
ENSEMBLES = (1, 2, 4, 8, 16)
_FEWEST_ENSEMBLES = 4  # of which an interval says something
_REAL = "real_tuned"
_ENDLESS = "endless"
_SOURCES = (_REAL, "repeat", "sample", _ENDLESS)


def more_data(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns test accuracy by source and size, and of ensembles.

    Raises:
      InputError: the config's source makes no data, or has no curriculum.
      DivergenceError: every meta-training diverged.
    """
    if config.source != "gtn" or config.curriculum.name == "none":
        raise InputError(
            f"experiment 'more_data' with source {config.source!r} and "
            f"curriculum.name {config.curriculum.name!r}; expected 'gtn', as "
            "only a generator makes more data, and not 'none', which is tried "
            "beside it; set --config.source and --config.curriculum.name"
        )
    arms = {"own": {}, _ENDLESS: {"curriculum.name": "none"}}
    trials = make_trials(config, arms)
    results = run_trials(trials, folder, _measure, TUNING_KEYS)
    shape, done = sequence_shape(config), done_trials(results)
    return {
        "num_steps": shape[0],
        "batch_size": shape[1],
        "num_failed": len(results) - len(done),
        **summarize(done, *shape),
        "results": results,
    }


def _measure(run: Run, dataset: Dataset) -> dict[str, Any]:
    """Tests fresh learners, and ensembles, on one GTN's data and on real."""
    config = run.config
    setting = build_setting(config, run.workdir, dataset)
    real_test = device_split(dataset, "test")
    root = fold(root_seed(config.seed), Purpose.EVALUATION)
    gtn = ExportedGTN(run.gtn, run.gtn.read(), fold(root, 0))
    shape = sequence_shape(config)
    is_endless = config.curriculum.name == "none"

    def sources_of(num_steps: int, batch_size: int) -> list[Source]:
        if is_endless:
            made = endless(run.gtn, num_steps, batch_size)
            return [Source(_ENDLESS, made, 0.0, "")]
        longer = sampled(gtn, num_steps, batch_size)
        found = [
            tuned_real(setting, num_steps, batch_size),
            Source("sample", longer, 0.0, ""),
        ]
        if batch_size == shape[1]:
            again = repeated(gtn, num_steps)
            found.append(Source("repeat", again, 0.0, ""))
        return found

    test = FinalTest(config.seed, setting.problem, [real_test])
    sizes = []
    for times_steps, times_batch in SIZES:
        num_steps, batch_size = shape[0] * times_steps, shape[1] * times_batch
        for source in sources_of(num_steps, batch_size):
            (found,) = test.accuracies(source, config.evaluation.num_learners)
            say(
                f"{source.name}, {num_steps} steps of {batch_size}: test "
                f"accuracy {np.mean(found):.4f}"
            )
            sizes.append(
                {
                    "source": source.name,
                    "num_steps": num_steps,
                    "batch_size": batch_size,
                    "accuracies": found,
                    "how": source.how,
                }
            )

    @tf.function(autograph=False)
    def logits_of(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
        return fresh_learner_logits(setting.problem, data, real_test, seed)

    # At this size `sample` is `repeat`.
    of_ensembles = [s for s in sources_of(*shape) if s.name != "sample"]
    if not is_endless:
        all_sampled = sampled(gtn, *shape, num_kept=0)
        of_ensembles.append(Source("all_sampled", all_sampled, 0.0, ""))
    label_ids = dataset.test.label_ids
    return {
        "sizes": sizes,
        "ensembles": {
            source.name: _ensembles(source, logits_of, root, label_ids)
            for source in of_ensembles
        },
    }


def summarize(
    results: list[dict], num_steps: int, batch_size: int
) -> dict[str, Any]:
    """Returns means over GTN seeds, and differences to real data, paired.

    Args:
      results: of the trials that did not diverge.
      num_steps: T of the meta-training.
      batch_size: B of the meta-training.
    """
    found: dict[tuple, dict[int, list[float]]] = {}
    ensembles: dict[str, dict[int, list]] = {}
    for result in results:
        for row in result["sizes"]:
            key = (row["source"], row["num_steps"], row["batch_size"])
            found.setdefault(key, {})[result["pair"]] = row["accuracies"]
        for source, rows in result["ensembles"].items():
            of_source = ensembles.setdefault(source, {})
            for row in rows:
                of_size = of_source.setdefault(row["num_learners"], [])
                of_size.append(row["accuracies"])
    num_seeds = len({result["pair"] for result in results})
    all_sizes = [(num_steps * s, batch_size * b) for s, b in SIZES]
    return {
        "sizes": [
            _row(found, source, *sizes, num_seeds)
            for sizes in all_sizes
            for source in _SOURCES
            if (source, *sizes) in found
        ],
        "ensembles": {
            source: [
                {"num_learners": size, **_of_ensembles(of_seeds, num_seeds)}
                for size, of_seeds in of_source.items()
            ]
            for source, of_source in ensembles.items()
        },
    }


def _row(
    found: dict[tuple, dict],
    source: str,
    num_steps: int,
    batch_size: int,
    num_seeds: int,
) -> dict[str, Any]:
    of_seeds = found[source, num_steps, batch_size]
    row = {
        "source": source,
        "num_steps": num_steps,
        "batch_size": batch_size,
        **over_seeds(list(of_seeds.values()), num_seeds),
    }
    real = found.get((_REAL, num_steps, batch_size), {})
    pairs = sorted(of_seeds.keys() & real.keys())
    if pairs and source != _REAL:
        gaps = [np.subtract(of_seeds[p], real[p]) for p in pairs]
        gap = over_seeds(gaps, num_seeds)
        row["minus_real"] = {"mean": gap["accuracy"], "ci95": gap["ci95"]}
    return row


def _of_ensembles(of_seeds: list[list[float]], num_seeds: int) -> dict:
    row = over_seeds(of_seeds, num_seeds)
    if num_seeds == 1 and len(of_seeds[0]) < _FEWEST_ENSEMBLES:
        row["ci95"] = None
    return row


def _ensembles(
    source: Source,
    logits_of: Callable[..., tf.Tensor],
    root: tf.Tensor,
    label_ids: np.ndarray,
) -> list[dict]:
    """Returns the test accuracies of ensembles by number of learners."""
    probabilities = []
    with stoppable() as check_signals:
        for index in range(max(ENSEMBLES)):
            check_signals()
            seed = fold(root, index)
            logits = tf.cast(
                logits_of(source.synthesize(seed), seed), "float32"
            )
            probabilities.append(tf.nn.softmax(logits).numpy())
    stacked = np.stack(probabilities)
    return [
        {
            "num_learners": size,
            "accuracies": ensemble_accuracies(stacked, size, label_ids),
        }
        for size in ENSEMBLES
    ]


def ensemble_accuracies(
    probabilities: np.ndarray, size: int, label_ids: np.ndarray
) -> list[float]:
    """Returns the accuracies of ensembles of `size` learners, without overlap.

    Args:
      probabilities: [L, N, K], of L learners.
      size: divides L.
      label_ids: [N].
    """
    grouped = probabilities.reshape(-1, size, *probabilities.shape[1:])
    predicted = np.argmax(grouped.mean(1), -1)
    return np.mean(predicted == label_ids, axis=-1).tolist()
