"""Pictures of NAS-Bench-201's cells: nodes in a row, operations between them.

An edge between neighbours is a line, a longer one an arch; edges of `none`,
and those that no path from input to output takes, are left out. No TensorFlow
here.
"""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.path import Path as Line

from gtn_tf.figures.style import (
    INK,
    LINES,
    POINTS_PER_INCH,
    in_theme,
    save_figure,
)
from gtn_tf.search_spaces.nb201.genotypes import (
    EDGES,
    NUM_NODES,
    Genotype,
    canonical,
)

# All lengths are points.
_FONT_SIZE = 9.0
_DISTANCE, _RADIUS = 115.0, 17.0  # of nodes
_MARGIN, _HEIGHT = 8.0, 160.0
_SLOPE = 25.0  # of an arch's ends
_NAMES = ("input", *map(str, range(1, NUM_NODES - 1)), "output")
#: (node, node) -> how high its arch is.
_ARCHES = {(0, 2): 44.0, (1, 3): -44.0, (0, 3): 80.0}
_COLOURS = {
    "skip_connect": INK,
    "nor_conv_1x1": LINES[0][0],
    "nor_conv_3x3": LINES[0][0],
    "avg_pool_3x3": LINES[4][0],
}


@in_theme
def cell(genotype: Genotype) -> Figure:
    """Draws a cell."""
    width = 2 * (_MARGIN + _RADIUS) + _DISTANCE * (NUM_NODES - 1)
    size = (width / POINTS_PER_INCH, _HEIGHT / POINTS_PER_INCH)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1))  # of which a unit is one point
    axes.set(xlim=(0, width), ylim=(0, _HEIGHT))
    axes.set_axis_off()
    middle = 0.4 * _HEIGHT
    places = [_MARGIN + _RADIUS + _DISTANCE * node for node in range(NUM_NODES)]
    for op, edge in zip(canonical(genotype), EDGES, strict=True):
        if op == "none":
            continue
        begin, end = (places[node] for node in edge)
        rise = _ARCHES.get(edge, 0.0)
        points = [(begin + _RADIUS, middle), (end - _RADIUS, middle)]
        if rise:
            inset, side = 0.6 * _RADIUS, math.copysign(0.8 * _RADIUS, rise)
            points = [
                (begin + inset, middle + side),
                (begin + inset + _SLOPE, middle + rise),
                (end - inset - _SLOPE, middle + rise),
                (end - inset, middle + side),
            ]
        axes.add_patch(
            FancyArrowPatch(
                path=Line(points),
                arrowstyle="-|>,head_length=5,head_width=2.2",
                mutation_scale=1,
                color=_COLOURS[op],
                linewidth=1.4,
            )
        )
        axes.text(
            (begin + end) / 2,
            middle + rise + 4,
            op,
            fontsize=_FONT_SIZE,
            ha="center",
        )
    for name, x in zip(_NAMES, places, strict=True):
        circle = Circle((x, middle), _RADIUS, fill=False, edgecolor=INK)
        axes.add_patch(circle)
        style = {"fontsize": _FONT_SIZE, "ha": "center"}
        axes.text(x, middle, name, va="center_baseline", **style)
    return figure


def save_cell(path: Path, genotype: Genotype) -> None:
    """Writes `cell` as PNG; atomic."""
    save_figure(path, cell(genotype))
