"""Where the parts of a cell stand when it is drawn; nothing is drawn here.

States stand in columns, each to the right of all that it reads. Lines that
pass a column keep to a lane of it, one per state that they come from: lines
cross between columns only, and no line crosses a box or a name. Units are
points; y grows downwards.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gtn_tf.nas.genotypes import NUM_INPUTS, Cell

_NODE_WIDTH, _NODE_HEIGHT = 22.0, 32.0
_END_WIDTH, _END_HEIGHT = 44.0, 20.0  # of inputs and the output
_INPUT_ROOM = 6.0  # above and below
_LANE_HEIGHT = 8.0
_PORT = 9.5  # of a node's two lines, from its middle
_NAME_HEIGHT = 13.0  # of an operation, over its line
_OUTPUT_PORT = 8.0  # from one line into the output to the next
_GAP = 6.0  # between what stands in one column
_BEFORE_NAME, _AFTER_NAME = 5.0, 12.0
_NUM_STARTS = 6
_NUM_SWEEPS = 100
_LANE_PULL = 5


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


class _Edge(NamedTuple):
    source: int
    target: int
    op: str | None


#: Of each column, from the left, the states that have their box or a lane
#: there, from top to bottom.
_Order = list[list[int]]
#: Of each column, the heights of the middles of these, by state.
_Heights = list[dict[int, float]]


def lay_out(cell: Cell, name_width: Callable[[str], float]) -> Layout:
    """Places the parts of a cell.

    Args:
      cell: any.
      name_width: of an operation's name, in points.
    """
    graph = _Graph(cell)
    heights = _straightened(graph, _best_order(graph))
    return _measured(graph, heights, name_width)


class _Graph:
    """The states of a cell, by column, and what joins them."""

    def __init__(self, cell: Cell) -> None:
        self.output = NUM_INPUTS + len(cell.nodes)
        self.edges = [
            _Edge(edge.input, target, edge.op)
            for target, node in enumerate(cell.nodes, start=NUM_INPUTS)
            for edge in node
        ]
        self.edges += [_Edge(s, self.output, None) for s in cell.concat]
        self.column = [0] * (self.output + 1)
        for edge in self.edges[: 2 * len(cell.nodes)]:
            beyond = self.column[edge.source] + 1
            self.column[edge.target] = max(self.column[edge.target], beyond)
        self.column[self.output] = max(self.column) + 1
        #: By target, the places in `edges` of what leads to it.
        self.into = [
            [n for n, e in enumerate(self.edges) if e.target == target]
            for target in range(self.output + 1)
        ]
        #: The last column that a state has its box or a lane in.
        self.last = list(self.column)
        for edge in self.edges:
            before = self.column[edge.target] - 1
            self.last[edge.source] = max(self.last[edge.source], before)

    def columns(self) -> _Order:
        """Returns the states of each column in their own order."""
        return [
            [s for s in range(self.output + 1) if self.is_in(s, column)]
            for column in range(self.column[self.output] + 1)
        ]

    def is_in(self, state: int, column: int) -> bool:
        return self.column[state] <= column <= self.last[state]

    def room(self, state: int, column: int) -> tuple[float, float]:
        """Returns how far a state reaches up and down from its middle."""
        if self.column[state] != column:
            return _LANE_HEIGHT / 2, _LANE_HEIGHT / 2
        half = self.box_height(state) / 2
        if state < NUM_INPUTS:
            return half + _INPUT_ROOM, half + _INPUT_ROOM
        if state < self.output:
            return _PORT + _NAME_HEIGHT, half
        return half, half

    def box_height(self, state: int) -> float:
        if state < NUM_INPUTS:
            return _END_HEIGHT
        if state < self.output:
            return _NODE_HEIGHT
        return max(_END_HEIGHT, _OUTPUT_PORT * (len(self.into[state]) + 1))

    def spacing(self, order: Sequence[int], column: int) -> list[float]:
        """Returns the least distance of each state from the one above it."""
        rooms = [self.room(state, column) for state in order]
        return [
            above[1] + _GAP + below[0]
            for above, below in itertools.pairwise(rooms)
        ]

    def ends(self, heights: _Heights) -> list[float]:
        """Returns the height at which each edge reaches its target.

        A target's lines arrive in the order that they come in.
        """
        found = [0.0] * len(self.edges)
        for target in range(NUM_INPUTS, self.output + 1):
            column = self.column[target]
            before = heights[column - 1]
            numbers = sorted(
                self.into[target],
                key=lambda n: before[self.edges[n].source],
            )
            step = _OUTPUT_PORT if target == self.output else 2 * _PORT
            top = heights[column][target] - step * (len(numbers) - 1) / 2
            for place, number in enumerate(numbers):
                found[number] = top + step * place
        return found

    def steps(self, heights: _Heights) -> list[list[tuple]]:
        """Returns the lines from each column to the next.

        Of each: its states there, and the heights between which it runs.
        """
        found = [
            [
                (state, state, before[state], after[state])
                for state in after
                if state in before
            ]
            for before, after in itertools.pairwise(heights)
        ]
        for edge, end in zip(self.edges, self.ends(heights), strict=True):
            column = self.column[edge.target] - 1
            begin = heights[column][edge.source]
            found[column].append((edge.source, edge.target, begin, end))
        return found


def _stacked(graph: _Graph, order: _Order) -> _Heights:
    """Returns heights as close as may be, columns about one middle."""
    heights = []
    for column, states in enumerate(order):
        place, places = 0.0, [0.0]
        for distance in graph.spacing(states, column):
            place += distance
            places.append(place)
        heights.append(
            {s: y - place / 2 for s, y in zip(states, places, strict=True)}
        )
    return heights


def _cost(graph: _Graph, order: _Order) -> tuple[int, float]:
    """Returns how many lines cross, and by how much they rise and fall."""
    num_crossings, rise = 0, 0.0
    for lines in graph.steps(_stacked(graph, order)):
        for place, (*_, begin, end) in enumerate(lines):
            rise += abs(end - begin)
            num_crossings += sum(
                (begin - other_begin) * (end - other_end) < 0
                for *_, other_begin, other_end in lines[:place]
            )
    return num_crossings, rise


def _best_order(graph: _Graph) -> _Order:
    """Searches for few crossings; the same cell, the same order."""
    rng = random.Random(0)
    best, best_cost = graph.columns(), (10**9, 0.0)
    for start in range(_NUM_STARTS):
        order = graph.columns()
        if start:
            for states in order:
                rng.shuffle(states)
        cost = _improve(graph, order)
        if cost < best_cost:
            best, best_cost = order, cost
    return best


def _improve(graph: _Graph, order: _Order) -> tuple[int, float]:
    """Moves one state of a column at a time while that helps."""
    cost, is_better = _cost(graph, order), True
    while is_better:
        is_better = False
        for states in order:
            for state in list(states):
                for place in range(len(states)):
                    before = list(states)
                    states.remove(state)
                    states.insert(place, state)
                    moved = _cost(graph, order)
                    if moved < cost:
                        cost, is_better = moved, True
                    else:
                        states[:] = before
    return cost


def _straightened(graph: _Graph, order: _Order) -> _Heights:
    """Moves states towards what they are joined with, order and gaps kept."""
    heights = _stacked(graph, order)
    for sweep in range(_NUM_SWEEPS):
        places = range(len(order))
        for column in places if sweep % 2 else reversed(places):
            pulls: dict[int, list[float]] = {s: [0.0] for s in order[column]}
            for left, lines in enumerate(graph.steps(heights)):
                for source, target, begin, end in lines:
                    # A bend in a lane says nothing: these pull harder.
                    times = _LANE_PULL if source == target else 1
                    if left == column:
                        pulls[source] += [end - begin] * times
                    elif left == column - 1:
                        pulls[target] += [begin - end] * times
            wanted = [
                heights[column][s] + sum(p) / max(1, len(p) - 1)
                for s, p in pulls.items()
            ]
            distances = graph.spacing(order[column], column)
            found = _apart(wanted, distances)
            heights[column] = dict(zip(order[column], found, strict=True))
    return heights


def _apart(wanted: Sequence[float], distances: Sequence[float]) -> list[float]:
    """Returns the heights nearest to the wanted ones with such distances.

    Least squares by pooling: neighbours that would come too close move as one.
    """
    offsets = [0.0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    blocks: list[list[float]] = []  # [sum, number] of wanted less offset
    for height, offset in zip(wanted, offsets, strict=True):
        blocks.append([height - offset, 1])
        while (
            len(blocks) > 1
            and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]
        ):
            total, number = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += number
    levels = [t / n for t, n in blocks for _ in range(int(n))]
    return [a + b for a, b in zip(levels, offsets, strict=True)]


def _measured(
    graph: _Graph, heights: _Heights, name_width: Callable[[str], float]
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
