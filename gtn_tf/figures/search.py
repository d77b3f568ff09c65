"""Figures of an architecture search: scores and costs against the truth.

No TensorFlow here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from gtn_tf.figures.style import (
    INK,
    LINES,
    POINTS_PER_INCH,
    in_theme,
    new_figure,
    save_figure,
)
from gtn_tf.statistics import correlation
from gtn_tf.statistics.intervals import shown

_SCORED, _FAILED = LINES[0][0], LINES[1][0]
# With the five colours of `LINES` the pairs repeat after 35 evaluators.
_MARKERS = "o^sDvPX"
_MOST_COLUMNS = 4
_LONGEST_NAME = 24
_NEARLY_EQUAL = 1.15
_SHIFT = 4.0  # points
_SHORT_AXIS = 300.0  # from end to end: up to about eight labels
_PANEL_WIDTH, _PANEL_HEIGHT = 205.0, 195.0  # points
_SMALL = {
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}

Scores = Mapping[str, Mapping[str, float | None]]


@in_theme
@matplotlib.rc_context(_SMALL)
def scatter(scores: Scores, ranking: Mapping[str, Any]) -> Figure:
    """Draws score against truth, one panel per evaluator.

    The shaded part holds the half that the evaluator scores best. Failures
    of the evaluator are crosses at the left edge; those of the truth are left
    out. Scores far from the rest are drawn at the edge, as diamonds.

    Args:
      scores: By evaluator and architecture, those of the truth too. A truth
        of shares of 1 is drawn in percent.
      ranking: Of these scores, from `gtn_tf.statistics.ranking.ranking`.
    """
    names = list(ranking["evaluators"])
    truth = ranking["truth"]["evaluator"]
    columns = min(_MOST_COLUMNS, max(1, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    figure = new_figure(
        max(330.0, _PANEL_WIDTH * columns), _PANEL_HEIGHT * rows + 30
    )
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    keys = sorted(scores[truth])
    y = correlation.with_failures_last(scores[truth][key] for key in keys)
    are_shares = is_share(y[np.isfinite(y)])
    for index, axes in enumerate(panels.flat):
        if index >= len(names):
            axes.set_visible(False)
            continue
        name = names[index]
        x = correlation.with_failures_last(scores[name][key] for key in keys)
        _scatter(axes, x, y)
        row = ranking["evaluators"][name]
        axes.set_title(f"{short(name)}\n{_spearman(row)}")
        axes.set_xlabel(f"score of {short(name)}")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if axes.get_subplotspec().is_first_col():
            unit = ": accuracy [%]" if are_shares else ""
            axes.set_ylabel(f"{short(truth)}{unit}")
            if are_shares:
                axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.6g}")
    figure.legend(
        handles=[
            Patch(color=_SCORED, alpha=0.1, label="the better half by score"),
            _marker("x", "failed"),
            _marker("d", "score beyond the axis"),
        ],
        loc="outside lower center",
        ncols=3,
    )
    return figure


def short(name: str) -> str:
    """Returns an evaluator's name as it fits a figure."""
    kind, colon, path = name.partition(":")
    if kind == "table":
        path, suffix, column = path.rpartition(".csv:")
        name = f"{kind}{colon}{Path(path or column).stem}"
        name += f":{column}" if suffix else ""
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 1]}\u2026"
    return name.replace("$", r"\$")  # between two of them it would be TeX


def is_share(values: np.ndarray) -> bool:
    """Whether scores of a truth are accuracies, shares of 1."""
    return bool(np.all((values >= 0) & (values <= 1)))


@in_theme
def save_scatter(
    path: Path, scores: Scores, ranking: Mapping[str, Any], title: str
) -> None:
    """Writes `scatter` under a title, as PNG; atomic."""
    figure = scatter(scores, ranking)
    figure.suptitle(title, fontsize=11)
    save_figure(path, figure)


def _marker(marker: str, label: str) -> Line2D:
    return Line2D(
        [], [], color=_FAILED, marker=marker, ls="none", ms=5, label=label
    )


def _spearman(row: Mapping[str, Any]) -> str:
    if row["spearman"] is None:
        return "Spearman undefined"
    text = f"Spearman {row['spearman']:.2f} {shown(row['spearman_ci95'], 2)}"
    return text.replace("-", "\u2212")


def _scatter(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    known = np.isfinite(y)
    scored = known & np.isfinite(x)
    low, high = _limits(x[scored]) if scored.any() else (0.0, 1.0)
    drawn = np.clip(x, low, high)
    inside = scored & (drawn == x)
    outside = scored & ~inside
    size = float(np.clip(4000 / len(x), 4, 16))
    # Few are clearer opaque, many where they can shine through.
    alpha = float(np.clip(100 / len(x), 0.7, 1))
    axes.scatter(
        x[inside],
        y[inside],
        size,
        color=_SCORED,
        alpha=alpha,
        linewidths=0,
    )
    axes.scatter(drawn[outside], y[outside], 16, _FAILED, marker="d")
    failed = known & ~scored
    axes.scatter(np.full(failed.sum(), low), y[failed], 20, _FAILED, marker="x")
    threshold = x[correlation.top(x, 0.5)].min()
    margin = 0.04 * (high - low) or 0.5
    axes.set_xlim(low - margin, high + margin)
    if np.isfinite(threshold):
        axes.axvspan(
            min(max(threshold, low - margin), high),
            high + margin,
            color=_SCORED,
            alpha=0.08,
            linewidth=0,
        )


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Returns the range to draw: all, but for what lies far from the rest."""
    low, high = np.quantile(values, [0.05, 0.95], method="nearest")
    reach = 1.5 * (high - low)
    return (
        float(values[values >= low - reach].min()),
        float(values[values <= high + reach].max()),
    )


@in_theme
def cost_curve(ranking: Mapping[str, Any]) -> Figure:
    """Draws Spearman's correlation against seconds.

    The seconds are those per architecture, on a logarithmic axis; a thin line
    leads to those with an equal share of the evaluator's setup. Evaluators
    whose seconds are unknown or 0, or whose correlation is undefined, are left
    out. Bars are 95 % intervals; those of nearly equal seconds stand side by
    side.

    Args:
      ranking: From `gtn_tf.statistics.ranking.ranking`.
    """
    figure = new_figure(400, 300)
    axes = figure.subplots()
    rows = {
        name: row
        for name, row in ranking["evaluators"].items()
        if row.get("seconds_per_architecture") and row["spearman"] is not None
    }
    shifts = _shifts([r["seconds_per_architecture"] for r in rows.values()])
    for index, (name, row) in enumerate(rows.items()):
        point, seconds = row["spearman"], row["seconds_per_architecture"]
        low, high = row["spearman_ci95"] or (point, point)
        color = LINES[index % len(LINES)][0]
        share = (row.get("setup_seconds") or 0.0) / ranking["num_architectures"]
        (line,) = axes.plot(
            [seconds, seconds + share],
            [point, point],
            color=color,
            linewidth=1,
            marker="|",
            markevery=[1],
        )
        bar = axes.errorbar(
            seconds,
            point,
            [[max(0.0, point - low)], [max(0.0, high - point)]],
            color=color,
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle="none",
            markersize=6,
            capsize=3,
            label=short(name),
        )
        shift = ScaledTranslation(
            shifts[index] / POINTS_PER_INCH, 0, figure.dpi_scale_trans
        )
        # Later than drawn, else the limits of the axes leave them out.
        for artist in (line, *bar.get_children()):
            artist.set_transform(artist.get_transform() + shift)
    axes.set_xscale("log")
    seconds = ranking["truth"].get("seconds_per_architecture")
    if seconds:
        axes.axvline(seconds, color=INK, linewidth=1, linestyle=":")
        axes.annotate(
            f"truth ({short(ranking['truth']['evaluator'])})",
            (seconds, 0.02),
            (-3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            ha="right",
            fontsize=9,
        )
    _mark_seconds(axes)
    axes.set_xlabel(
        "nearly equal times stand side by side; thin: with the share of the\n"
        "set-up; time per architecture [s]"
    )
    axes.set_ylabel("Spearman's rank correlation")
    if rows:
        figure.legend(loc="outside lower left", ncols=3, columnspacing=1.2)
    return figure


def _mark_seconds(axes: Axes) -> None:
    """Labels a logarithmic axis so sparsely that no two labels meet."""
    low, high = axes.get_xlim()
    is_short = high < _SHORT_AXIS * low
    axes.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if is_short else (1,))
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _shifts(seconds: list[float]) -> list[float]:
    """Returns points that keep bars of nearly equal seconds apart."""
    found, near = [0.0] * len(seconds), []
    for index in sorted(range(len(seconds)), key=seconds.__getitem__):
        if near and seconds[index] > _NEARLY_EQUAL * seconds[near[-1]]:
            near = []
        near.append(index)
        for place, other in enumerate(near):
            found[other] = _SHIFT * (place - (len(near) - 1) / 2)
    return found


@in_theme
def save_cost_curve(path: Path, ranking: Mapping[str, Any], title: str) -> None:
    """Writes `cost_curve` under a title, as PNG; atomic."""
    figure = cost_curve(ranking)
    figure.suptitle(title, fontsize=11)
    save_figure(path, figure)
