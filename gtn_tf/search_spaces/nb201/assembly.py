"""The networks of NAS-Bench-201's cells, assembled of traced pieces."""

import functools
from collections.abc import Callable

import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.search_spaces.cells.assembled_network import AssembledNetwork
from gtn_tf.search_spaces.cells.interpreted_edge import Tensors
from gtn_tf.search_spaces.cells.structure import NetworkSize, plan_cells
from gtn_tf.search_spaces.cells.traced_block import TracedBlocks
from gtn_tf.search_spaces.nb201 import structure
from gtn_tf.search_spaces.nb201.genotypes import EDGES, NUM_NODES, Genotype


class CellAssembler:
    """Assembles networks of one size.

    Args:
      size: N cells per stage, C channels in the first one.
      spec: how its layers are made.

    Raises:
      InputError: N < 1 or C < 1.
    """

    def __init__(self, size: NetworkSize, spec: LayerSpec) -> None:
        structure.check_size(size)
        self._size = size
        self._made = TracedBlocks(spec)
        self._num_pieces = 2 + len(plan_cells(size))
        self._fold_seeds = tf.function(self._fold_all, autograph=False)

    def assemble(self, genotype: Genotype) -> tuple[Callable, Callable]:
        """Returns `init` and `apply` of a canonical genotype's `Learner`.

        Their weights are those that `CellInterpreter` draws and runs.
        """
        size, made = self._size, self._made
        network = AssembledNetwork(self._fold_seeds)
        shape = (*size.image_shape[:2], size.channels)
        stem = functools.partial(structure.stem, size.channels)
        value = network.block(
            made.later("stem", stem, size.image_shape), [network.IMAGES], 0
        )
        for number, (is_residual, channels) in enumerate(
            plan_cells(size), start=1
        ):
            seed = number * len(EDGES)
            if is_residual:
                reduce = functools.partial(structure.residual_block, channels)
                value = network.block(
                    made.later("residual", reduce, shape), [value], seed
                )
                shape = (*(-(-pixels // 2) for pixels in shape[:2]), channels)
            else:
                value = self._cell(network, genotype, value, shape, seed)
        classify = functools.partial(structure.classify, size.num_classes)
        network.block(
            made.later("classifier", classify, shape),
            [value],
            (self._num_pieces - 1) * len(EDGES),
        )
        return network.end()

    def _cell(
        self,
        network: AssembledNetwork,
        genotype: Genotype,
        value: int,
        shape: tuple[int, ...],
        seed: int,
    ) -> int:
        nodes: list[int | None] = [value] + [None] * (NUM_NODES - 1)
        for place, (op, (tail, head)) in enumerate(
            zip(genotype, EDGES, strict=True)
        ):
            if op == "none":
                term = network.nothing(nodes[tail])
            elif op == "skip_connect":
                term = network.same([nodes[tail]])
            else:
                run = functools.partial(structure.apply_op, op)
                make = self._made.later(op, run, shape)
                term = network.block(make, [nodes[tail]], seed + place)
            before = nodes[head]
            nodes[head] = term if before is None else network.add(before, term)
        if network.is_nothing(nodes[-1]):
            return network.zeros(nodes[-1], shape)
        return nodes[-1]

    def _fold_all(self, seed: tf.Tensor) -> Tensors:
        """Returns a seed for each edge of each piece; see `interpreter`."""
        seed = fold(seed, Purpose.WEIGHTS)
        is_cell = [
            False,
            *(not is_residual for is_residual, _ in plan_cells(self._size)),
            False,
        ]
        seeds: Tensors = []
        for number, has_edges in enumerate(is_cell):
            own = fold(seed, number)
            seeds += [
                fold(own, place) if has_edges else own
                for place in range(len(EDGES))
            ]
        return seeds
