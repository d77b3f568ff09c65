"""Figures of an architecture search: scores and costs against the truth.

No TensorFlow here, and matplotlib through its objects only: `pyplot` keeps
global state and picks a backend that may want a display.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gtn_tf.figures import save_figure
from gtn_tf.nas import correlation

# From the palette of Okabe and Ito, which the colour-blind can tell apart.
_BLUE, _ORANGE, _GREEN, _VERMILION, _PURPLE, _SKY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
)
_COLOURS = (_BLUE, _VERMILION, _GREEN, _PURPLE, _ORANGE, _SKY)
_MARKERS = "osD^vPX"
_INK = "#1b1c1d"
_MOST_COLUMNS = 4
_DPI = 150


def save_scatter(
    path: Path,
    scores: Mapping[str, Mapping[str, float | None]],
    ranking: dict[str, Any],
    title: str,
    truth_unit: str = "accuracy [%]",
) -> None:
    """Writes score against truth, one panel per evaluator, as PNG; atomic.

    The shaded part holds the half that the evaluator scores best. Failures
    of the evaluator are crosses at the left edge; those of the truth are left
    out. Scores far from the rest are drawn at the edge, as diamonds.

    Args:
      path: The PNG file.
      scores: By evaluator and architecture, those of the truth too.
      ranking: Of these scores, from `gtn_tf.nas.ranking.ranking`.
      title: Drawn above the panels.
      truth_unit: Of the truth's scores; 'accuracy [%]' draws shares of 1 as
        percent.
    """
    names = list(ranking["evaluators"])
    truth = ranking["truth"]["evaluator"]
    columns = min(_MOST_COLUMNS, max(1, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    figure = Figure(
        figsize=(max(4.6, 2.9 * columns), 2.75 * rows + 0.6),
        dpi=_DPI,
        layout="constrained",
    )
    figure.suptitle(title, fontsize=11)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    keys = sorted(scores[truth])
    y = correlation.with_failures_last(scores[truth][key] for key in keys)
    for index, axes in enumerate(panels.flat):
        if index >= len(names):
            axes.set_visible(False)
            continue
        name = names[index]
        x = correlation.with_failures_last(scores[name][key] for key in keys)
        _scatter(axes, x, y)
        row = ranking["evaluators"][name]
        axes.set_title(f"{name}\n{_spearman(row)}", fontsize=9)
        axes.set_xlabel(f"score of {name}", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(f"{truth}: {truth_unit}", fontsize=9)
            if truth_unit.endswith("[%]"):
                axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    figure.legend(
        handles=[
            Patch(color=_BLUE, alpha=0.1, label="the better half by score"),
            _marker("x", "failed"),
            _marker("d", "score beyond the axis"),
        ],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=8,
    )
    save_figure(path, figure)


def _marker(marker: str, label: str) -> Line2D:
    return Line2D(
        [], [], color=_VERMILION, marker=marker, ls="none", ms=5, label=label
    )


def _spearman(row: Mapping[str, Any]) -> str:
    if row["spearman"] is None:
        return "Spearman undefined"
    low, high = row["spearman_ci95"]
    return f"Spearman {row['spearman']:.2f} [{low:.2f}, {high:.2f}]"


def _scatter(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    known = np.isfinite(y)
    scored = known & np.isfinite(x)
    if scored.any():
        low, high = _limits(x[scored])
        shown = np.clip(x, low, high)
        inside = scored & (shown == x)
        outside = scored & ~inside
        size = float(np.clip(4000 / len(x), 4, 16))
        axes.scatter(
            x[inside], y[inside], size, color=_BLUE, alpha=0.6, linewidths=0
        )
        axes.scatter(shown[outside], y[outside], 16, _VERMILION, marker="d")
        failed = known & ~scored
        axes.scatter(
            np.full(failed.sum(), low), y[failed], 20, _VERMILION, marker="x"
        )
        threshold = x[correlation.top(x, 0.5)].min()
        margin = 0.04 * (high - low) or 0.5
        axes.set_xlim(low - margin, high + margin)
        if np.isfinite(threshold):
            axes.axvspan(
                min(max(threshold, low - margin), high),
                high + margin,
                color=_BLUE,
                alpha=0.08,
                linewidth=0,
            )
    _dress(axes)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Returns the range to draw: all, but for what lies far from the rest."""
    low, high = np.quantile(values, [0.05, 0.95], method="nearest")
    reach = 1.5 * (high - low)
    return (
        float(values[values >= low - reach].min()),
        float(values[values <= high + reach].max()),
    )


def save_cost_curve(path: Path, ranking: dict[str, Any], title: str) -> None:
    """Writes Spearman's correlation against seconds, as PNG; atomic.

    The seconds are those per architecture, on a logarithmic axis, without the
    evaluator's setup; evaluators whose seconds are unknown or 0, or whose
    correlation is undefined, are left out. Bars are 95 % intervals.

    Args:
      path: The PNG file.
      ranking: From `gtn_tf.nas.ranking.ranking`.
      title: Drawn above.
    """
    figure = Figure(figsize=(6.4, 4.0), dpi=_DPI, layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots()
    rows = {
        name: row
        for name, row in ranking["evaluators"].items()
        if row.get("seconds_per_architecture") and row["spearman"] is not None
    }
    for index, (name, row) in enumerate(rows.items()):
        low, high = row["spearman_ci95"]
        axes.errorbar(
            row["seconds_per_architecture"],
            row["spearman"],
            [
                [max(0.0, row["spearman"] - low)],
                [max(0.0, high - row["spearman"])],
            ],
            color=_COLOURS[index % len(_COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle="none",
            markersize=6,
            capsize=3,
            label=name,
        )
    axes.set_xscale("log")
    seconds = ranking["truth"].get("seconds_per_architecture")
    if seconds:
        axes.axvline(seconds, color=_INK, linewidth=1, linestyle=":")
        axes.annotate(
            f"truth ({ranking['truth']['evaluator']})",
            (seconds, 0.02),
            (-3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            ha="right",
            fontsize=8,
            color=_INK,
        )
    axes.set_xlabel("time per architecture, without setup [s]")
    axes.set_ylabel("Spearman's rank correlation")
    _dress(axes)
    if rows:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    save_figure(path, figure)


def _dress(axes: Axes) -> None:
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
