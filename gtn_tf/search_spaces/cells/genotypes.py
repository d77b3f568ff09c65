"""Genotypes: a normal and a reduction cell, as immutable data.

A cell's states are its two inputs (0: the output before the last, 1: the last
output) and its nodes (2, 3, ...). A node is the sum of two operations on
earlier states; the output concatenates the states that `concat` lists.
Imports no TensorFlow.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.protocol import key_of
from gtn_tf.types import InputError

NUM_INPUTS = 2


class Edge(NamedTuple):
    """An operation on a state: (index of the state, name in `OPS`)."""

    input: int
    op: str


Node = tuple[Edge, Edge]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
      nodes: two edges each; node i is state i + 2.
      concat: the states that make the output, ascending.

    Raises:
      InputError: an impossible input, operation or concat.
    """

    nodes: tuple[Node, ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        nodes = tuple(tuple(Edge(*edge) for edge in n) for n in self.nodes)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "concat", tuple(self.concat))
        _check_nodes(nodes)
        num_states = NUM_INPUTS + len(nodes)
        ascending = sorted(set(self.concat))
        if (
            not ascending
            or list(self.concat) != ascending
            or ascending[0] < 0
            or ascending[-1] >= num_states
        ):
            raise InputError(
                f"concat {list(self.concat)} of a cell of {len(nodes)} nodes; "
                f"expected ascending states in [0, {num_states}); correct the "
                "genotype"
            )

    @property
    def edges(self) -> Iterator[Edge]:
        """All edges, node by node."""
        return itertools.chain.from_iterable(self.nodes)

    def canonical(self) -> "Cell":
        """Returns the one cell that stands for all of the same function.

        Cells are the same up to the order of nodes, of a node's two edges and
        of the concatenated states, and up to nodes that do not reach the
        output. Nodes of one definition stay two: they have their own weights.
        """
        alive = [s for s in self.used_states() if s >= NUM_INPUTS]
        return min(_relabelled(_renamed(self, alive)), key=_as_text)

    def used_states(self) -> tuple[int, ...]:
        """Returns the states, inputs included, that reach the output."""
        used = set(self.concat)
        for state in reversed(range(NUM_INPUTS, NUM_INPUTS + len(self.nodes))):
            if state in used:
                used |= {edge.input for edge in _node(self, state)}
        return tuple(sorted(used))


def _check_nodes(nodes: tuple) -> None:
    for position, node in enumerate(nodes):
        state = position + NUM_INPUTS
        if len(node) != 2:
            raise InputError(
                f"node {state} has {len(node)} inputs; expected 2; correct "
                "the genotype"
            )
        for edge in node:
            if edge.op not in OPS:
                raise InputError(
                    f"operation '{edge.op}' of node {state} is unknown; "
                    f"expected one of {', '.join(OPS)}; correct the genotype"
                )
            if not isinstance(edge.input, int) or not 0 <= edge.input < state:
                raise InputError(
                    f"input {edge.input!r} of node {state}; expected an "
                    f"earlier state, 0 to {state - 1}; correct the genotype"
                )


def loose_ends(nodes: Sequence[Node]) -> tuple[int, ...]:
    """Returns the states, cell inputs included, that no node reads."""
    used = {edge.input for node in nodes for edge in node}
    return tuple(i for i in range(NUM_INPUTS + len(nodes)) if i not in used)


def _renamed(cell: Cell, order: Sequence[int]) -> Cell:
    """Returns the cell of the node states `order`, in that order."""
    names = {old: new for new, old in enumerate([*range(NUM_INPUTS), *order])}
    nodes = tuple(
        tuple(sorted(Edge(names[i], op) for i, op in _node(cell, old)))
        for old in order
    )
    return Cell(nodes, tuple(sorted(names[i] for i in cell.concat)))


def _node(cell: Cell, state: int) -> Node:
    return cell.nodes[state - NUM_INPUTS]


def _relabelled(cell: Cell) -> Iterator[Cell]:
    """Yields the cell in each order that could be the smallest.

    The next node is always one of the smallest definition among those whose
    inputs are placed; only ties branch. Any two orders of a cell yield the
    same set of cells, hence the same smallest.
    """

    def extend(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        names = {o: n for n, o in enumerate([*range(NUM_INPUTS), *order])}
        ready = {}
        for state in range(NUM_INPUTS, NUM_INPUTS + len(cell.nodes)):
            node = _node(cell, state)
            if state in names or any(e.input not in names for e in node):
                continue
            ready[state] = sorted(Edge(names[i], op) for i, op in node)
        if not ready:
            yield order
            return
        smallest = min(ready.values())
        for state, definition in ready.items():
            if definition == smallest:
                yield from extend((*order, state))

    for order in extend(()):
        yield _renamed(cell, order)


def _as_text(cell: Cell) -> str:
    nodes = ",".join(
        "+".join(f"{edge.op}@{edge.input}" for edge in node)
        for node in cell.nodes
    )
    return f"{nodes}:{'-'.join(map(str, cell.concat))}"


def _from_text(text: str) -> Cell:
    nodes_text, _, concat_text = text.partition(":")
    nodes = []
    for node_text in nodes_text.split(",") if nodes_text else ():
        edges = [e.partition("@") for e in node_text.split("+")]
        nodes.append(tuple(Edge(int(i), op) for op, _, i in edges))
    return Cell(tuple(nodes), tuple(map(int, concat_text.split("-"))))


@dataclasses.dataclass(frozen=True)
class Genotype:
    """The two cells that a network is made of.

    Attributes:
      normal: keeps the image size.
      reduction: halves it: its operations on the cell's inputs have stride 2.
    """

    normal: Cell
    reduction: Cell

    def canonical(self) -> "Genotype":
        """Returns the genotype that stands for all of the same function."""
        return Genotype(self.normal.canonical(), self.reduction.canonical())

    def key(self) -> str:
        """Returns 16 hexadecimal digits, equal for equal functions."""
        return key_of(self.canonical().to_text())

    def to_text(self) -> str:
        """Returns "op@input+op@input,...:concat/...", normal cell first."""
        return f"{_as_text(self.normal)}/{_as_text(self.reduction)}"

    @classmethod
    def from_text(cls, text: str) -> "Genotype":
        """Reads what `to_text` writes.

        Raises:
          InputError: the text is not such a genotype.
        """
        try:
            normal, reduction = map(_from_text, text.strip().split("/"))
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"genotype '{text[:60]}' cannot be read; expected "
                "op@input+op@input,...:concat/... such as "
                "'conv1x1@0+identity@1:2/max2x2@0+conv3x3@1:2'; correct it"
            ) from error
        return cls(normal, reduction)

    def to_json(self) -> dict:
        """Returns lists and dicts: per node [op, input, op, input]."""
        return {
            name: {
                "nodes": [
                    [v for edge in node for v in (edge.op, edge.input)]
                    for node in cell.nodes
                ],
                "concat": list(cell.concat),
            }
            for name, cell in (
                ("normal", self.normal),
                ("reduction", self.reduction),
            )
        }

    @classmethod
    def from_json(cls, values: Mapping) -> "Genotype":
        """Reads what `to_json` returns.

        Raises:
          InputError: the values are not such a genotype.
        """
        try:
            cells = [
                Cell(
                    tuple(
                        tuple(
                            Edge(i, op)
                            for op, i in zip(n[::2], n[1::2], strict=True)
                        )
                        for n in values[name]["nodes"]
                    ),
                    tuple(values[name]["concat"]),
                )
                for name in ("normal", "reduction")
            ]
        except InputError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"genotype {str(values)[:60]} cannot be read; expected "
                "{'normal': {'nodes': [[op, input, op, input], ...], "
                "'concat': [...]}, 'reduction': ...}; correct it"
            ) from error
        return cls(*cells)
