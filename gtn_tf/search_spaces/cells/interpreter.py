"""One traced graph that runs any genotype of a space.

A cell network whose genotype is data: per edge a `tf.switch_case` runs the one
operation that is asked for, on the one state that is asked for. Ranking many
genotypes, and drawing one per learner in meta-training, then cost one trace.

* An edge has one flat vector of weights, long enough for every operation; an
  operation reads its own from the front. What it leaves unused has no gradient.
* A cell always concatenates all its states. A mask in each reader hides those
  that the genotype does not concatenate, and the reader's initial values take
  their fan-in from the others, as for drawn widths.
* So a genotype computes here what `network` builds of it, to rounding.
* The backward pass of an edge runs its operation once more.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.search_spaces.cells import structure as cell_structure
from gtn_tf.search_spaces.cells.encoded_genotype import (
    EncodedGenotype,
    draw_genotype,
)
from gtn_tf.search_spaces.cells.genotypes import NUM_INPUTS
from gtn_tf.search_spaces.cells.interpreted_edge import (
    Block,
    InterpretedEdge,
    Tensors,
)
from gtn_tf.search_spaces.cells.network import FORMS, KerasAssembler
from gtn_tf.search_spaces.cells.operations import OPS, Op
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.cells.structure import NetworkSize


class CellPlan(NamedTuple):
    """One cell of the network; `kind` is 0 for normal, 1 for reduction."""

    kind: int
    channels: int
    calibrations: tuple[Block, Block]
    reducers: tuple[Block, ...]
    edge: InterpretedEdge
    source_masks: tuple[tuple[int, int] | None, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What runs before its edges, in order."""
        return (*self.calibrations, *self.reducers)


class CellInterpreter:
    """A cell network that takes its genotype as data.

    `init` and `apply` are those of a `Learner`. It has a `stem`, `cells` and a
    `classifier`, with weights in this order.

    Args:
      space: of the genotypes.
      num_cells: N, as in `network.build_cell_network`.
      channels: F.
      image_shape: (H, W, C).
      num_classes: K.
      spec: how their layers are made.
    """

    def __init__(
        self,
        space: SearchSpace,
        num_cells: int,
        channels: int,
        image_shape: tuple[int, int, int],
        num_classes: int,
        spec: LayerSpec = FORMS["search"],
    ) -> None:
        self.space = space
        self.spec = spec
        size = NetworkSize(num_cells, channels, image_shape, num_classes)
        self.stem = Block(
            image_shape,
            lambda x, make: cell_structure.stem(x, channels, make),
            spec,
        )
        edges: dict[tuple, InterpretedEdge] = {}
        # (shape, mask of its channels) of the two last outputs.
        before = last = (self.stem.shape, None)
        self.cells = []
        for is_reduction, cell_channels in cell_structure.plan_cells(size):
            plan = self._plan(is_reduction, cell_channels, before, last, edges)
            self.cells.append(plan)
            num_states = NUM_INPUTS + space.num_nodes
            shape = (*plan.edge.shape[:2], num_states * cell_channels)
            before, last = last, (shape, (plan.kind, cell_channels))
        self.classifier = Block(
            last[0],
            lambda x, make: make.classify(x, num_classes),
            spec,
            is_masked=spec.activates_output,
        )
        self._last_mask = last[1]

    def _plan(
        self,
        is_reduction: bool,
        channels: int,
        before: tuple,
        last: tuple,
        edges: dict[tuple, InterpretedEdge],
    ) -> CellPlan:
        differs = before[0][:2] != last[0][:2]
        calibrations = tuple(
            Block(
                shape,
                functools.partial(
                    calibrate, channels, differs and position == 0
                ),
                self.spec,
                is_masked=mask is not None,
            )
            for position, (shape, mask) in enumerate((before, last))
        )
        shape = calibrations[1].shape
        stride = 2 if is_reduction else 1
        if (shape, stride) not in edges:
            edges[shape, stride] = InterpretedEdge(
                self._ops(stride),
                shape,
                self.spec,
                self._ops(1) if is_reduction else None,
            )
        reducers = ()
        if is_reduction:
            reducers = tuple(
                Block(shape, functools.partial(reduce, channels), self.spec)
                for _ in range(NUM_INPUTS)
            )
        return CellPlan(
            int(is_reduction),
            channels,
            calibrations,
            reducers,
            edges[shape, stride],
            (before[1], last[1]),
        )

    def _ops(self, stride: int) -> list[Callable]:
        return [
            functools.partial(apply_op, OPS[op], stride)
            for op in self.space.ops
        ]

    def init(self, seed: tf.Tensor) -> tuple[Tensors, Tensors]:
        """Draws a genotype of the space and its weights from a [2] seed."""
        # A learner of drawn genotype has no drawn widths.
        genotype = draw_genotype(self.space, fold(seed, Purpose.WIDTHS))
        return self.init_genotype(genotype, seed)

    def init_genotype(
        self, genotype: EncodedGenotype, seed: tf.Tensor
    ) -> tuple[Tensors, Tensors]:
        """Draws weights for a genotype, from a [2] seed."""
        seed = fold(seed, Purpose.WEIGHTS)
        params: Tensors = []
        statistics: Tensors = [genotype.inputs, genotype.ops]
        num_drawn = 0

        def add(values: tuple[Tensors, Tensors]) -> None:
            nonlocal num_drawn
            num_drawn += 1
            params.extend(values[0])
            statistics.extend(values[1])

        def mask(source: tuple[int, int] | None) -> tf.Tensor | None:
            if source is None:
                return None
            kind, channels = source
            dtype = self.spec.variable_dtype
            concat = tf.cast(genotype.concat[kind], dtype)
            return tf.repeat(concat, channels)

        add(self.stem.init(fold(seed, num_drawn)))
        for cell in self.cells:
            sources = (*cell.source_masks, None, None)
            for block, source in zip(cell.blocks, sources, strict=False):
                add(block.init(fold(seed, num_drawn), mask(source)))
            drawn = [
                cell.edge.init(choice, fold(seed, num_drawn, position))
                for position, choice in enumerate(self._choices(cell, genotype))
            ]
            flat_params, flat_statistics = zip(*drawn, strict=True)
            add(([tf.stack(flat_params)], [tf.stack(flat_statistics)]))
        seed = fold(seed, num_drawn)
        add(self.classifier.init(seed, mask(self._last_mask)))
        return params, statistics

    @staticmethod
    def _choices(cell: CellPlan, genotype: EncodedGenotype) -> Tensors:
        choices = cell.edge.choice(
            genotype.ops[cell.kind], genotype.inputs[cell.kind]
        )
        return tf.unstack(tf.reshape(choices, [-1]))

    def apply(
        self,
        params: Tensors,
        statistics: Tensors,
        images: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, Tensors]:
        """Runs the genotype that `statistics` begin with; see `Learner`."""
        inputs, ops, *statistics = statistics
        run = Run(params, statistics, training)
        before = last = run.block(self.stem, images)
        for cell in self.cells:
            kind = cell.kind
            outputs = _run_cell(
                run, cell, inputs[kind], ops[kind], before, last
            )
            before, last = last, outputs
        logits = run.block(self.classifier, last)
        return logits, [inputs, ops, *run.statistics_after]


def apply_op(
    op: Op, stride: int, inputs: keras.KerasTensor, make: KerasAssembler
) -> keras.KerasTensor:
    """Makes an operation."""
    return cell_structure.apply_op(op, inputs, stride, make)


def calibrate(
    channels: int,
    halves: bool,
    inputs: keras.KerasTensor,
    make: KerasAssembler,
) -> keras.KerasTensor:
    """Makes what brings an input of a cell to its channels and size."""
    return cell_structure.calibrate(inputs, channels, halves, make)


def reduce(
    channels: int, inputs: keras.KerasTensor, make: KerasAssembler
) -> keras.KerasTensor:
    """Makes what halves an input of a reduction cell that is concatenated."""
    return cell_structure.factorized_reduction(inputs, channels, make)


class Run:
    """Hands the flat lists of one pass out, in the order of `init`.

    Args:
      params: of all blocks.
      statistics: of all blocks.
      training: as in `Learner.apply`.

    Attributes:
      training: as given.
      statistics_after: of the blocks that have run.
    """

    def __init__(
        self, params: Tensors, statistics: Tensors, training: bool
    ) -> None:
        self._params = iter(params)
        self._statistics = iter(statistics)
        self.training = training
        self.statistics_after: Tensors = []

    def block(self, block: Block, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the outputs of the next block."""
        params = [next(self._params) for _ in range(block.num_params)]
        statistics = [
            next(self._statistics) for _ in range(block.num_statistics)
        ]
        outputs, after = block.apply(params, statistics, inputs, self.training)
        self.statistics_after += after
        return outputs

    def inputs(
        self, cell: CellPlan, before: tf.Tensor, last: tf.Tensor
    ) -> tuple[Tensors, Tensors]:
        """Returns a cell's two input states, and what halves them, if any."""
        states = [
            self.block(block, tensor)
            for block, tensor in zip(
                cell.calibrations, (before, last), strict=True
            )
        ]
        reduced = [
            self.block(block, state)
            for block, state in zip(cell.reducers, states, strict=False)
        ]
        return states, reduced

    def edges(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the flat (params, statistics) of a cell's edges, stacked."""
        return next(self._params), next(self._statistics)


def _run_cell(
    run: Run,
    cell: CellPlan,
    inputs: tf.Tensor,
    ops: tf.Tensor,
    before: tf.Tensor,
    last: tf.Tensor,
) -> tf.Tensor:
    states, reduced = run.inputs(cell, before, last)
    # In a reduction cell the inputs are larger than the nodes.
    nodes: Tensors = [] if cell.reducers else states
    cell_inputs = tf.stack(states) if cell.reducers else None
    # Gathered and unstacked, for the gradient of an index with brackets takes
    # as long on CPU as all convolutions.
    params, statistics = (tf.unstack(flat) for flat in run.edges())
    after = []
    for node in range(inputs.shape[0]):
        stacked = tf.stack(nodes) if nodes else None
        halves = []
        for side in range(2):
            position = 2 * node + side
            state, op = inputs[node, side], ops[node, side]
            choice = cell.edge.choice(op, state)
            if cell.reducers:
                read = [
                    tf.gather(cell_inputs, tf.minimum(state, NUM_INPUTS - 1))
                ]
                if nodes:
                    node_read = tf.maximum(state - NUM_INPUTS, 0)
                    read.append(tf.gather(stacked, node_read))
            else:
                read = [tf.gather(stacked, state)]
            outputs, new = cell.edge.apply(
                choice,
                params[position],
                statistics[position],
                read,
                run.training,
            )
            halves.append(outputs)
            after.append(new)
        nodes = [*nodes, halves[0] + halves[1]]
    run.statistics_after.append(tf.stack(after))
    return tf.concat([*reduced, *nodes], -1)
