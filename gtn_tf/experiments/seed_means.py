"""Means over GTN seeds, as text and as marks in a figure."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from gtn_tf.figures.style import plainly

#: Points between two rows of means, one below the other.
ROW_HEIGHT = 24.0


def seeds_note(arms: Iterable[dict], of: str = "GTN") -> str:
    """Says how many seeds the means are over, and what their bars are.

    Args:
      arms: rows with `num_seeds` and `ci95`.
      of: what has a seed.
    """
    rows = list(arms)
    numbers = [row["num_seeds"] for row in rows]
    fewest, most = min(numbers), max(numbers)
    shown = f"{most}" if fewest == most else f"{fewest} to {most}"
    text = f"{shown} {of} seed{'s' * (most > 1)}"
    if any(row.get("ci95") for row in rows):
        over = "them" if most > 1 else "fresh learners"
        text += f"; bars: 95 % intervals over {over}"
    return f"{text}."


def mean_text(row: dict) -> str:
    """Writes `mean`, '-' where there is none."""
    return "-" if row["mean"] is None else f"{row['mean']:.4f}"


def spread_text(row: dict, key: str = "mean") -> str:
    """Writes the mean and +- half its 95 % interval, '-' where there is none.

    Args:
      row: with `ci95`.
      key: of the mean.
    """
    if row[key] is None:
        return "-"
    half = ""
    if row["ci95"] is not None:
        half = f" +-{half_widths([row])[0]:.4f}"
    return f"{row[key]:.4f}{half}"


def seeds_text(row: dict, num_failed: int) -> str:
    """Writes how many seeds there are, and how many more diverged."""
    failed = f" ({num_failed} diverged)" * (num_failed > 0)
    return f"{row['num_seeds']} GTN seed{'s' * (row['num_seeds'] > 1)}{failed}"


def left_out(arms: dict[str, dict]) -> list[str]:
    """Returns one line or none: the arms whose means lack diverged seeds."""
    found = [
        f"{name} {row['num_failed']}"
        for name, row in arms.items()
        if row["num_failed"]
    ]
    return [f"diverged, left out of the means: {', '.join(found)}"] * any(found)


def half_widths(rows: list[dict]) -> list[float]:
    """Returns half of each row's `ci95`; 0 where it has none."""
    intervals = [row.get("ci95") for row in rows]
    return [0.0 if i is None else (i[1] - i[0]) / 2 for i in intervals]


def _around_mean(row: dict) -> list[list[float]]:
    """Returns how far `ci95` reaches below and above the mean; [2, 1]."""
    mean = row["mean"]
    low, high = row.get("ci95") or (mean, mean)
    # An interval of resamples may leave the mean out.
    return [[max(0.0, mean - low)], [max(0.0, high - mean)]]


def draw_mean(axes: Axes, place: int, row: dict, line: tuple) -> None:
    """Draws a mean as a dot with its interval, at one height.

    Args:
      axes: with the means on the horizontal axis.
      place: the height.
      row: with `mean`; nothing is drawn where it is None.
      line: of `style.LINES`.
    """
    if row["mean"] is None:
        return
    axes.errorbar(
        row["mean"],
        place,
        xerr=_around_mean(row),
        color=line[0],
        marker=line[2],
        capsize=3,
    )


def log_steps(axes: Axes, steps: list[int]) -> None:
    """Makes the horizontal axis logarithmic, with a tick at each of these."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(plainly)
