"""Figures of the experiments: result.json -> figure.png.

No TensorFlow here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

from gtn_tf.experiments.tables import WEIGHT_NORM_ARMS
from gtn_tf.figures.budgets import (
    OVER_SEEDS,
    few_step,
    half_widths,
    more_data,
)
from gtn_tf.figures.style import (
    INK,
    LINES,
    in_theme,
    name_accuracy,
    name_steps,
    new_figure,
    plainly,
    save_figure,
)


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
    name_accuracy(left, "validation accuracy [%]; bands: all seeds")
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
    right.set_xlabel("test accuracy [%]; |: the paper's, MNIST\n" + OVER_SEEDS)
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
        f"{name}\n{result['arms'][arm]['share_diverged']:.0%} diverged"
        for name, arm in zip(WEIGHT_NORM_ARMS, arms, strict=True)
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
    axes.yaxis.set_major_formatter(plainly)
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
    cells = [[result["arms"][arm][name] for arm in arms] for name in variants]
    values = np.array([[_number(c["mean"]) for c in row] for row in cells])
    figure = new_figure(56 * len(arms) + 150, 26 * len(variants) + 120)
    axes = figure.subplots()
    axes.grid(False)
    axes.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        axes.text(
            column,
            row,
            _with_spread(cells[row][column]),
            ha="center",
            va="center",
            fontsize=9,
            color=_ink_on(value),
        )
    axes.set_xticks(range(len(arms)), arms, rotation=40, ha="right")
    labels = [name + "*" * (name in result["held_out"]) for name in variants]
    axes.set_yticks(range(len(variants)), labels)
    axes.set_xlabel("meta-trained with (no GTN saw the learners with a *)")
    axes.set_ylabel("evaluated on: test accuracy [%] ± half of 95 %")
    axes.spines[:].set_visible(False)
    return figure


@in_theme
def ablation(result: dict) -> Figure:
    """Draws validation accuracy by arm, and what it exceeds `plain` by."""
    names = list(result["arms"])
    labels = [name.replace(";", "\n") for name in names]
    most_lines = max(label.count("\n") + 1 for label in labels)
    figure = new_figure(720, (10 + 15 * most_lines) * len(names) + 90)
    left, right = figure.subplots(1, 2, sharey=True)
    for place, name in enumerate(names):
        _dot(left, place, result["arms"][name], LINES[0])
        gap = result["differences"].get(name)
        if gap is not None:
            _dot(right, place, gap, LINES[1])
    right.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    left.set_yticks(range(len(names)), labels)
    left.set_ylim(len(names) - 0.5, -0.5)
    for axes, label in (
        (left, "validation accuracy [%]"),
        (right, "minus plain, paired [points]"),
    ):
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        axes.set_xlabel(label)
    if any(row["ci95"] for row in result["arms"].values()):
        figure.supxlabel(OVER_SEEDS, fontsize=9)
    return figure


def _with_spread(row: dict) -> str:
    if row["mean"] is None:
        return "-"
    if row["ci95"] is None:
        return f"{100 * row['mean']:.1f}"
    (half,) = half_widths([row])
    return f"{100 * row['mean']:.0f} ± {100 * half:.0f}"


def _ink_on(value: float) -> str:
    """Returns what can be read on the colour of a value, or on no colour."""
    if np.isnan(value):
        return INK
    return "black" if value > 0.6 else "white"


#: Experiment -> what draws it.
FIGURES: dict[str, Callable[[dict], Figure]] = {
    "few_step": few_step,
    "curricula": curricula,
    "weight_norm": weight_norm,
    "transfer": transfer,
    "more_data": more_data,
    "ablation": ablation,
}


def save_experiment(path: Path, result: dict) -> None:
    """Writes the figure of an experiment's result.json as PNG; atomic."""
    save_figure(path, FIGURES[result["experiment"]](result))


def _dot(axes: Axes, place: int, row: dict, line: tuple) -> None:
    if row["mean"] is None:
        return
    axes.errorbar(
        row["mean"],
        place,
        xerr=half_widths([row]),
        color=line[0],
        marker=line[2],
        capsize=3,
    )


def _stack(curves: list[list]) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps [S] and values [N, S] of curves with the same steps."""
    arrays = np.asarray(curves, np.float64)
    return arrays[0, :, 0], arrays[:, :, 1]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
