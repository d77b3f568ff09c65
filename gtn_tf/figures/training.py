"""Figures of a meta-training: its curves and learned rates.

No TensorFlow here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gtn_tf.figures.style import (
    BLUE,
    INK,
    VERMILION,
    WIDTH,
    in_theme,
    name_accuracy,
    name_lines,
    name_steps,
    new_figure,
    save_figure,
)

#: More values than these are drawn under their moving mean.
SMOOTHED_BEYOND = 200


@in_theme
def learned_rates(
    inner_learning_rate: np.ndarray, inner_momentum: np.ndarray
) -> Figure:
    """Draws the rates of the inner optimizer, [T] each, over inner steps."""
    figure = new_figure(WIDTH, 290)
    upper, lower = figure.subplots(2, sharex=True)
    for axes, values, name, colour, marker in (
        (upper, inner_learning_rate, "learning rate", BLUE, "o"),
        (lower, inner_momentum, "momentum", VERMILION, "s"),
    ):
        steps = np.arange(1, len(values) + 1)
        marker = marker if len(values) <= 40 else None
        axes.plot(steps, values, color=colour, marker=marker)
        axes.set_ylabel(f"inner {name}")
        axes.yaxis.set_major_locator(MaxNLocator(4))
    figure.align_ylabels()
    name_steps(lower, "inner step")
    return figure


@in_theme
def meta_loss_curve(
    rows: list[dict],
    num_losses: int | None = None,
    chance: float | None = None,
) -> Figure:
    """Draws the meta-loss over meta-steps.

    Args:
      rows: as in metrics.jsonl.
      num_losses: cross-entropies that a meta-loss sums up: their mean is
        drawn, beside that after the last inner step; None: the sum.
      chance: cross-entropy of guessing, drawn if known.
    """
    figure = new_figure(WIDTH, 290)
    axes = figure.subplots()
    _draw_meta_loss(axes, rows, num_losses, chance)
    name_lines(axes)
    return figure


@in_theme
def accuracy_curve(rows: list[dict]) -> Figure:
    """Draws train and validation accuracy over meta-steps."""
    figure = new_figure(WIDTH, 290)
    axes = figure.subplots()
    _draw_accuracy(axes, rows)
    name_lines(axes)
    return figure


@in_theme
def save_curves(
    path: Path,
    rows: list[dict],
    title: str,
    num_losses: int | None = None,
    chance: float | None = None,
) -> None:
    """Writes meta-loss and accuracies over meta-steps, as PNG; atomic.

    More than `SMOOTHED_BEYOND` values of a kind are drawn pale, under their
    moving mean.

    Args:
      path: The PNG file.
      rows: As in metrics.jsonl; absent and null values are left out.
      title: Drawn above both panels.
      num_losses: As `meta_loss_curve`.
      chance: As `meta_loss_curve`.
    """
    figure = new_figure(WIDTH, 540)
    figure.suptitle(title, fontsize=11)
    upper, lower = figure.subplots(2)
    _draw_meta_loss(upper, rows, num_losses, chance)
    _draw_accuracy(lower, rows)
    for axes in (upper, lower):
        name_lines(axes)
    save_figure(path, figure)


def _draw_meta_loss(
    axes: Axes, rows: list[dict], num_losses: int | None, chance: float | None
) -> None:
    is_sum = num_losses is None
    if is_sum or num_losses == 1:
        _curve(axes, rows, "meta_loss", "meta-loss", BLUE)
    else:
        means = [
            {**row, "mean": row["meta_loss"] / num_losses}
            for row in rows
            if row.get("meta_loss") is not None
        ]
        _curve(axes, means, "mean", f"mean of {num_losses}", BLUE)
        last = ("final_meta_loss", "after the last", VERMILION, "--")
        _curve(axes, rows, *last)
    if chance is not None and not is_sum:
        style = {"color": INK, "linewidth": 0.8, "linestyle": ":"}
        steps = [row["step"] for row in rows]
        if steps:
            ends = (min(steps), max(steps))
            axes.plot(ends, (chance, chance), label="chance", **style)
    axes.set_ylabel("meta-loss [nats], a sum" if is_sum else "meta-loss [nats]")
    name_steps(axes, "meta-step")


def _draw_accuracy(axes: Axes, rows: list[dict]) -> None:
    _curve(axes, rows, "meta_accuracy", "train", BLUE)
    _curve(axes, rows, "validation_accuracy", "validation", VERMILION, "--")
    name_accuracy(axes, "accuracy on real images [%]")
    name_steps(axes, "meta-step")


def _curve(
    axes: Axes,
    rows: list[dict],
    key: str,
    label: str,
    colour: str,
    dashes: str = "-",
) -> None:
    points = [(r["step"], r[key]) for r in rows if r.get(key) is not None]
    if not points:
        return
    steps, values = np.asarray(points, np.float64).T
    marker = "o" if len(points) <= 40 else None
    if len(points) > SMOOTHED_BEYOND:
        pale = {"color": colour, "alpha": 0.25, "linewidth": 0.8}
        axes.plot(steps, values, label="_each", **pale)
        window = np.ones(len(points) // 50)
        # Sums over counts: the ends average what there is of the window.
        counts = np.convolve(np.ones(len(points)), window, "same")
        values = np.convolve(values, window, "same") / counts
    axes.plot(steps, values, dashes, color=colour, label=label, marker=marker)
