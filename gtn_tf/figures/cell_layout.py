"""Where the parts of a cell stand when it is drawn; nothing is drawn here.

States stand in columns, each to the right of all that it reads. Lines that
pass a column keep to a lane of it, one per state that they come from: lines
cross between columns only, and no line crosses a box or a name. Units are
points; y grows downwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gtn_tf.figures.cell_columns import (
    CellGraph,
    Heights,
    arrange,
)
from gtn_tf.search_spaces.cells.genotypes import Cell

_NODE_WIDTH, _END_WIDTH = 22.0, 44.0
_BEFORE_NAME, _AFTER_NAME = 5.0, 12.0


class Box(NamedTuple):
    """A state, or the output: its left, its middle's height, its sizes."""

    x: float
    y: float
    width: float
    height: float


class Wire(NamedTuple):
    """A line from the right of one box to the left of another.

    Attributes:
      source: the state that it comes from.
      target: the state that it leads to; the output counts as one more.
      op: the operation on the way; None into the output.
      runs: its level parts, (x0, x1, y) from left to right, the last up to
        the target; it bends between them.
      name_at: (x0, x1) of the operation's name, over the last of them.
    """

    source: int
    target: int
    op: str | None
    runs: tuple[tuple[float, float, float], ...]
    name_at: tuple[float, float]


class Layout(NamedTuple):
    """A cell, laid out.

    Attributes:
      width: of all; x begins at 0.
      height: of all; y begins at 0.
      boxes: by state; the last one is the output.
      wires: the cell's edges in their order, then those into the output.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


def lay_out(cell: Cell, name_width: Callable[[str], float]) -> Layout:
    """Places the parts of a cell.

    Args:
      cell: any.
      name_width: of an operation's name, in points.
    """
    graph = CellGraph(cell)
    return _measured(graph, arrange(graph), name_width)


def _measured(
    graph: CellGraph, heights: Heights, name_width: Callable[[str], float]
) -> Layout:
    """Gives heights their widths."""
    rooms = [
        (y - up, y + down)
        for column, of_column in enumerate(heights)
        for state, y in of_column.items()
        for up, down in [graph.room(state, column)]
    ]
    top, bottom = min(r[0] for r in rooms), max(r[1] for r in rooms)
    heights = [{s: y - top for s, y in h.items()} for h in heights]
    steps = graph.steps(heights)
    # Of each column: where its level lines begin, its boxes, and its end.
    begins, lefts, rights = [0.0], [0.0], [_END_WIDTH]
    for column in range(1, len(heights)):
        names = [
            name_width(edge.op)
            for edge in graph.edges
            if edge.op and graph.column[edge.target] == column
        ]
        rise = max(abs(end - begin) for *_, begin, end in steps[column - 1])
        begins.append(rights[-1] + min(48.0, 22.0 + 0.2 * rise))
        before = _BEFORE_NAME + max(names) if names else 0.0
        lefts.append(begins[-1] + before + _AFTER_NAME)
        is_last = column == len(heights) - 1
        rights.append(lefts[-1] + (_END_WIDTH if is_last else _NODE_WIDTH))
    boxes = tuple(
        Box(
            lefts[column],
            heights[column][state],
            rights[column] - lefts[column],
            graph.box_height(state),
        )
        for state, column in enumerate(graph.column)
    )
    wires = []
    for edge, end in zip(graph.edges, graph.ends(heights), strict=True):
        first, last = graph.column[edge.source], graph.column[edge.target]
        begin = heights[first][edge.source]
        runs = [(rights[first], rights[first], begin)]
        runs += [
            (begins[c], rights[c], heights[c][edge.source])
            for c in range(first + 1, last)
        ]
        runs.append((begins[last], lefts[last], end))
        name_at = (begins[last] + _BEFORE_NAME, lefts[last] - _AFTER_NAME)
        wires.append(Wire(*edge, tuple(runs), name_at))
    return Layout(rights[-1], bottom - top, boxes, tuple(wires))
