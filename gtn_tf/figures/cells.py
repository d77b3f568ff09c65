"""Pictures of cells: what each node computes from what.

Each state has a row of its own: the inputs `c[k-2]` and `c[k-1]`, then the
nodes by number. It stands in the column to the right of all that it reads. A
line follows the row of its source, which holds no other box, and leaves it
just before the column of its target: no line can meet a box or a name. An
arrow carries the name of its operation; a node adds up its two, the output
concatenates. What does not reach the output is pale.

No TensorFlow here.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Line

from gtn_tf.figures.style import (
    INK,
    LINES,
    POINTS_PER_INCH,
    in_theme,
    save_figure,
)
from gtn_tf.search_spaces.cells.genotypes import NUM_INPUTS, Cell, Genotype
from gtn_tf.search_spaces.cells.operations import OPS

# All lengths are points; y grows downwards.
_FONT_SIZE = 9.0
_LETTER_WIDTH = 5.8  # at most, on average over a name
_ROW_HEIGHT = 41.0
_TITLE_HEIGHT = 20.0
_NODE_WIDTH, _END_WIDTH = 22.0, 44.0  # of boxes
_NODE_HEIGHT, _END_HEIGHT = 30.0, 20.0
_SLOPE_WIDTH = 10.0  # per row that a line passes on its way down
_BEFORE_NAME, _AFTER_NAME = 5.0, 12.0  # of a line's level end
_PORT = 9.0  # of a node's two lines, from its middle
_MARGIN = 4.0
_BETWEEN_CELLS = 36.0
_PALE = 0.3
_INPUTS = ("c[k-2]", "c[k-1]")
#: Kind of operation -> the colour under its name.
_COLOURS = {
    "identity": INK,
    "conv": LINES[0][0],
    "max": LINES[1][0],
    "separable": LINES[2][0],
    "avg": LINES[4][0],
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
    # One unit of the axes is one point: a layout engine would scale them.
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    x, num_rows = _MARGIN, 0
    for title, drawn in panels:
        axes.text(x, _MARGIN, title, va="top", fontsize=11)
        x = _draw(axes, drawn, x) + _BETWEEN_CELLS
        num_rows = max(num_rows, NUM_INPUTS + len(drawn.nodes))
    width, height = x - _BETWEEN_CELLS + _MARGIN, _row_y(num_rows - 0.5)
    figure.set_size_inches(width / POINTS_PER_INCH, height / POINTS_PER_INCH)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure


def _row_y(row: float) -> float:
    return _MARGIN + _TITLE_HEIGHT + _ROW_HEIGHT * (row + 0.5)


def _columns(drawn: Cell) -> list[int]:
    """Returns the column of each state, of the output at last."""
    columns = [0] * NUM_INPUTS
    for node in drawn.nodes:
        columns.append(1 + max(columns[edge.input] for edge in node))
    return [*columns, 1 + max(columns)]


def _draw(axes: Axes, drawn: Cell, x: float) -> float:
    """Draws a cell from x on; returns where it ends."""
    columns = _columns(drawn)
    output = len(columns) - 1
    edges = [
        (edge, state, port)
        for state, node in enumerate(drawn.nodes, start=NUM_INPUTS)
        # The upper source at the upper port: these two never cross.
        for edge, port in zip(sorted(node), (-_PORT, _PORT), strict=True)
    ]
    # Of each column: where its names begin, and its boxes from left to right.
    levels, lefts, rights = [x], [x], [x + _END_WIDTH]
    for column in range(1, columns[output] + 1):
        into = [(e, s) for e, s, _ in edges if columns[s] == column]
        num_rows = max((s - e.input for e, s in into), default=0)
        name = max((len(e.op) for e, _ in into), default=0)
        levels.append(rights[-1] + _SLOPE_WIDTH * (num_rows + 1))
        lefts.append(
            levels[-1] + _BEFORE_NAME + _LETTER_WIDTH * name + _AFTER_NAME
        )
        width = _NODE_WIDTH if into else _END_WIDTH
        rights.append(lefts[-1] + width)

    alive = {*drawn.used_states(), output}
    for edge, state, port in edges:
        column = columns[state]
        source_y, y = _row_y(edge.input), _row_y(state) + port
        points = [
            (rights[columns[edge.input]], source_y),
            (rights[column - 1], source_y),
            (levels[column], y),
            (lefts[column], y),
        ]
        alpha = 1.0 if state in alive else _PALE
        _draw_arrow(axes, points, alpha)
        _draw_name(axes, edge.op, levels[column], lefts[column], y, alpha)
    for state in drawn.concat:
        begin, y = rights[columns[state]], _row_y(state)
        _draw_arrow(axes, [(begin, y), (lefts[-1], y)], 1.0)

    for state, column in enumerate(columns[:output]):
        is_input = state < NUM_INPUTS
        label = _INPUTS[state] if is_input else str(state)
        height = _END_HEIGHT if is_input else _NODE_HEIGHT
        alpha = 1.0 if state in alive else _PALE
        span = (lefts[column], rights[column])
        _draw_box(axes, label, span, _row_y(state), height, alpha)
    first, last = _row_y(drawn.concat[0]), _row_y(drawn.concat[-1])
    height = last - first + _END_HEIGHT
    span = (lefts[-1], rights[-1])
    _draw_box(axes, "output", span, (first + last) / 2, height, 1.0)
    return rights[-1]


def _draw_arrow(
    axes: Axes, points: list[tuple[float, float]], alpha: float
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=Line(points),
            arrowstyle="-|>,head_length=5,head_width=2.2",
            mutation_scale=1,
            color=INK,
            alpha=alpha,
            linewidth=0.9,
            zorder=2 if alpha == 1 else 1,
        )
    )


def _draw_name(
    axes: Axes, op: str, left: float, right: float, y: float, alpha: float
) -> None:
    """Writes an operation's name over its line, coloured by its kind."""
    left, right = left + _BEFORE_NAME, right - _AFTER_NAME
    axes.plot(
        (left, right),
        (y, y),
        color=_COLOURS[OPS[op].kind],
        alpha=alpha,
        linewidth=2.4,
        solid_capstyle="butt",
        zorder=3,
    )
    middle = (left + right) / 2
    _write(axes, middle, y - 3.5, op, alpha, "baseline")


def _draw_box(
    axes: Axes,
    label: str,
    span: tuple[float, float],
    y: float,
    height: float,
    alpha: float,
) -> None:
    left, right = span
    axes.add_patch(
        FancyBboxPatch(
            (left, y - height / 2),
            right - left,
            height,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor="none",
            edgecolor=INK,
            alpha=alpha,
            linewidth=1.1,
        )
    )
    _write(axes, (left + right) / 2, y, label, alpha, "center_baseline")


def _write(
    axes: Axes, x: float, y: float, text: str, alpha: float, va: str
) -> None:
    axes.text(x, y, text, alpha=alpha, fontsize=_FONT_SIZE, ha="center", va=va)
