"""How well evaluators rank architectures: the content of ranking.json.

Plain data in, plain data out. The unit that is resampled for the intervals is
the architecture, the same resamples for all evaluators: the claims are about
other architectures of the space, scored by the same evaluators; not about
another GTN or another seed.

The top half and the top tenth are taken twice: by the evaluator's own score
(the best that it would pass on; the paper's 0.5582 for the top half is of this
kind, ranked by the GTN's estimate) and, in the names that end in `_by_truth`,
by the true accuracy. The two are different questions with different answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gtn_tf.statistics import correlation
from gtn_tf.statistics.picks import best_keys, pick_statistics
from gtn_tf.types import InputError

Scores = Mapping[str, float | None]

#: Share of the architectures, and whether the truth says which are best.
_SUBSETS = {
    "spearman_top_half": (0.5, False),
    "spearman_top_half_by_truth": (0.5, True),
    "spearman_top_tenth": (0.1, False),
    "spearman_top_tenth_by_truth": (0.1, True),
}
_COMPARED = ("spearman", "spearman_top_half")


def ranking(
    scores: Mapping[str, Scores],
    truth: str,
    costs: Mapping[str, Mapping[str, Any]] | None = None,
    genotypes: Mapping[str, Any] | None = None,
    num_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compares evaluators with the truth and selects an architecture.

    Args:
      scores: By evaluator and architecture key; None and NaN are failures,
        which rank last. Every evaluator needs all keys of the truth; more of
        them count for the selection alone. The first one that is not the
        truth selects, and the others are compared with it.
      truth: The evaluator whose scores are the true accuracies.
      costs: By evaluator, what is passed on to its row: `budget`,
        `seconds_per_architecture`, `setup_seconds`.
      genotypes: By architecture key, what is passed on for the selected one.
      num_resamples: R, of the bootstrap.
      seed: Of the bootstrap.

    Returns:
      `num_architectures` (that have a truth), `truth`, `evaluators` (with
      `num_scored`, truth or not), `differences`, `selected`; JSON values. A
      coefficient of fewer than 3 architectures, or of constant scores, is
      None, as is its interval.

    Raises:
      InputError: An evaluator or a score is missing.
    """
    names = [name for name in scores if name != truth]
    _check(scores, truth, names)
    first, *others = names
    costs = costs or {}
    keys = sorted(scores[truth])
    y = _array(scores[truth], keys)
    points, resampled = {}, {}
    for name in names:
        x = _array(scores[name], keys)
        points[name] = coefficients(x, y)
        if len(keys) >= 3:
            resampled[name] = _resample(x, y, num_resamples, seed)
    evaluators = {
        name: {
            **_with_intervals(points[name], resampled.get(name, {})),
            "num_scored": len(scores[name]),
            "num_failed": _num_failed(scores[name], keys),
            **costs.get(name, {}),
        }
        for name in names
    }
    return {
        "num_architectures": len(keys),
        "truth": {
            "evaluator": truth,
            "best": _best(scores[truth], keys),
            "num_failed": _num_failed(scores[truth], keys),
            **costs.get(truth, {}),
        },
        "evaluators": evaluators,
        "differences": {
            f"{first} - {other}": _difference(
                [points[first], points[other]],
                [resampled.get(first, {}), resampled.get(other, {})],
            )
            for other in others
        },
        "selected": _selected(first, scores, truth, genotypes or {}),
    }


def _check(scores: Mapping[str, Scores], truth: str, names: list[str]) -> None:
    if truth not in scores or not names:
        raise InputError(
            f"the truth {truth!r} and scores of "
            f"{', '.join(scores) or 'no evaluators'}; expected scores of the "
            "truth and of another evaluator; set search.truth or "
            "search.evaluators"
        )
    for name in names:
        missing = scores[truth].keys() - scores[name].keys()
        if missing:
            raise InputError(
                f"{name!r} has no score of {len(missing)} architectures (such "
                f"as {min(missing)!r}); expected all that the truth "
                f"{truth!r} has; finish the search"
            )


def coefficients(
    scores: np.ndarray, truth: np.ndarray
) -> dict[str, float | None]:
    """Computes the rank correlations of one evaluator, and its picks' worth.

    Args:
      scores: [n], of `correlation.with_failures_last`.
      truth: [n], likewise.

    Returns:
      `spearman`, `kendall` (tau-b), and Spearman's in the subsets named by
      `_top_half`, `_top_tenth` (by score) and `..._by_truth`; and
      `picks.pick_statistics`.
    """
    found = {
        "spearman": correlation.spearman(scores, truth),
        "kendall": correlation.kendall(scores, truth),
    }
    for name, (share, by_truth) in _SUBSETS.items():
        best = correlation.top(truth if by_truth else scores, share)
        found[name] = correlation.spearman(scores[best], truth[best])
    once = np.ones((len(scores), 1))
    for name, (value,) in pick_statistics(scores, truth, once).items():
        found[name] = None if np.isnan(value) else float(value)
    return found


def _resample(
    x: np.ndarray, y: np.ndarray, num_resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns the coefficients in each resample, by name, [R]."""
    found: dict[str, list[np.ndarray]] = {}
    for weights in correlation.resamples(len(x), num_resamples, seed):
        chunk = {
            "spearman": correlation.weighted_spearman(x, y, weights),
            "kendall": correlation.weighted_kendall(x, y, weights),
        }
        for name, (share, by_truth) in _SUBSETS.items():
            chunk[name] = correlation.weighted_spearman(
                x, y, weights, share, selected_by=y if by_truth else x
            )
        chunk |= pick_statistics(x, y, weights)
        for name, values in chunk.items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


def _with_intervals(
    points: dict[str, float | None], resampled: dict[str, np.ndarray]
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, point in points.items():
        row[name] = point
        known = point is not None and name in resampled
        row[f"{name}_ci95"] = (
            correlation.interval95(resampled[name]) if known else None
        )
    return row


def _difference(
    points: list[dict[str, float | None]], resampled: list[dict]
) -> dict[str, Any]:
    """Returns the paired differences of two evaluators' coefficients."""
    differences, values = {}, {}
    for name in _COMPARED:
        first, second = (point[name] for point in points)
        known = first is not None and second is not None
        differences[name] = first - second if known else None
        if known:
            values[name] = resampled[0][name] - resampled[1][name]
    row = _with_intervals(differences, values)
    row["ci95"] = row.pop("spearman_ci95")
    return row


def _selected(
    evaluator: str,
    scores: Mapping[str, Scores],
    truth: str,
    genotypes: Mapping[str, Any],
) -> dict[str, Any] | None:
    found = best_keys(scores[evaluator], 1)
    if not found or _best(scores[evaluator], found) is None:
        return None
    key = found[0]
    return {
        "key": key,
        "genotype": genotypes.get(key),
        "evaluator": evaluator,
        "score": scores[evaluator][key],
        "truth": scores[truth].get(key),
    }


def _array(scores: Scores, keys: list[str]) -> np.ndarray:
    return correlation.with_failures_last(scores[key] for key in keys)


def _best(scores: Scores, keys: Mapping | list[str]) -> float | None:
    values = correlation.with_failures_last(scores[key] for key in keys)
    best = float(values.max(initial=-np.inf))
    return best if np.isfinite(best) else None


def _num_failed(scores: Scores, keys: Mapping | list[str]) -> int:
    values = correlation.with_failures_last(scores[key] for key in keys)
    return int(np.isinf(values).sum())
