"""What weight normalisation does for stability (Fig. 1b).

Hyperparameters are drawn at random, and each draw meta-trains once with and
once without weight normalisation in the learner. The paper's search ranges
are not published; ours are `RANGES`.

Departures: random search in place of Bayesian optimisation; the generator
keeps its weight normalisation; the gradient is not clipped, as in the paper.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import config_dict

from gtn_tf.config_keys.choices import DATASETS
from gtn_tf.experiments.trials import (
    Trial,
    changed,
    fresh_test_accuracies,
    run_trials,
)
from gtn_tf.intervals import mean_interval

#: Key -> (low, high, whether drawn uniformly in its logarithm).
RANGES = {
    "meta.learning_rate": (1e-3, 1e-1, True),
    "meta.adam_beta_1": (0.5, 0.95, False),
    "meta.adam_beta_2": (0.9, 0.999, False),
    "inner.learning_rate": (1e-2, 1.0, True),
    "inner.momentum": (0.1, 0.95, False),
}
ARMS = {"weight_norm": True, "plain": False}


def draw_hyperparameters(seed: int, index: int) -> dict[str, float]:
    """Returns draw number `index` of `RANGES`."""
    rng = np.random.default_rng([seed, index])
    drawn = {}
    for key, (low, high, is_log) in RANGES.items():
        share = float(rng.random())
        if is_log:
            drawn[key] = math.exp(
                math.log(low) + share * (math.log(high) - math.log(low))
            )
        else:
            drawn[key] = low + share * (high - low)
    return drawn


def weight_norm(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns the final meta-losses of both arms over the same draws."""
    trials = [
        Trial(
            arm,
            index,
            changed(
                config,
                {
                    **draw_hyperparameters(config.seed, index),
                    "learner.weight_norm": is_normalised,
                    "meta.global_clipnorm": None,
                },
            ),
        )
        for index in range(config.evaluation.num_draws)
        for arm, is_normalised in ARMS.items()
    ]
    results = run_trials(
        trials,
        folder,
        lambda run, test: {"test_accuracies": fresh_test_accuracies(run, test)},
    )
    chance = math.log(DATASETS[config.dataset.name][1])
    return {
        "ranges": {key: list(value) for key, value in RANGES.items()},
        "chance_meta_loss": chance,
        "arms": {arm: _of_arm(results, arm, chance) for arm in ARMS},
        "difference": _difference(results),
        "results": results,
    }


def _of_arm(results: list[dict], arm: str, chance: float) -> dict[str, Any]:
    found = [r for r in results if r["arm"] == arm]
    losses = [r["final_meta_loss"] for r in found if r["status"] == "ok"]
    num_failed = len(found) - len(losses)
    quartiles = np.percentile(losses, (25, 50, 75)) if losses else [None] * 3
    return {
        "num_draws": len(found),
        "share_diverged": num_failed / len(found) if found else None,
        "share_no_better_than_chance": (
            (num_failed + sum(v >= chance for v in losses)) / len(found)
            if found
            else None
        ),
        "best": min(losses, default=None),
        "quartiles": list(quartiles),
        "std": float(np.std(losses, ddof=1)) if len(losses) > 1 else None,
    }


def _difference(results: list[dict]) -> dict | None:
    """Weight norm minus plain, over draws in which neither diverged."""
    by_draw: dict[int, dict[str, float]] = {}
    for result in results:
        if result["status"] == "ok":
            losses = by_draw.setdefault(result["pair"], {})
            losses[result["arm"]] = result["final_meta_loss"]
    pairs = [
        losses["weight_norm"] - losses["plain"]
        for losses in by_draw.values()
        if len(losses) == len(ARMS)
    ]
    if not pairs:
        return None
    interval = mean_interval(pairs)
    return {
        "mean": interval.mean,
        "ci95": interval.ci95,
        "num_draws": len(pairs),
    }
