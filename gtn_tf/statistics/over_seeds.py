"""Means over GTN seeds, and differences paired by seed.

The unit that is resampled is the GTN: a trial enters by its mean over fresh
learners. A claim about a method needs at least three. What has one seed only is
a claim about that GTN, over its learners.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gtn_tf.statistics.intervals import mean_interval

#: A trial's result -> its one number, None where it has none.
Value = Callable[[dict], float | None]


def mean_accuracy(split: str) -> Value:
    """Returns what averages the accuracies of a trial's fresh learners."""

    def value(result: dict) -> float | None:
        values = result.get(f"{split}_accuracies")
        return None if values is None else float(np.mean(values))

    return value


def over_seeds(
    values: Sequence[Sequence[float]], num_seeds: int
) -> dict[str, Any]:
    """Returns `accuracy`, `ci95` and `num_seeds`.

    The interval is over GTN seeds; where the experiment has one, over its fresh
    learners; where it has more, and one value is of a single seed, None.

    Args:
      values: per seed, of its fresh learners.
      num_seeds: of the experiment.
    """
    if num_seeds == 1:
        interval = mean_interval(values[0])
    else:
        interval = mean_interval([np.mean(of_seed) for of_seed in values])
    return {
        "accuracy": interval.mean,
        "ci95": interval.ci95,
        "num_seeds": len(values),
    }


def of_arm(results: Sequence[dict], arm: str, value: Value) -> dict:
    """Returns mean, spread and interval of an arm over its seeds.

    Trials without the number (diverged) are counted apart.
    """
    found = [value(r) for r in results if r["arm"] == arm]
    known = [v for v in found if v is not None]
    interval = mean_interval(known) if known else None
    return {
        "mean": interval and interval.mean,
        "std": interval and interval.std,
        "ci95": interval and interval.ci95,
        "num_seeds": len(known),
        "num_failed": len(found) - len(known),
    }


def difference(
    results: Sequence[dict], arm: str, other: str, value: Value
) -> dict | None:
    """Returns arm - other, paired; None without a pair."""
    ours, theirs = (
        {
            r["pair"]: value(r)
            for r in results
            if r["arm"] == name and value(r) is not None
        }
        for name in (arm, other)
    )
    pairs = sorted(ours.keys() & theirs.keys())
    if not pairs:
        return None
    interval = mean_interval([ours[p] - theirs[p] for p in pairs])
    return {
        "mean": interval.mean,
        "ci95": interval.ci95,
        "num_pairs": len(pairs),
    }
