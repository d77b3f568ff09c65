"""One network of all genotypes of the cell space, whose weights they share.

Every operation has weights of its own for each node, side and state that it
reads there. Each of these is a row as long as the widest operation's, several
times what the operations need: 10 F² numbers of 14 F² on the mean.
"""

import functools

import numpy as np
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.counted_loop import counted_map
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.search_spaces.cells import graphs, mixed_cells
from gtn_tf.search_spaces.cells.encoded_genotype import EncodedGenotype, encode
from gtn_tf.search_spaces.cells.genotypes import NUM_INPUTS, Genotype
from gtn_tf.search_spaces.cells.interpreted_edge import (
    Block,
    InterpretedEdge,
    Tensors,
)
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.protocol import (
    NetworkSpec,
    SharedWeights,
    WeightLayout,
)


def share(
    space: SearchSpace, network: NetworkSpec, spec: LayerSpec
) -> SharedWeights:
    """Makes the network.

    Args:
      space: of the genotypes.
      network: what it is built for.
      spec: how its layers are made.
    """
    shared = SharedCells(space, *network[:4], spec)

    @tf.function(autograph=False)
    def told(genotype: EncodedGenotype) -> Tensors:
        # Masks of loose ends are among the statistics.
        return shared.init_genotype(genotype, root_seed(0))[1]

    def encoded(genotype: Genotype) -> Tensors:
        return told(encode(genotype, space))

    @functools.cache
    def of_mix() -> Tensors:
        with tf.init_scope():  # once, not within the trace that asks first
            _, _, *statistics = told(mixed_cells.mixed_genotype(space))
        return statistics

    def mix(
        params: Tensors, _: Tensors, shares: tf.Tensor, images: tf.Tensor
    ) -> tf.Tensor:
        return mixed_cells.mix(shared, params, of_mix(), shares, images)

    return SharedWeights(
        tf.function(shared.init_all, autograph=False),
        encoded,
        shared.rows,
        shared.apply,
        num_mixed=(2 * sum(mixed_cells.num_states(space)), len(space.ops)),
        mix=mix,
        derive=lambda shares: mixed_cells.derive(shares, space),
        layouts=shared.layouts(),
        num_kinds=graphs.num_kinds(space),
        num_inputs=NUM_INPUTS,
        weight_nodes=graphs.operation_nodes(space),
        graphs=lambda genotype: graphs.graphs(genotype, space),
    )


class SharedCells(CellInterpreter):
    """An interpreter with weights for all genotypes."""

    def init_all(self, seed: tf.Tensor) -> tuple[Tensors, Tensors]:
        """Draws weights of all genotypes, from a [2] seed.

        Statistics are all a genotype's own: none here.
        """
        seed = fold(seed, Purpose.WEIGHTS)
        params: Tensors = []
        for number, piece in enumerate(self._pieces()):
            own = fold(seed, number)
            if isinstance(piece, Block):
                mask = tf.ones(piece.model.inputs[0].shape[-1])
                params += piece.init(own, mask)[0]
            else:
                params.append(self._draw_rows(piece[0], own))
        return params, []

    def rows(self, told: Tensors) -> list[tf.Tensor | None]:
        """Returns where in those weights a genotype's are.

        Args:
          told: its statistics, which begin with inputs and operations.

        Returns:
          For each of the params, the rows [2 nodes] that are `apply`'s; None:
          all.
        """
        inputs, ops = told[:2]
        first = self._first_rows().reshape(-1, 2)
        of_kinds = tf.reshape(
            first + inputs * len(self.space.ops) + ops, (2, first.size)
        )
        found: list[tf.Tensor | None] = []
        for piece in self._pieces():
            if isinstance(piece, Block):
                found += [None] * piece.num_params
            else:
                found.append(of_kinds[piece[1]])
        return found

    def layouts(self) -> list[WeightLayout | None]:
        """Returns what those weights are; None: not of operations."""
        found: list[WeightLayout | None] = []
        for piece in self._pieces():
            if isinstance(piece, Block):
                found += [None] * piece.num_params
                continue
            edge, kind = piece
            states, ops = self._row_contents()
            found.append(edge.layout(edge.position(ops, states), kind))
        return found

    def _pieces(self) -> list[Block | tuple[InterpretedEdge, int]]:
        """Returns blocks, and edges with the kind of their cell, in order."""
        pieces: list[Block | tuple[InterpretedEdge, int]] = [self.stem]
        for cell in self.cells:
            pieces += [*cell.blocks, (cell.edge, cell.kind)]
        return [*pieces, self.classifier]

    def _num_states(self) -> np.ndarray:
        """Returns how many states each edge may read, [2 nodes]."""
        return np.repeat(mixed_cells.num_states(self.space), 2)

    def _first_rows(self) -> np.ndarray:
        """Returns the first row of each edge, [2 nodes]."""
        sizes = self._num_states() * len(self.space.ops)
        return (np.cumsum(sizes) - sizes).astype(np.int32)

    def _draw_rows(self, edge: InterpretedEdge, seed: tf.Tensor) -> tf.Tensor:
        """Draws a cell's weights, a row per edge, state and operation."""
        contents = self._row_contents()
        states, ops = (tf.constant(values, tf.int32) for values in contents)

        def draw(row: tf.Tensor) -> tf.Tensor:
            choice = edge.choice(ops[row], states[row])
            return edge.init(choice, fold(seed, row))[0]

        return counted_map(draw, contents[0].size, edge.dtype)

    def _row_contents(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the state and the operation of each row."""
        num_ops = len(self.space.ops)
        states = np.concatenate([np.arange(n) for n in self._num_states()])
        ops = np.tile(np.arange(num_ops), len(states))
        return np.repeat(states, num_ops), ops
