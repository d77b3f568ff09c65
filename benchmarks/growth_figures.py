"""The axes of `benchmarks.growth`, and their figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gtn_tf.figures.style import (
    LINES,
    WIDTH,
    add_note,
    in_theme,
    name_lines,
    new_figure,
    plainly,
)

Points = Mapping[str, Mapping[str, Any]]  # value -> what was measured
MEGABYTE = 1e6


class Axis(NamedTuple):
    """What changes along the points of a meta-step.

    Attributes:
      name: in words.
      symbol: in figures.
      power: of the axis, that memory grows with; 0: it does not.
      lowers: the keys that lower what is needed.
    """

    name: str
    symbol: str
    power: int
    lowers: str


META_STEP = {
    "num_steps": Axis(
        *("inner steps", "T", 1),
        "`inner.num_steps`; `inner.truncation_window` bounds the states that "
        "are kept",
    ),
    "batch_size": Axis(
        *("images of an inner step", "B", 1),
        "`inner.batch_size`; `generator.rematerialize` keeps one batch's "
        "activations in place of T",
    ),
    "num_learners": Axis(
        *("learners of a meta-step", "learners", 0),
        "`meta.num_learners`; `meta.learner_batch_size` is how many of them "
        "are in memory at once",
    ),
    "image_size": Axis(
        *("height and width", "H = W", 2), "`dataset.image_size`"
    ),
    "num_classes": Axis(*("classes", "K", 1), "the data set alone"),
}


def values_of(points: Points) -> list[int]:
    return sorted(map(int, points))


def column(points: Points, *names: str) -> list[float]:
    """Returns one number of each point, by ascending value."""
    found = []
    for value in values_of(points):
        number: Any = points[str(value)]
        for name in names:
            number = number[name]
        found.append(number)
    return found


@in_theme
def meta_step_figure(points: Mapping[str, Points]) -> Figure:
    """Draws seconds and memory over each axis in its smallest values."""
    figure = new_figure(WIDTH, 540)
    panels = figure.subplots(2, sharex=True)
    for axis, style in zip(META_STEP, LINES, strict=False):
        if axis not in points:
            continue
        values = values_of(points[axis])
        times = [value / values[0] for value in values]
        label = META_STEP[axis].symbol
        peaks = np.divide(column(points[axis], "peak_bytes"), MEGABYTE)
        _draw(
            panels[0], times, column(points[axis], "cpu_seconds"), style, label
        )
        _draw(panels[1], times, peaks, style, label)
    panels[0].set_ylabel("processor seconds of a meta-step")
    panels[1].set_ylabel("peak memory [MB]")
    panels[1].set_xlabel("times the smallest")
    _finish(panels)
    add_note(
        figure,
        "One size changes, the others stay. Memory: above what the process "
        "held before anything was built, the traced graph among it.",
    )
    return figure


@in_theme
def search_figure(points: Mapping[str, Points], parts: Iterable[str]) -> Figure:
    """Draws seconds of a search's parts, and of `rank`, over candidates."""
    figure = new_figure(WIDTH, 320)
    axes = figure.subplots()
    drawn = [
        *(("num_candidates", part) for part in parts),
        ("num_ranked", "rank"),
    ]
    for (axis, part), style in zip(drawn, LINES, strict=False):
        if axis in points:
            seconds = column(points[axis], "parts", part, "cpu_seconds")
            _draw(axes, values_of(points[axis]), seconds, style, part)
    axes.set_xlabel("candidates")
    axes.set_ylabel("processor seconds")
    _finish([axes])
    add_note(
        figure,
        "A search by counted scores, and rank of one network that trains "
        "among refused ones: no trainings but that one.",
    )
    return figure


def _draw(
    axes: Axes,
    values: Sequence[float],
    found: Sequence[float],
    style: tuple[str, str, str],
    label: str,
) -> None:
    colour, dashes, marker = style
    axes.plot(
        values,
        found,
        color=colour,
        linestyle=dashes,
        marker=marker,
        label=label,
    )


def _finish(panels: Sequence[Axes]) -> None:
    for axes in panels:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_formatter(plainly)
            side.set_minor_formatter(NullFormatter())
    for axes in panels:
        name_lines(axes)
