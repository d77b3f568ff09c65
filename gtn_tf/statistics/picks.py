"""What the best architectures of an evaluator are worth, and in resamples.

Where scores tie, the key decides: arrays are in the order of the keys.

Shapes: n architectures, R resamples.
"""

from collections.abc import Mapping

import numpy as np

from gtn_tf.statistics.correlation import with_failures_last

_PRECISION_AT = 10
_BEST_OF_TOP = 5


def best_keys(scores: Mapping[str, float | None], k: int) -> list[str]:
    """Returns the keys of the k best; ties go by key, failures are last."""
    values = dict(zip(scores, with_failures_last(scores.values()), strict=True))
    return sorted(scores, key=lambda key: (-values[key], key))[:k]


def pick_statistics(
    scores: np.ndarray, truth: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Computes what the evaluator's best are worth.

    Args:
      scores: [n], of `correlation.with_failures_last`.
      truth: [n], likewise.
      weights: [n, R], how often a resample holds each architecture.

    Returns:
      By name, [R], NaN where undefined, as all are of constant scores:
      `precision_at_10`: which share of the true best 10 is among the
        evaluator's best 10; chance gives 10 / n.
      `best_of_top_5`: the best true accuracy among the evaluator's best 5.
      `regret`: what the evaluator's first falls short of the best of all.

    A pick that fails in the truth counts as the worst that did not, of all n:
    it ranks last, and resamples with it are not left out.
    """
    undefined = np.full(weights.shape[1], np.nan)
    if len(scores) == 0 or np.all(scores == scores[0]):
        return dict.fromkeys(
            ("precision_at_10", "best_of_top_5", "regret"), undefined
        )
    chosen = _best(scores, weights, _PRECISION_AT)
    true = _best(truth, weights, _PRECISION_AT)
    precision = np.minimum(chosen, true).sum(0) / _PRECISION_AT
    is_known = np.isfinite(truth)
    known = weights[is_known].sum(0)
    worst = truth[is_known].min(initial=np.inf)
    worth = np.where(is_known, truth, worst)
    top = _best_of(worth, _best(scores, weights, _BEST_OF_TOP))
    first = _best_of(worth, _best(scores, weights, 1))
    return {
        "precision_at_10": np.where(known < _PRECISION_AT, np.nan, precision),
        "best_of_top_5": np.where(weights.sum(0) < _BEST_OF_TOP, np.nan, top),
        "regret": _best_of(truth, weights) - first,
    }


def _best(values: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """Returns [n, R]: how often each is among the k best of a resample."""
    order = np.argsort(-values, kind="stable")
    held = weights[order]
    better = np.cumsum(held, 0) - held
    taken = np.empty_like(held)
    taken[order] = np.clip(k - better, 0, held)
    return taken


def _best_of(truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns [R], the best truth of those held; NaN where all have failed."""
    best = np.where(weights > 0, truth[:, np.newaxis], -np.inf).max(0)
    return np.where(np.isfinite(best), best, np.nan)
