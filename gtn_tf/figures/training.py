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
    VERMILION,
    in_theme,
    name_accuracy,
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
    figure = new_figure(400, 290)
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
def meta_loss_curve(rows: list[dict]) -> Figure:
    """Draws the meta-loss over meta-steps; rows as in metrics.jsonl."""
    figure = new_figure(400, 290)
    _draw_meta_loss(figure.subplots(), rows)
    return figure


@in_theme
def accuracy_curve(rows: list[dict]) -> Figure:
    """Draws train and validation accuracy over meta-steps."""
    figure = new_figure(400, 290)
    _draw_accuracy(figure.subplots(), rows)
    return figure


@in_theme
def save_curves(path: Path, rows: list[dict], title: str) -> None:
    """Writes meta-loss and accuracies over meta-steps, as PNG; atomic.

    More than `SMOOTHED_BEYOND` values of a kind are drawn pale, under their
    moving mean.

    Args:
      path: The PNG file.
      rows: As in metrics.jsonl; absent and null values are left out.
      title: Drawn above both panels.
    """
    figure = new_figure(720, 288)
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    _draw_meta_loss(left, rows)
    _draw_accuracy(right, rows)
    save_figure(path, figure)


def _draw_meta_loss(axes: Axes, rows: list[dict]) -> None:
    _curve(axes, rows, "meta_loss", "meta-loss", BLUE)
    axes.set_ylabel("meta-loss [nats]")
    name_steps(axes, "meta-step")


def _draw_accuracy(axes: Axes, rows: list[dict]) -> None:
    _curve(axes, rows, "meta_accuracy", "meta-batch (train)", BLUE)
    _curve(axes, rows, "validation_accuracy", "validation", VERMILION, "--")
    name_accuracy(axes, "accuracy [%]")
    name_steps(axes, "meta-step")
    if axes.lines:
        axes.legend(loc="lower right")


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
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        window = np.ones(len(points) // 50)
        # Sums over counts: the ends average what there is of the window.
        counts = np.convolve(np.ones(len(points)), window, "same")
        values = np.convolve(values, window, "same") / counts
    axes.plot(steps, values, dashes, color=colour, label=label, marker=marker)
