"""How much faster GTN data teach than real data (Figs. 2b and 3a).

For each GTN seed, real data with once, twice, four times, .. as many steps,
the constant rates and the way to draw batches tuned for each number of steps,
until fresh learners reach the GTN's accuracy in 97.5 % of the draws of
learners. All other sources at equal steps are `evaluate`'s.

Intervals are over GTN seeds; of one seed over its fresh learners.

Departure: the paper reads the speed-up off one curve of training accuracy;
here each number of steps has rates of its own, and test data decide.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import config_dict

from gtn_tf.datasets.batches import device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.fresh_learners import FinalTest, FreshLearners
from gtn_tf.evaluation.sources import build_setting, source_of_run
from gtn_tf.experiments.real_budgets import tuned_real
from gtn_tf.experiments.trials import (
    TUNING_KEYS,
    done_trials,
    make_trials,
    run_trials,
)
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.progress import say
from gtn_tf.statistics.intervals import mean_interval
from gtn_tf.statistics.over_seeds import over_seeds
from gtn_tf.training.run import Run

_MOST_DOUBLINGS = 6
_NUM_DRAWS = 1000


def few_step(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns the GTN's accuracy, and real data's by number of steps.

    Raises:
      DivergenceError: every meta-training diverged.
    """
    trials = make_trials(config, {config.source: {}})
    results = run_trials(trials, folder, _measure, TUNING_KEYS)
    done, num_steps = done_trials(results), config.inner.num_steps
    return {
        "source": config.source,
        "num_steps": num_steps,
        "num_failed": len(results) - len(done),
        **summarize(done, num_steps, config.seed),
        "results": results,
    }


def _measure(run: Run, dataset: Dataset) -> dict[str, Any]:
    """Tests fresh learners on the GTN's data, then on more and more real."""
    config = run.config
    setting = build_setting(config, run.workdir, dataset)
    real_test = device_split(dataset, "test")
    own = source_of_run(config.source, run, 0.0, "")
    learners = FreshLearners(config, setting.problem, real_test)
    number = config.evaluation.num_learners
    per_step = []
    with stoppable() as check_signals:
        for index in range(number):
            check_signals()
            per_step.append(learners.test_every_step(own, index))
    final = [accuracies[-1] for accuracies in per_step]
    test = FinalTest(config.seed, setting.problem, [real_test])
    real = []
    for doubling in range(_MOST_DOUBLINGS + 1):
        num_steps = config.inner.num_steps * 2**doubling
        source = tuned_real(setting, num_steps, config.inner.batch_size)
        (accuracies,) = test.accuracies(source, number)
        say(
            f"real data, {num_steps} steps: test accuracy "
            f"{np.mean(accuracies):.4f}; the GTN's: {np.mean(final):.4f}"
        )
        real.append(
            {
                "num_steps": num_steps,
                "accuracies": accuracies,
                "how": source.how,
            }
        )
        if bootstrap_steps(final, real, config.seed)[1] is not None:
            break
    return {"accuracies_per_step": per_step, "real": real}


def summarize(
    results: list[dict], num_inner_steps: int, seed: int
) -> dict[str, Any]:
    """Returns accuracies, and how many real steps the GTN's are worth.

    The mean over GTN seeds of that number is geometric; None where a seed's
    accuracy was not reached; at most that many where a seed needed no more than
    T. Sizes that a seed had no need of are means over the others.

    Args:
      results: of the trials that did not diverge.
      num_inner_steps: T, with GTN data.
      seed: of the draws of learners, where there is one result.
    """
    per_step = [np.asarray(r["accuracies_per_step"]) for r in results]
    num_seeds = len(results)
    of_steps = [
        over_seeds([accuracies[:, step] for accuracies in per_step], num_seeds)
        for step in range(num_inner_steps)
    ]
    found: dict[int, list] = {}
    for row in (row for result in results for row in result["real"]):
        found.setdefault(row["num_steps"], []).append(row["accuracies"])
    of_seeds = [
        steps_to_reach(float(a[:, -1].mean()), _means(result["real"]))
        for a, result in zip(per_step, results, strict=True)
    ]
    steps, ci95 = _over_seeds_in_log(of_seeds)
    if num_seeds == 1:
        final = per_step[0][:, -1].tolist()
        ci95 = bootstrap_steps(final, results[0]["real"], seed)
    return {
        **of_steps[-1],
        "accuracy_per_step": [step["accuracy"] for step in of_steps],
        "ci95_per_step": [step["ci95"] for step in of_steps],
        "real": [
            {"num_steps": number, **over_seeds(found[number], num_seeds)}
            for number in sorted(found)
        ],
        "is_at_most": num_inner_steps in of_seeds,
        "real_steps_needed": steps,
        "real_steps_needed_ci95": ci95,
        "speed_up": steps and steps / num_inner_steps,
        "speed_up_ci95": ci95 and [s and s / num_inner_steps for s in ci95],
    }


def _over_seeds_in_log(
    of_seeds: list[float | None],
) -> tuple[float | None, list[float] | None]:
    """Returns the geometric mean and its interval."""
    if None in of_seeds:
        return None, None
    mean, _, ci95 = mean_interval(np.log(of_seeds))
    return math.exp(mean), ci95 and [math.exp(bound) for bound in ci95]


def _means(real: list[dict]) -> list[dict]:
    return [
        {
            "num_steps": row["num_steps"],
            "accuracy": float(np.mean(row["accuracies"])),
        }
        for row in real
    ]


def steps_to_reach(accuracy: float, real: list[dict]) -> float | None:
    """Interpolates in log steps after the last number that does not suffice.

    None where that is the largest. Where all suffice, the first is the answer:
    less was not tried.

    Args:
      accuracy: the GTN's.
      real: rows with `num_steps` and `accuracy`.
    """
    short = [row["accuracy"] < accuracy for row in real]
    if not any(short):
        return float(real[0]["num_steps"])
    last = max(place for place, is_short in enumerate(short) if is_short)
    if last + 1 == len(real):
        return None
    before, after = real[last : last + 2]
    share = accuracy - before["accuracy"]
    share /= after["accuracy"] - before["accuracy"]
    low, high = (math.log(row["num_steps"]) for row in (before, after))
    return math.exp(low + share * (high - low))


def bootstrap_steps(
    own: list[float], real: list[dict], seed: int
) -> list[float | None]:
    """Returns the 95 % percentile interval of `steps_to_reach`.

    Learner i has the same initial weights in every row, hence one draw of
    learners for all rows. None: beyond the largest number of steps.

    Args:
      own: accuracies of the learners trained on the GTN's data.
      real: rows with `num_steps` and `accuracies` of the same learners.
      seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_NUM_DRAWS):
        drawn = rng.integers(len(own), size=len(own))
        rows = [
            {**row, "accuracies": np.take(row["accuracies"], drawn)}
            for row in real
        ]
        accuracy = float(np.mean(np.take(own, drawn)))
        steps = steps_to_reach(accuracy, _means(rows))
        found.append(math.inf if steps is None else steps)
    bounds = np.percentile(found, (2.5, 97.5), method="inverted_cdf")
    return [float(b) if math.isfinite(b) else None for b in bounds]
