"""The states of a cell in columns: which is above which, and how high.

The order in each column is searched for few crossing lines, then the lines are
made as straight as the order allows. Units are points; y grows downwards.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

from gtn_tf.search_spaces.cells.genotypes import NUM_INPUTS, Cell

_NODE_HEIGHT = 32.0
_END_HEIGHT = 20.0  # of inputs and the output
_INPUT_ROOM = 6.0  # above and below
_LANE_HEIGHT = 8.0
_PORT = 9.5  # of a node's two lines, from its middle
_NAME_HEIGHT = 13.0  # of an operation, over its line
_OUTPUT_PORT = 8.0  # from one line into the output to the next
_GAP = 6.0  # between what stands in one column
_NUM_STARTS = 6
_NUM_SWEEPS = 100
_LANE_PULL = 5


class CellEdge(NamedTuple):
    """What joins two states; the output counts as one more, without `op`."""

    source: int
    target: int
    op: str | None


#: Of each column, from the left, the states that have their box or a lane
#: there, from top to bottom.
Order = list[list[int]]
#: Of each column, the heights of the middles of these, by state.
Heights = list[dict[int, float]]


def arrange(graph: CellGraph) -> Heights:
    """Returns heights of few crossings and straight lines."""
    return _straightened(graph, _best_order(graph))


class CellGraph:
    """The states of a cell, by column, and what joins them.

    Attributes:
      output: the number of the last state, the output.
      edges: the cell's in their order, then those into the output.
      column: of each state.
      into: by target, the places in `edges` of what leads to it.
      last: of each state, the last column that it has its box or a lane in.
    """

    def __init__(self, cell: Cell) -> None:
        self.output = NUM_INPUTS + len(cell.nodes)
        self.edges = [
            CellEdge(edge.input, target, edge.op)
            for target, node in enumerate(cell.nodes, start=NUM_INPUTS)
            for edge in node
        ]
        self.edges += [CellEdge(s, self.output, None) for s in cell.concat]
        self.column = [0] * (self.output + 1)
        for edge in self.edges[: 2 * len(cell.nodes)]:
            beyond = self.column[edge.source] + 1
            self.column[edge.target] = max(self.column[edge.target], beyond)
        self.column[self.output] = max(self.column) + 1
        self.into = [
            [n for n, e in enumerate(self.edges) if e.target == target]
            for target in range(self.output + 1)
        ]
        self.last = list(self.column)
        for edge in self.edges:
            before = self.column[edge.target] - 1
            self.last[edge.source] = max(self.last[edge.source], before)

    def columns(self) -> Order:
        """Returns the states of each column in their own order."""
        return [
            [s for s in range(self.output + 1) if self.is_in(s, column)]
            for column in range(self.column[self.output] + 1)
        ]

    def is_in(self, state: int, column: int) -> bool:
        """Whether a state has its box or a lane in a column."""
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
        """Returns the height of a box; the more lines in, the higher."""
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

    def ends(self, heights: Heights) -> list[float]:
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

    def steps(self, heights: Heights) -> list[list[tuple]]:
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


def _stacked(graph: CellGraph, order: Order) -> Heights:
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


def _cost(graph: CellGraph, order: Order) -> tuple[int, float]:
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


def _best_order(graph: CellGraph) -> Order:
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


def _improve(graph: CellGraph, order: Order) -> tuple[int, float]:
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


def _straightened(graph: CellGraph, order: Order) -> Heights:
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
