"""Networks of genotypes, assembled of traced pieces."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.search_spaces.cells import structure
from gtn_tf.search_spaces.cells.assembled_network import AssembledNetwork
from gtn_tf.search_spaces.cells.genotypes import NUM_INPUTS, Cell, Genotype
from gtn_tf.search_spaces.cells.interpreted_edge import Tensors
from gtn_tf.search_spaces.cells.interpreter import (
    apply_op,
    calibrate,
    reduce,
)
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.cells.structure import NetworkSize, plan_cells
from gtn_tf.search_spaces.cells.traced_block import TracedBlocks


class _Output(NamedTuple):
    """What a cell reads: its number, (H, W, C), and which channels count."""

    value: int
    shape: tuple[int, int, int]
    mask: np.ndarray | None


class CellAssembler:
    """Assembles networks of one size, of genotypes with as many nodes.

    As the graph that interprets any genotype, a cell concatenates all states,
    and a mask in each reader hides those that do not count: zeros, here, which
    nothing computes.

    Args:
      num_nodes: of a cell.
      size: of the networks.
      spec: how their layers are made.
    """

    def __init__(
        self, num_nodes: int, size: NetworkSize, spec: LayerSpec
    ) -> None:
        self._num_nodes, self._size, self._spec = num_nodes, size, spec
        self._made = TracedBlocks(spec)
        #: Seeds of each piece: one, or those of the edges of a cell.
        self._num_seeds = [1]
        for is_reduction, _ in plan_cells(size):
            num_blocks = NUM_INPUTS * (2 if is_reduction else 1)
            self._num_seeds += [1] * num_blocks + [2 * num_nodes]
        self._num_seeds.append(1)
        self._fold_seeds = tf.function(self._fold_all, autograph=False)

    def assemble(self, genotype: Genotype) -> tuple[Callable, Callable]:
        """Returns `init` and `apply` of a genotype's `Learner`.

        Their weights are those that `CellInterpreter` draws and runs.
        """
        size = self._size
        network = AssembledNetwork(self._fold_seeds)
        seeds = iter(np.cumsum([0, *self._num_seeds]).tolist())

        channels = structure.STEM_MULTIPLIER * size.channels
        images = _Output(network.IMAGES, size.image_shape, None)
        before = last = _Output(
            self._block(
                network,
                "stem",
                lambda x, make: structure.stem(x, size.channels, make),
                images,
                next(seeds),
            ),
            (*size.image_shape[:2], channels),
            None,
        )
        for is_reduction, channels in plan_cells(size):
            cell = genotype.reduction if is_reduction else genotype.normal
            outputs = self._cell(
                network, cell, is_reduction, (before, last), channels, seeds
            )
            before, last = last, outputs
        self._block(
            network,
            "classify",
            lambda x, make: make.classify(x, size.num_classes),
            last if self._spec.activates_output else last._replace(mask=None),
            next(seeds),
        )
        return network.end()

    def _cell(
        self,
        network: AssembledNetwork,
        cell: Cell,
        is_reduction: bool,
        inputs: tuple[_Output, _Output],
        channels: int,
        seeds: Iterator[int],
    ) -> _Output:
        before, last = inputs
        differs = before.shape[:2] != last.shape[:2]
        states = []
        for position, source in enumerate(inputs):
            halves = differs and position == 0
            make = functools.partial(calibrate, channels, halves)
            name = ("calibrate", channels, halves)
            states.append(self._block(network, name, make, source, next(seeds)))
        shape = (*last.shape[:2], channels)
        reduced: list[int] = []
        if is_reduction:
            make = functools.partial(reduce, channels)
            for state in states:
                source = _Output(state, shape, None)
                reduced.append(
                    self._block(network, "reduce", make, source, next(seeds))
                )
        nodes = self._nodes(
            network, cell, is_reduction, states, shape, next(seeds)
        )
        if is_reduction:
            shape = _halved(shape)
        outputs = [*reduced, *nodes]
        counts = np.array([s in cell.concat for s in range(len(outputs))])
        return _Output(
            network.concat(outputs, [outputs[s] for s in cell.concat], shape),
            (*shape[:2], len(outputs) * channels),
            np.repeat(counts, channels),
        )

    def _nodes(
        self,
        network: AssembledNetwork,
        cell: Cell,
        is_reduction: bool,
        states: list[int],
        shape: tuple[int, int, int],
        seed: int,
    ) -> list[int]:
        """Returns the nodes of a reduction cell, of others all states.

        In a reduction cell an edge reads an input and a node, as an
        interpreted one does, and needs one of them.
        """
        nodes: list[int] = [] if is_reduction else states
        of_inputs = network.group(states) if is_reduction else None
        for edges in cell.nodes:
            of_nodes = network.group(nodes) if nodes else None
            terms = []
            for edge in edges:
                op, state = edge.op, edge.input
                reads = []
                if is_reduction:
                    number = states[min(state, NUM_INPUTS - 1)]
                    reads.append(network.pick(of_inputs, number))
                    state -= NUM_INPUTS
                if nodes:
                    number = nodes[max(state, 0)]
                    reads.append(network.pick(of_nodes, number))
                is_strided = state < 0
                needs = reads[0] if is_strided else reads[-1]
                if op == "identity" and not is_strided:
                    terms.append(network.same(reads, needs))
                else:
                    stride = 2 if is_strided else 1
                    make = self._made.later(
                        (op, stride),
                        functools.partial(apply_op, OPS[op], stride),
                        _halved(shape)
                        if is_reduction and not is_strided
                        else shape,
                    )
                    terms.append(network.block(make, reads, seed, needs=needs))
                seed += 1
            nodes = [*nodes, network.add(*terms)]
        return nodes

    def _block(
        self,
        network: AssembledNetwork,
        name: object,
        function: Callable,
        source: _Output,
        seed: int,
    ) -> int:
        mask = source.mask
        is_masked = mask is not None
        if is_masked:
            mask = tf.constant(mask, self._spec.variable_dtype)
        make = self._made.later(name, function, source.shape, is_masked)
        return network.block(make, [source.value], seed, mask)

    def _fold_all(self, seed: tf.Tensor) -> Tensors:
        """Returns a seed for each piece, or edge of it; see `interpreter`."""
        seed = fold(seed, Purpose.WEIGHTS)
        seeds: Tensors = []
        for number, count in enumerate(self._num_seeds):
            own = fold(seed, number)
            seeds += (
                [own]
                if count == 1
                else [fold(own, position) for position in range(count)]
            )
        return seeds


def _halved(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    height, width, channels = shape
    return -(-height // 2), -(-width // 2), channels
