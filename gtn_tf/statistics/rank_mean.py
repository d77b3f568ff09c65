"""The mean of the ranks that several evaluators give."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from gtn_tf.statistics.correlation import with_failures_last

Scores = Mapping[str, float | None]


def rank_mean(parts: Sequence[Scores]) -> dict[str, float | None]:
    """Returns the mean rank of each architecture, 1 for the best by all.

    Args:
      parts: scores by the key of the architecture, of one evaluator each;
        None and what is not finite are failures.

    Returns:
      By the keys that all parts have: the mean over the parts of its rank,
      ties with their mean, divided by the number of architectures that have
      not failed in any part; None for those that have.
    """
    keys = [key for key in parts[0] if all(key in part for part in parts)]
    values = np.array(
        [with_failures_last(part[key] for key in keys) for part in parts]
    )
    is_fine = np.isfinite(values).all(0)
    ranks = stats.rankdata(values[:, is_fine], axis=1)
    found = np.full(len(keys), np.nan)
    found[is_fine] = ranks.mean(0) / max(1, is_fine.sum())
    return {
        key: float(value) if np.isfinite(value) else None
        for key, value in zip(keys, found, strict=True)
    }
