"""Pictures of cells: what each node computes from what.

States stand left to right: the inputs `c[k-2]` and `c[k-1]`, the nodes by
number, the output. An arrow carries the name of its operation; a node adds up
its two, the output concatenates. What does not reach the output is pale.

No TensorFlow here.
"""

from __future__ import annotations

import functools
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve
from matplotlib.textpath import TextPath

from gtn_tf.figures.cell_layout import (
    Box,
    Layout,
    Wire,
    lay_out,
)
from gtn_tf.figures.style import (
    INK,
    LINES,
    POINTS_PER_INCH,
    in_theme,
    save_figure,
)
from gtn_tf.search_spaces.cells.genotypes import (
    NUM_INPUTS,
    Cell,
    Genotype,
)
from gtn_tf.search_spaces.cells.operations import OPS

_FONT_SIZE = 9.0
_TITLE_HEIGHT = 24.0
_MARGIN = 4.0
_BETWEEN_CELLS = 36.0
_PALE = 0.3
_INPUTS = ("c[k-2]", "c[k-1]")
#: Kind of operation -> the colour under its name.
_COLOURS = {
    "identity": INK,
    **{
        kind: colour
        for kind, (colour, *_) in zip(
            ("conv", "max", "separable", "avg"),
            (*LINES[:3], LINES[4]),
            strict=True,
        )
    },
}


@in_theme
def cell(drawn: Cell, title: str) -> Figure:
    """Draws one cell."""
    return _figure([(title, drawn)])


@in_theme
def cells(genotype: Genotype) -> Figure:
    """Draws the normal and the reduction cell side by side."""
    return _figure(
        [
            ("normal cell", genotype.normal),
            ("reduction cell", genotype.reduction),
        ]
    )


def save_cells(path: Path, genotype: Genotype) -> None:
    """Writes `cells` as PNG; atomic."""
    save_figure(path, cells(genotype))


def _figure(panels: list[tuple[str, Cell]]) -> Figure:
    layouts = [lay_out(drawn, _name_width) for _, drawn in panels]
    width = sum(layout.width for layout in layouts)
    width += _BETWEEN_CELLS * (len(layouts) - 1) + 2 * _MARGIN
    height = max(layout.height for layout in layouts)
    height += _TITLE_HEIGHT + 2 * _MARGIN
    # One unit of the axes is one point: a layout engine would scale them.
    figure = Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    left = _MARGIN
    for (title, drawn), layout in zip(panels, layouts, strict=True):
        axes.text(left, _MARGIN, title, va="top", fontsize=11)
        free = height - _TITLE_HEIGHT - 2 * _MARGIN - layout.height
        _draw(axes, drawn, layout, left, _MARGIN + _TITLE_HEIGHT + free / 2)
        left += layout.width + _BETWEEN_CELLS
    return figure


@functools.cache
def _name_width(text: str) -> float:
    font = FontProperties(family="DejaVu Sans", size=_FONT_SIZE)
    return TextPath((0, 0), text, prop=font).get_extents().width


def _draw(axes: Axes, drawn: Cell, layout: Layout, x: float, y: float) -> None:
    output = len(layout.boxes) - 1
    alive = {*drawn.used_states(), output}
    for wire in layout.wires:
        _draw_wire(axes, wire, x, y, 1.0 if wire.target in alive else _PALE)
    labels = [*_INPUTS, *range(NUM_INPUTS, output), "output"]
    for state, (box, label) in enumerate(
        zip(layout.boxes, labels, strict=True)
    ):
        _draw_box(axes, box, label, x, y, 1.0 if state in alive else _PALE)


def _draw_wire(
    axes: Axes, wire: Wire, x: float, y: float, alpha: float
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=_curve(wire, x, y),
            arrowstyle="-|>,head_length=5,head_width=2.2",
            mutation_scale=1,
            color=INK,
            alpha=alpha,
            linewidth=0.9,
            zorder=2 if alpha == 1 else 1,
        )
    )
    if wire.op is None:
        return
    (left, right), level = wire.name_at, wire.runs[-1][2] + y
    axes.plot(
        (x + left, x + right),
        (level, level),
        color=_COLOURS[OPS[wire.op].kind],
        alpha=alpha,
        linewidth=2.4,
        solid_capstyle="butt",
        zorder=3,
    )
    axes.text(
        x + (left + right) / 2,
        level - 3.5,
        wire.op,
        alpha=alpha,
        fontsize=_FONT_SIZE,
        ha="center",
        va="baseline",
    )


def _curve(wire: Wire, x: float, y: float) -> Curve:
    points, codes = [], []
    for number, (left, right, level) in enumerate(wire.runs):
        begin = (x + left, y + level)
        if number:
            middle = (points[-1][0] + begin[0]) / 2
            points += [(middle, points[-1][1]), (middle, begin[1]), begin]
            codes += [Curve.CURVE4] * 3
        else:
            points.append(begin)
            codes.append(Curve.MOVETO)
        if right > left:
            points.append((x + right, y + level))
            codes.append(Curve.LINETO)
    return Curve(points, codes)


def _draw_box(
    axes: Axes, box: Box, label: str | int, x: float, y: float, alpha: float
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x + box.x, y + box.y - box.height / 2),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor="none",
            edgecolor=INK,
            alpha=alpha,
            linewidth=1.1,
        )
    )
    axes.text(
        x + box.x + box.width / 2,
        y + box.y,
        str(label),
        alpha=alpha,
        fontsize=_FONT_SIZE,
        ha="center",
        va="center_baseline",
    )
