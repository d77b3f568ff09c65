"""Figures of accuracy over steps, images and learners; no TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gtn_tf.figures.style import (
    INK,
    LINES,
    SOURCES,
    in_theme,
    name_accuracy,
    new_figure,
    plainly,
)
from gtn_tf.statistics.intervals import shown

OVER_SEEDS = "bars: 95 % over GTN seeds"
_MOST_SHOWN = 2  # times the most steps that were tried
_LEARNED, _REAL = SOURCES["gtn"], SOURCES["real_tuned"]


@in_theme
def few_step(result: dict) -> Figure:
    """Draws test accuracy over inner steps, the GTN's and real data's."""
    figure = new_figure(480, 300)
    axes = figure.subplots()
    own = result["accuracy_per_step"]
    _band(axes, range(1, len(own) + 1), own, result["ci95_per_step"])
    axes.plot(
        range(1, len(own) + 1),
        own,
        color=_LEARNED.colour,
        marker=_LEARNED.marker,
        label=f"{SOURCES[result['source']].label}, after each of its steps",
    )
    real = result["real"]
    steps = [row["num_steps"] for row in real]
    axes.errorbar(
        steps,
        [row["accuracy"] for row in real],
        yerr=half_widths(real),
        color=_REAL.colour,
        linestyle=_REAL.dashes,
        marker=_REAL.marker,
        capsize=3,
        label="real, rates tuned for just so many steps",
    )
    axes.axhline(result["accuracy"], color=INK, linewidth=0.8, linestyle=":")
    needed = result["real_steps_needed"]
    if needed is not None:
        axes.axvline(needed, color=INK, linewidth=0.8, linestyle=":")
        low, high = result["real_steps_needed_ci95"]
        # Few seeds may leave open what no axis could show.
        right = _MOST_SHOWN * max(steps)
        right = right if high is None else min(high, right)
        axes.axvspan(max(1, low), right, color=INK, alpha=0.08, linewidth=0)
        at_most = "at most " * result["is_at_most"]
        axes.annotate(
            f"{at_most}{result['speed_up']:.1f} x the steps\n"
            f"{shown(result['speed_up_ci95'], 1)}",
            (needed, axes.get_ylim()[0]),
            xytext=(-6, 8),
            textcoords="offset points",
            ha="right",
        )
    _log_steps(axes, [1, *steps])
    name_accuracy(axes, "test accuracy [%]")
    axes.set_xlabel("inner steps (log scale)")
    figure.legend(loc="outside upper left", ncols=1)
    return figure


@in_theme
def more_data(result: dict) -> Figure:
    """Draws accuracy over steps, over batch size and over ensemble size."""
    figure = new_figure(820, 300)
    panels = figure.subplots(1, 3, sharey=True)
    cases = (
        ("inner steps", "num_steps", "batch_size"),
        ("images per step", "batch_size", "num_steps"),
    )
    for axes, (label, key, fixed) in zip(panels[:2], cases, strict=True):
        rows = [r for r in result["sizes"] if r[fixed] == result[fixed]]
        _panel(axes, rows, key, label)
    of_ensembles = [
        {"source": name, **row}
        for name, rows in result["ensembles"].items()
        for row in rows
    ]
    label = "learners in the ensemble"
    _panel(panels[2], of_ensembles, "num_learners", label)
    name_accuracy(panels[0], "test accuracy [%]")
    handles = {}
    for panel in panels:
        series, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, series, strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper left", ncols=4
    )
    if result["sizes"][0]["num_seeds"] > 1:
        figure.supxlabel(OVER_SEEDS, fontsize=9)
    return figure


def _panel(axes: Axes, rows: list[dict], key: str, label: str) -> None:
    for name, line in _by_source(rows):
        of_source = [row for row in rows if row["source"] == name]
        _series(axes, of_source, key, name, line)
    _log_steps(axes, sorted({row[key] for row in rows}))
    axes.set_xlabel(f"{label} (log scale)")


def _by_source(rows: list[dict]) -> Iterable[tuple[str, tuple]]:
    names = dict.fromkeys(row["source"] for row in rows)
    known = ("repeat", "real_tuned", "sample", "all_sampled", "endless")
    lines = dict(zip(known, LINES, strict=False))
    return [(name, lines[name]) for name in names]


def _series(
    axes: Axes, rows: list[dict], key: str, label: str, line: tuple
) -> None:
    colour, dashes, marker = line
    axes.errorbar(
        [row[key] for row in rows],
        [row["accuracy"] for row in rows],
        yerr=half_widths(rows),
        color=colour,
        linestyle=dashes,
        marker=marker,
        capsize=3,
        label=_REAL.label if label == "real_tuned" else label,
    )


def half_widths(rows: list[dict]) -> list[float]:
    """Returns half of each row's `ci95`; 0 where it has none."""
    intervals = [row.get("ci95") for row in rows]
    return [0.0 if i is None else (i[1] - i[0]) / 2 for i in intervals]


def _band(
    axes: Axes, steps: Iterable[int], means: list[float], ci95: list
) -> None:
    known = [
        interval or (mean, mean)
        for mean, interval in zip(means, ci95, strict=True)
    ]
    low, high = np.transpose(known)
    axes.fill_between(
        list(steps), low, high, color=_LEARNED.colour, alpha=0.18, linewidth=0
    )


def _log_steps(axes: Axes, steps: list[int]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(plainly)
