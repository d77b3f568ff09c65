"""Figures of the experiments: result.json -> figure.png.

No TensorFlow here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    NullFormatter,
    NullLocator,
    PercentFormatter,
)

from gtn_tf.figures import (
    INK,
    LINES,
    SOURCES,
    in_theme,
    name_accuracy,
    name_steps,
    new_figure,
    save_figure,
)

_LEARNED, _REAL = SOURCES["gtn"], SOURCES["real_tuned"]


@in_theme
def few_step(result: dict) -> Figure:
    """Draws test accuracy over inner steps, the GTN's and real data's."""
    figure = new_figure(480, 300)
    axes = figure.subplots()
    source = result["evaluation"]["sources"][result["source"]]
    own = source["accuracy_per_step"]
    _band(axes, range(1, len(own) + 1), own, source["ci95_per_step"])
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
        yerr=_half_widths(real),
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
        right = max(steps) if high is None else high
        axes.axvspan(low, right, color=INK, alpha=0.08, linewidth=0)
        at_most = "at most " * (result["speed_up"] <= 1)
        axes.annotate(
            f"{at_most}{result['speed_up']:.1f} x the steps",
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
def curricula(result: dict) -> Figure:
    """Draws validation accuracy over meta-steps, and the final test one."""
    figure = new_figure(760, 320)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    names = list(result["arms"])
    for name, (colour, dashes, marker) in zip(names, LINES, strict=True):
        curves = [
            r["validation_accuracy"]
            for r in result["results"]
            if r["arm"] == name and r["status"] == "ok"
        ]
        if not curves:
            continue
        steps, values = _stack(curves)
        left.fill_between(
            steps,
            values.min(0),
            values.max(0),
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        left.plot(
            steps,
            values.mean(0),
            color=colour,
            linestyle=dashes,
            marker=marker,
            markevery=max(1, len(steps) // 8),
            label=name,
        )
    name_accuracy(left, "validation accuracy [%]")
    name_steps(left, "meta-step")
    figure.legend(loc="outside upper left", ncols=len(names))
    for place, (name, line) in enumerate(zip(names, LINES, strict=True)):
        _dot(right, place, result["arms"][name], line)
        paper = result["arms"][name]["paper"]
        if paper is not None:
            right.plot(
                paper, place, marker="|", markersize=14, color=INK, ls=""
            )
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    right.set_xlabel(
        "test accuracy [%]; bars: 95 % over GTN seeds;\n| paper, MNIST"
    )
    return figure


@in_theme
def weight_norm(result: dict) -> Figure:
    """Draws the final meta-losses of all draws, with and without.

    Draws that diverged stand above all others, and count in the boxes.
    """
    figure = new_figure(420, 320)
    axes = figure.subplots()
    arms = list(result["arms"])
    above = 2 * max(
        (r["final_meta_loss"] for r in result["results"] if _is_done(r)),
        default=result["chance_meta_loss"],
    )
    rng = np.random.default_rng(0)  # moves the dots apart
    for place, (arm, line) in enumerate(zip(arms, LINES, strict=False)):
        losses = [
            r["final_meta_loss"] if _is_done(r) else above
            for r in result["results"]
            if r["arm"] == arm
        ]
        quartiles = [
            above if q is None or math.isinf(q) else q
            for q in result["arms"][arm]["quartiles"]
        ]
        box = dict(zip(("q1", "med", "q3"), quartiles, strict=True))
        box |= {"whislo": min(losses), "whishi": max(losses)}
        axes.bxp([box], positions=[place], widths=0.5, showfliers=False)
        axes.plot(
            place + rng.uniform(-0.15, 0.15, len(losses)),
            losses,
            color=line[0],
            marker=line[2],
            linestyle="",
        )
    axes.axhline(
        result["chance_meta_loss"], color=INK, linewidth=0.8, linestyle=":"
    )
    labels = [
        f"{arm.replace('_', ' ')}\n{result['arms'][arm]['share_diverged']:.0%} "
        "diverged"
        for arm in arms
    ]
    axes.set_xticks(range(len(arms)), labels)
    if not all(map(_is_done, result["results"])):
        axes.axhline(above, color=INK, linewidth=0.8)
        axes.annotate(
            "diverged",
            (0.5, above),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(_plainly)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("final meta-loss [nats]; dotted: chance")
    return figure


def _is_done(result: dict) -> bool:
    return result["status"] == "ok"


@in_theme
def transfer(result: dict) -> Figure:
    """Draws test accuracy by learner (rows) and recipe (columns)."""
    arms = list(result["arms"])
    variants = list(result["arms"][arms[0]])
    values = np.array(
        [
            [_number(result["arms"][arm][name]["mean"]) for arm in arms]
            for name in variants
        ]
    )
    figure = new_figure(46 * len(arms) + 150, 26 * len(variants) + 120)
    axes = figure.subplots()
    axes.grid(False)
    axes.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        axes.text(
            column,
            row,
            "-" if np.isnan(value) else f"{100 * value:.1f}",
            ha="center",
            va="center",
            fontsize=9,
            color=_ink_on(value),
        )
    axes.set_xticks(range(len(arms)), arms, rotation=40, ha="right")
    axes.set_yticks(range(len(variants)), variants)
    axes.set_xlabel("meta-trained with")
    axes.set_ylabel("evaluated on: test accuracy [%]")
    axes.spines[:].set_visible(False)
    return figure


def _ink_on(value: float) -> str:
    """Returns what can be read on the colour of a value, or on no colour."""
    if np.isnan(value):
        return INK
    return "black" if value > 0.6 else "white"


@in_theme
def more_data(result: dict) -> Figure:
    """Draws accuracy over steps, over batch size and over ensemble size."""
    figure = new_figure(820, 300)
    panels = figure.subplots(1, 3, sharey=True)
    steps, batch = result["num_steps"], result["batch_size"]
    cases = (
        ("inner steps", "num_steps", ("batch_size", batch), result["sizes"]),
        (
            "images per step",
            "batch_size",
            ("num_steps", steps),
            result["sizes"],
        ),
    )
    for axes, (label, key, (other, fixed), rows) in zip(
        panels, cases, strict=False
    ):
        of_panel = [row for row in rows if row[other] == fixed]
        for name, line in _by_source(of_panel):
            rows_of = [row for row in of_panel if row["source"] == name]
            _series(axes, rows_of, key, name, line)
        _log_steps(axes, sorted({row[key] for row in of_panel}))
        axes.set_xlabel(f"{label} (log scale)")
    axes = panels[2]
    of_ensembles = [
        {"source": name, **row}
        for name, rows in result["ensembles"].items()
        for row in rows
    ]
    for name, line in _by_source(of_ensembles):
        rows_of = [row for row in of_ensembles if row["source"] == name]
        _series(axes, rows_of, "num_learners", name, line)
    _log_steps(axes, sorted({row["num_learners"] for row in of_ensembles}))
    axes.set_xlabel("learners in the ensemble (log scale)")
    name_accuracy(panels[0], "test accuracy [%]")
    handles = {}
    for panel in panels:
        shown, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, shown, strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper left", ncols=4
    )
    return figure


#: Experiment -> what draws it.
FIGURES: dict[str, Callable[[dict], Figure]] = {
    "few_step": few_step,
    "curricula": curricula,
    "weight_norm": weight_norm,
    "transfer": transfer,
    "more_data": more_data,
}


def save_experiment(path: Path, result: dict) -> None:
    """Writes the figure of an experiment's result.json as PNG; atomic."""
    save_figure(path, FIGURES[result["experiment"]](result))


def _by_source(rows: list[dict]) -> Iterable[tuple[str, tuple]]:
    names = dict.fromkeys(row["source"] for row in rows)
    known = ("repeat", "real_tuned", "sample", "all_sampled")
    lines = dict(zip(known, LINES, strict=False))
    return [(name, lines[name]) for name in names]


def _series(
    axes: Axes, rows: list[dict], key: str, label: str, line: tuple
) -> None:
    colour, dashes, marker = line
    axes.errorbar(
        [row[key] for row in rows],
        [row["accuracy"] for row in rows],
        yerr=_half_widths(rows),
        color=colour,
        linestyle=dashes,
        marker=marker,
        capsize=3,
        label=_REAL.label if label == "real_tuned" else label,
    )


def _half_widths(rows: list[dict]) -> list[float]:
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


def _dot(axes: Axes, place: int, row: dict, line: tuple) -> None:
    if row["mean"] is None:
        return
    half = 0.0 if row["ci95"] is None else (row["ci95"][1] - row["ci95"][0]) / 2
    axes.errorbar(
        row["mean"], place, xerr=half, color=line[0], marker=line[2], capsize=3
    )


def _stack(curves: list[list]) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps [S] and values [N, S] of curves with the same steps."""
    arrays = np.asarray(curves, np.float64)
    return arrays[0, :, 0], arrays[:, :, 1]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _log_steps(axes: Axes, steps: list[int]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(_plainly)


def _plainly(value: float, place: int) -> str:
    return f"{value:g}"
