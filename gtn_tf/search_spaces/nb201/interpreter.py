"""One traced graph that runs any cell of NAS-Bench-201.

As `cells.interpreter`: per edge a `tf.switch_case` runs the operation that is
asked for, with a flat vector of weights that is long enough for each. So a
genotype computes here what `networks.build` builds of it, to rounding.
"""

import functools

import numpy as np
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.search_spaces.cells.interpreted_edge import (
    Block,
    InterpretedEdge,
    Tensors,
)
from gtn_tf.search_spaces.cells.interpreter import Run
from gtn_tf.search_spaces.cells.structure import NetworkSize, plan_cells
from gtn_tf.search_spaces.nb201 import structure
from gtn_tf.search_spaces.nb201.genotypes import EDGES, NUM_NODES, OPS
from gtn_tf.search_spaces.protocol import WeightLayout


class CellInterpreter:
    """A network of NAS-Bench-201 that takes its cell as data.

    `apply` is that of a `Learner`.

    Args:
      size: N cells per stage, C channels in the first one.
      spec: how its layers are made.

    Raises:
      InputError: N < 1 or C < 1.
    """

    def __init__(self, size: NetworkSize, spec: LayerSpec) -> None:
        structure.check_size(size)
        make_stem = functools.partial(structure.stem, size.channels)
        pieces: list[Block | InterpretedEdge]
        pieces = [Block(size.image_shape, make_stem, spec)]
        edges: dict[tuple, InterpretedEdge] = {}
        for is_residual, channels in plan_cells(size):
            shape = pieces[-1].shape
            if is_residual:
                reduce = functools.partial(structure.residual_block, channels)
                pieces.append(Block(shape, reduce, spec))
                continue
            if shape not in edges:
                ops = [functools.partial(structure.apply_op, op) for op in OPS]
                edges[shape] = InterpretedEdge(ops, shape, spec)
            pieces.append(edges[shape])
        make_logits = functools.partial(structure.classify, size.num_classes)
        pieces.append(Block(pieces[-1].shape, make_logits, spec))
        #: Stem, cells and residual blocks, classifier; a cell is its edge.
        self._pieces = pieces

    def init_ops(
        self, ops: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, Tensors]:
        """Draws weights for a cell, [6] places in `OPS`, from a [2] seed."""
        seed = fold(seed, Purpose.WEIGHTS)
        params: Tensors = []
        statistics: Tensors = [ops]
        for number, piece in enumerate(self._pieces):
            if isinstance(piece, Block):
                drawn = piece.init(fold(seed, number))
            else:
                of_edges = [
                    piece.init(op, fold(seed, number, position))
                    for position, op in enumerate(tf.unstack(ops))
                ]
                drawn = ([tf.stack(v)] for v in zip(*of_edges, strict=True))
            for values, new in zip((params, statistics), drawn, strict=True):
                values.extend(new)
        return params, statistics

    def init_all(self, seed: tf.Tensor) -> tuple[Tensors, Tensors]:
        """Draws weights of all cells, from a [2] seed; see `rows`.

        Statistics are without the cell, and zeros for its edges.
        """
        seed = fold(seed, Purpose.WEIGHTS)
        params: Tensors = []
        statistics: Tensors = []
        for number, piece in enumerate(self._pieces):
            if isinstance(piece, Block):
                drawn = piece.init(fold(seed, number))
            else:
                flat = [
                    piece.init(
                        tf.constant(op), fold(seed, number, position, op)
                    )[0]
                    for position in range(len(EDGES))
                    for op in range(len(OPS))
                ]
                shape = (len(EDGES), piece.statistics_size)
                drawn = [tf.stack(flat)], [tf.zeros(shape, piece.dtype)]
            params.extend(drawn[0])
            statistics.extend(drawn[1])
        return params, statistics

    def mix(
        self,
        params: Tensors,
        statistics: Tensors,
        shares: tf.Tensor,
        images: tf.Tensor,
    ) -> tf.Tensor:
        """Returns logits of all operations at once; see `SharedWeights`."""
        run = Run(params, statistics, training=True)
        outputs = images
        for piece in self._pieces:
            if isinstance(piece, Block):
                outputs = run.block(piece, outputs)
            else:
                outputs = _mix_cell(run, piece, shares, outputs)
        return outputs

    def rows(self, ops: tf.Tensor) -> list[tf.Tensor | None]:
        """Returns where in those weights the ones of a cell are.

        Args:
          ops: [6], places in `OPS`.

        Returns:
          For each of the params, the rows [6] that are `apply`'s; None: all.
        """
        rows = tf.range(len(EDGES)) * len(OPS) + ops
        found: list[tf.Tensor | None] = []
        for piece in self._pieces:
            if isinstance(piece, Block):
                found.extend([None] * piece.num_params)
            else:
                found.append(rows)
        return found

    def layouts(self) -> list[WeightLayout | None]:
        """Returns what those weights are; None: not of operations."""
        found: list[WeightLayout | None] = []
        for piece in self._pieces:
            if isinstance(piece, Block):
                found.extend([None] * piece.num_params)
            else:
                of_rows = np.tile(np.arange(len(OPS)), len(EDGES))
                found.append(piece.layout(of_rows))
        return found

    def apply(
        self,
        params: Tensors,
        statistics: Tensors,
        images: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, Tensors]:
        """Runs the cell that `statistics` begin with; see `Learner`."""
        ops, *statistics = statistics
        run = Run(params, statistics, training)
        outputs = images
        for piece in self._pieces:
            if isinstance(piece, Block):
                outputs = run.block(piece, outputs)
            else:
                outputs = _run_cell(run, piece, tf.unstack(ops), outputs)
        return outputs, [ops, *run.statistics_after]


def _mix_cell(
    run: Run, edge: InterpretedEdge, shares: tf.Tensor, inputs: tf.Tensor
) -> tf.Tensor:
    params, statistics = (tf.unstack(flat) for flat in run.edges())
    nodes: list = [inputs] + [None] * (NUM_NODES - 1)
    for position, (tail, head) in enumerate(EDGES):
        for op in range(len(OPS)):
            outputs = edge.run_op(
                op,
                params[position * len(OPS) + op],
                statistics[position],
                nodes[tail],
            )
            term = shares[position, op] * outputs
            before = nodes[head]
            nodes[head] = term if before is None else before + term
    return nodes[-1]


def _run_cell(
    run: Run, edge: InterpretedEdge, ops: Tensors, inputs: tf.Tensor
) -> tf.Tensor:
    # Unstacked, as in `cells.interpreter`.
    params, statistics = (tf.unstack(flat) for flat in run.edges())
    nodes: list = [inputs] + [None] * (NUM_NODES - 1)
    after = []
    for position, (tail, head) in enumerate(EDGES):
        outputs, new = edge.apply(
            ops[position],
            params[position],
            statistics[position],
            [nodes[tail]],
            run.training,
        )
        after.append(new)
        before = nodes[head]
        nodes[head] = outputs if before is None else before + outputs
    run.statistics_after.append(tf.stack(after))
    return nodes[-1]
