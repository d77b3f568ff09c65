"""The space that random search draws genotypes from.

Nodes' inputs are uniform over all earlier states, operations uniform over
`ops`, both cells are independent, and the output concatenates the loose ends,
cell inputs included (the paper's space: 5 nodes, eleven operations).
Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.search_spaces.cells.genotypes import (
    NUM_INPUTS,
    Cell,
    Edge,
    Genotype,
    loose_ends,
)
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.protocol import (
    Assemble,
    Cost,
    Interpreter,
    NetworkSpec,
    Seed,
    SharedWeights,
    Space,
)
from gtn_tf.types import InputError

if TYPE_CHECKING:
    import keras

#: The paper's eleven.
DEFAULT_OPS = tuple(OPS)[:11]


@dataclasses.dataclass(frozen=True)
class SearchSpace(Space):
    """All genotypes of `num_nodes` nodes per cell and operations `ops`.

    Raises:
      InputError: no node, no operation, an unknown or a repeated one.
    """

    interprets = True
    name = "cells"
    assembles = True

    num_nodes: int = 5
    ops: tuple[str, ...] = DEFAULT_OPS

    def __post_init__(self) -> None:
        object.__setattr__(self, "ops", tuple(self.ops))
        if self.num_nodes < 1:
            raise InputError(
                f"{self.num_nodes} nodes per cell; expected at least 1; set "
                "--config.search.num_nodes"
            )
        unknown = [op for op in self.ops if op not in OPS]
        if unknown or not self.ops or len(set(self.ops)) < len(self.ops):
            raise InputError(
                f"operations {', '.join(self.ops) or 'none'}; expected "
                f"different ones of {', '.join(OPS)}; set --config.search.ops"
            )

    def sample(self, seed: Seed) -> Genotype:
        """Draws a genotype, uniformly over encodings.

        Args:
          seed: whole numbers >= 0 that seed `numpy.random.default_rng`.
            Architecture i of a run is `sample((run_seed, i))`, whatever was
            drawn before it.
        """
        rng = np.random.default_rng(seed)
        return Genotype(self._cell(rng), self._cell(rng))

    def canonical(self, architecture: Genotype) -> Genotype:
        """Returns the genotype that stands for all of the same function."""
        return architecture.canonical()

    def how_to_have_more(self, asked_by: str) -> str:
        """See `Space`."""
        return f" or raise --config.{asked_by.split('.')[0]}.num_nodes"

    def to_text(self, architecture: Genotype) -> str:
        """Returns `Genotype.to_text`."""
        return architecture.to_text()

    def from_text(self, text: str) -> Genotype:
        """Reads any genotype, of another number of nodes or operations too."""
        return Genotype.from_text(text)

    def to_json(self, architecture: Genotype) -> dict:
        """Returns `Genotype.to_json`."""
        return architecture.to_json()

    def decisions(self) -> tuple[int, ...]:
        """Returns states and operations of every edge, normal cell first."""
        of_cell = [
            number
            for state in range(NUM_INPUTS, NUM_INPUTS + self.num_nodes)
            for number in (state, len(self.ops)) * 2
        ]
        return (*of_cell, *of_cell)

    def encode(self, architecture: Genotype) -> tuple[int, ...]:
        """Returns input and operation of every edge; see `decisions`.

        Raises:
          InputError: it is not of this space.
        """
        cells = (architecture.normal, architecture.reduction)
        for cell in cells:
            if (
                len(cell.nodes) != self.num_nodes
                or not {edge.op for edge in cell.edges} <= set(self.ops)
                or cell.concat != loose_ends(cell.nodes)
            ):
                raise InputError(
                    f"genotype '{architecture.to_text()}'; expected "
                    f"{self.num_nodes} nodes per cell of "
                    f"{', '.join(self.ops)}, and the loose ends concatenated; "
                    "set --config.search.num_nodes and search.ops to its own"
                )
        return tuple(
            value
            for cell in cells
            for edge in cell.edges
            for value in (edge.input, self.ops.index(edge.op))
        )

    def decode(self, options: Sequence[int]) -> Genotype:
        """Returns the genotype of these inputs and operations."""
        edges = [
            Edge(state, self.ops[op])
            for state, op in zip(options[::2], options[1::2], strict=True)
        ]
        nodes = tuple(zip(edges[::2], edges[1::2], strict=True))
        halves = nodes[: self.num_nodes], nodes[self.num_nodes :]
        return Genotype(*(Cell(half, loose_ends(half)) for half in halves))

    def rewritten(self, architecture: Genotype, seed: Seed) -> Genotype:
        """Swaps the two edges of one node in each cell."""
        rng = np.random.default_rng(seed)
        cells = []
        for cell in (architecture.normal, architecture.reduction):
            nodes = list(cell.nodes)
            chosen = int(rng.integers(len(nodes)))
            nodes[chosen] = nodes[chosen][::-1]
            cells.append(Cell(tuple(nodes), cell.concat))
        return Genotype(*cells)

    def build(
        self, architecture: Genotype, network: NetworkSpec
    ) -> "keras.Model":
        """Builds `network.build_cell_network`."""
        from gtn_tf.search_spaces.cells import search_networks  # TensorFlow

        return search_networks.build(architecture, network)

    def interpreter(self, network: NetworkSpec) -> Interpreter:
        """Traces `interpreter.CellInterpreter`."""
        from gtn_tf.search_spaces.cells import search_networks  # TensorFlow

        return search_networks.interpret(self, network)

    def shared_weights(self, network: NetworkSpec) -> SharedWeights:
        """Makes `search_networks.share`."""
        from gtn_tf.search_spaces.cells import search_networks  # TensorFlow

        return search_networks.share(self, network)

    def assembler(self, network: NetworkSpec) -> Assemble:
        """Returns `search_networks.assembler`."""
        from gtn_tf.search_spaces.cells import search_networks  # TensorFlow

        return search_networks.assembler(self, network)

    def cost(self, architecture: Genotype, network: NetworkSpec) -> Cost:
        """Counts the network in training form."""
        counted = cell_network_cost(architecture, *network[:4])
        return Cost(counted.params, counted.multiply_adds)

    def _cell(self, rng: np.random.Generator) -> Cell:
        nodes = tuple(
            (self._edge(rng, state), self._edge(rng, state))
            for state in range(NUM_INPUTS, NUM_INPUTS + self.num_nodes)
        )
        return Cell(nodes, loose_ends(nodes))

    def _edge(self, rng: np.random.Generator, num_states: int) -> Edge:
        state = int(rng.integers(num_states))
        return Edge(state, self.ops[int(rng.integers(len(self.ops)))])
