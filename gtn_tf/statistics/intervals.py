"""Mean, spread and 95 % interval of a few measured values.

Student's t: the values are independent draws (fresh learners of one GTN, or
GTN seeds; the caller names the unit).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


def shown(
    ci95: Sequence[float | None] | None,
    num_digits: int = 4,
    is_signed: bool = False,
) -> str:
    """Returns an interval as text, such as '[0.1234, 0.2345]'.

    Args:
      ci95: (low, high); None, there or for a bound, is written '-'.
      num_digits: after the point.
      is_signed: whether positive bounds have a plus.
    """
    if ci95 is None:
        return "-"
    sign = "+" if is_signed else ""
    low, high = (
        "-" if bound is None else f"{bound:{sign}.{num_digits}f}"
        for bound in ci95
    )
    return f"[{low}, {high}]"


class Interval(NamedTuple):
    """A mean and how far it can be trusted.

    Attributes:
      mean: of the values.
      std: their sample standard deviation; None for one value.
      ci95: (low, high); None for one value.
    """

    mean: float
    std: float | None
    ci95: tuple[float, float] | None


def mean_interval(values: Sequence[float]) -> Interval:
    """Returns mean, sample standard deviation and t interval of values [n]."""
    values = np.asarray(values, np.float64)
    mean, num_values = float(values.mean()), len(values)
    if num_values < 2:
        return Interval(mean, None, None)
    std = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, num_values - 1)) * std
    half /= math.sqrt(num_values)
    return Interval(mean, std, (mean - half, mean + half))
