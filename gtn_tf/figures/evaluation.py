"""Figures of an evaluation: inner steps (Fig. 2b), meta-steps (Fig. 2a).

Departure: over meta-steps the paper plots test accuracy; here it is validation
accuracy, which meta-training measures, of one GTN.

No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtn_tf.figures.style import (
    SOURCES,
    WIDTH,
    Style,
    add_note,
    in_theme,
    name_accuracy,
    name_lines,
    name_steps,
    new_figure,
    save_figure,
)


@in_theme
def accuracy_per_step(evaluation: dict) -> Figure:
    """Draws test accuracy over inner steps, one line per source.

    Args:
      evaluation: As in evaluation.json: of each of `SOURCES` in it
        `accuracy_per_step` [T] and, where known, `ci95_per_step` [T, 2].
    """
    figure = new_figure(WIDTH, 290)
    axes = figure.subplots()
    _draw_inner_steps(axes, evaluation)
    name_lines(axes)
    return figure


@in_theme
def accuracy_per_meta_step(evaluation: dict) -> Figure:
    """Draws validation accuracy over meta-steps, one line per source.

    Args:
      evaluation: As in evaluation.json; sources without `validation_curve` are
        left out.
    """
    figure = new_figure(WIDTH, 290)
    axes = figure.subplots()
    _draw_meta_steps(axes, evaluation)
    name_lines(axes)
    return figure


@in_theme
def save_evaluation(path: Path, evaluation: dict) -> None:
    """Writes both, one above the other, as PNG; one if the other is unknown."""
    save_figure(path, both(evaluation))


@in_theme
def both(evaluation: dict) -> Figure:
    """Draws accuracy over inner steps, and over meta-steps where known."""
    has_curves = has_validation_curves(evaluation)
    figure = new_figure(WIDTH, 570 if has_curves else 310)
    panels = figure.subplots(1 + has_curves, squeeze=False)[:, 0]
    _draw_inner_steps(panels[0], evaluation)
    if has_curves:
        _draw_meta_steps(panels[1], evaluation)
    own, *_ = evaluation["sources"].values()
    learners = own.get("num_learners")
    add_note(
        figure,
        f"One GTN seed; bands: 95 % intervals over {learners} fresh learners.",
    )
    for axes in panels:
        name_lines(axes)
    return figure


def has_validation_curves(evaluation: dict) -> bool:
    """Whether a source's accuracy is known over meta-steps."""
    return any(
        source.get("validation_curve")
        for source in evaluation["sources"].values()
    )


def _draw_inner_steps(axes: Axes, evaluation: dict) -> None:
    for source, style in _styled(evaluation):
        means = _numbers(source["accuracy_per_step"])
        steps = np.arange(1, len(means) + 1)
        bands = source.get("ci95_per_step")
        if bands is not None:
            low, high = np.transpose([_numbers(b or [None] * 2) for b in bands])
            axes.fill_between(
                steps, low, high, color=style.colour, alpha=0.18, linewidth=0
            )
        _line(axes, steps, means, style)
    name_accuracy(axes, "test accuracy [%]")
    name_steps(axes, "inner step")


def _draw_meta_steps(axes: Axes, evaluation: dict) -> None:
    for source, style in _styled(evaluation):
        if source.get("validation_curve"):
            steps, accuracies = zip(*source["validation_curve"], strict=True)
            _line(axes, steps, _numbers(accuracies), style)
    name_accuracy(axes, "validation accuracy [%]")
    name_steps(axes, "meta-step")


def _styled(evaluation: dict) -> list[tuple[dict, Style]]:
    sources = evaluation["sources"]
    return [
        (sources[name], style)
        for name, style in SOURCES.items()
        if name in sources
    ]


def _line(
    axes: Axes, steps: Iterable[int], values: np.ndarray, style: Style
) -> None:
    axes.plot(
        steps,
        values,
        color=style.colour,
        linestyle=style.dashes,
        marker=style.marker,
        markevery=max(1, len(values) // 10),
        label=style.label,
    )


def _numbers(values: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], np.float64)
