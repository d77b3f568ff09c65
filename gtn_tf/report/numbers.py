"""Numbers as a report writes them: percent, points, intervals, verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from gtn_tf.statistics.intervals import shown

#: What stands where something was not run or is not known.
ABSENT = "-"


def percent(share: float | None) -> str:
    """Returns 0.8731 as '87.31 %'."""
    return ABSENT if share is None else f"{100 * share:.2f} %"


def points(difference: float) -> str:
    """Returns a difference of shares, 0.012, as '+1.20' percentage points."""
    return with_minus(f"{100 * difference:+.2f}")


def coefficient(value: float | None, is_signed: bool = False) -> str:
    """Returns a rank correlation, or a difference of two, as '0.56'."""
    if value is None:
        return ABSENT
    # Adding 0 makes one zero of both.
    return with_minus(f"{round(value, 2) + 0.0:{'+' * is_signed}.2f}")


def interval(
    ci95: Sequence[float | None] | None,
    is_signed: bool = False,
    scale: float = 100,
) -> str:
    """Returns a 95 % interval in the digits of what it belongs to.

    Args:
      ci95: (low, high), or None as a whole or for both.
      is_signed: whether it is of a difference.
      scale: 100 for shares, to be read in percent or percentage points; 1 for
        coefficients.
    """
    if ci95 is None or None in ci95:
        return ABSENT
    return with_minus(shown([scale * v for v in ci95], 2, is_signed))


def with_minus(text: str) -> str:
    """Returns text with real minus signs, as wide as the plus."""
    return text.replace("-", "\u2212")


def verdict(ci95: Sequence[float | None] | None) -> str:
    """Says what the 95 % interval of a paired difference shows."""
    low, high = ci95 or (None, None)
    if low is not None and low > 0:
        return "better"
    if high is not None and high < 0:
        return "worse"
    return "no difference shown"


def count(value: float | None) -> str:
    """Returns 60000 as '60,000'."""
    return ABSENT if value is None else f"{value:,.0f}"
