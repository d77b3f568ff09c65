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
from matplotlib.ticker import MaxNLocator

from gtn_tf.figures.style import (
    BLUE,
    GREEN,
    INK,
    PURPLE,
    VERMILION,
    WIDTH,
    add_note,
    in_theme,
    new_figure,
    save_figure,
)
from gtn_tf.runtime.progress import duration
from gtn_tf.statistics import correlation
from gtn_tf.statistics.intervals import shown

_SCORED, _FAILED = BLUE, VERMILION
#: What an evaluator trains on -> (colour, marker); of none, the last.
_KINDS = {
    "gtn": (BLUE, "o"),
    "real": (VERMILION, "^"),
    "real_subset": (GREEN, "s"),
    "distillation": (PURPLE, "D"),
}
_OTHERS = (INK, "v")
_COLUMNS = 2
_LONGEST_NAME = 24
_ROW_HEIGHT = 24.0  # points
_PANEL_WIDTH, _PANEL_HEIGHT = 200.0, 165.0  # points
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
    rows = max(1, math.ceil(len(names) / _COLUMNS))
    figure = new_figure(_PANEL_WIDTH * _COLUMNS, _PANEL_HEIGHT * rows + 50)
    panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        _draw_panel(axes, scores, ranking, name)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    for axes in panels[:, 1:].flat:
        axes.set_ylabel("")
    add_note(figure, scatter_note(ranking))
    return figure


@in_theme
@matplotlib.rc_context(_SMALL)
def scatter_panel(
    scores: Scores, ranking: Mapping[str, Any], name: str
) -> Figure:
    """Draws the panel of one evaluator; arguments as of `scatter`."""
    figure = new_figure(_PANEL_WIDTH, _PANEL_HEIGHT)
    _draw_panel(figure.subplots(), scores, ranking, name)
    return figure


def scatter_note(ranking: Mapping[str, Any]) -> str:
    """Says what the panels share."""
    return (
        f"Across: the evaluator's score; up: the truth. "
        f"{ranking['num_architectures']} architectures. Brackets: 95 % "
        "interval over them. Shaded: the half that it scores best. Crosses: "
        "it failed; diamonds: scores beyond the axis."
    )


def _draw_panel(
    axes: Axes, scores: Scores, ranking: Mapping[str, Any], name: str
) -> None:
    truth = ranking["truth"]["evaluator"]
    keys = sorted(scores[truth])
    x, y = (
        correlation.with_failures_last(scores[n][key] for key in keys)
        for n in (name, truth)
    )
    _scatter(axes, x, y)
    row = ranking["evaluators"][name]
    axes.set_title(f"{short(name)}\n{_spearman(row)}")
    budget = row.get("budget")  # a list of them, of a mean of ranks
    if isinstance(budget, dict) and "readout" in budget:  # no accuracy
        axes.set_xlabel(budget["readout"].replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.ticklabel_format(axis="x", scilimits=(-3, 5))
    are_shares = is_share(y[np.isfinite(y)])
    unit = ": accuracy [%]" if are_shares else ""
    axes.set_ylabel(f"{short(truth)}{unit}")
    if are_shares:
        axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.6g}")


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
    """Draws Spearman's correlation of each evaluator, the cheapest at the top.

    Beside it stand its seconds per architecture, with an equal share of its
    set-up. Those that rank better than all above them, which cost less, are
    filled. Evaluators whose correlation is undefined are left out.

    Args:
      ranking: From `gtn_tf.statistics.ranking.ranking`.
    """
    found = [
        (_cost(row, ranking), name, row)
        for name, row in ranking["evaluators"].items()
        if row["spearman"] is not None
    ]
    found.sort(key=lambda entry: (entry[0] or 0.0, -entry[2]["spearman"]))
    figure = new_figure(WIDTH, _ROW_HEIGHT * max(2, len(found)) + 110)
    axes = figure.subplots()
    best = -math.inf
    for place, (_, name, row) in enumerate(found):
        point = row["spearman"]
        low, high = row["spearman_ci95"] or (point, point)
        colour, marker = _KINDS.get(name.partition(":")[0], _OTHERS)
        axes.errorbar(
            point,
            place,
            xerr=[[max(0.0, point - low)], [max(0.0, high - point)]],
            color=colour,
            marker=marker,
            markersize=7,
            markerfacecolor=colour if point > best else "none",
            capsize=3,
            label=short(name),
        )
        best = max(best, point)
    places = range(len(found))
    axes.set_yticks(places, [short(name) for _, name, _ in found])
    axes.set_ylim(max(1, len(found)) - 0.5, -0.5)
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(places, [duration(cost) for cost, _, _ in found])
    beside.spines[:].set_visible(False)
    beside.tick_params(length=0)
    beside.set_ylabel("time per architecture")
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xlabel("Spearman's rank correlation with the truth")
    add_note(figure, _cost_note(ranking))
    return figure


def _cost(row: Mapping[str, Any], ranking: Mapping[str, Any]) -> float | None:
    """Returns seconds per architecture with a share of the set-up's."""
    seconds = row.get("seconds_per_architecture")
    if seconds is None:
        return None
    setup = row.get("setup_seconds") or 0.0
    return seconds + setup / max(1, ranking["num_architectures"])


def _cost_note(ranking: Mapping[str, Any]) -> str:
    truth, number = ranking["truth"], ranking["num_architectures"]
    seconds = truth.get("seconds_per_architecture")
    takes = f", {duration(seconds)} each" if seconds else ""
    return (
        f"{number} architectures; bars: 95 % intervals over them. Times have "
        f"1/{number} of the set-up in them. Filled: ranks better than all "
        f"that cost less. Truth: {short(truth['evaluator'])}{takes}."
    )


@in_theme
def save_cost_curve(path: Path, ranking: Mapping[str, Any], title: str) -> None:
    """Writes `cost_curve` under a title, as PNG; atomic."""
    figure = cost_curve(ranking)
    figure.suptitle(title, fontsize=11)
    save_figure(path, figure)
