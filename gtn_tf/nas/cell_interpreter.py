"""One traced graph that runs any genotype of a space.

A cell network whose genotype is data: per edge a `tf.switch_case` runs the one
operation that is asked for, on the one state that is asked for. Ranking many
genotypes, and drawing one per learner in meta-training, then cost one trace.

* An edge has one flat vector of weights, long enough for every operation; an
  operation reads its own from the front. What it leaves unused has no gradient.
* A cell always concatenates all its states. A mask in each reader hides those
  that the genotype does not concatenate, and the reader's initial values take
  their fan-in from the others, as for drawn widths.
* So a genotype computes here what `cell_network` builds of it, to rounding.
* The backward pass of an edge runs its operation once more.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from gtn_tf import layers
from gtn_tf.initial_values import draw_initial_values, find_initializers
from gtn_tf.nas import cell_structure
from gtn_tf.nas.cell_network import DRESSES, Dress, KerasAssembler
from gtn_tf.nas.cell_structure import NetworkSize
from gtn_tf.nas.genotypes import NUM_INPUTS, Cell, Genotype
from gtn_tf.nas.operations import OPS
from gtn_tf.nas.search_space import SearchSpace
from gtn_tf.seeds import ALGORITHM, Purpose, fold
from gtn_tf.types import InputError

Tensors = list[tf.Tensor]


class EncodedGenotype(NamedTuple):
    """A genotype as tensors; the first axis is (normal, reduction).

    Attributes:
      inputs: [2, nodes, 2] int32, the state that each edge reads.
      ops: [2, nodes, 2] int32, positions in the space's `ops`.
      concat: [2, 2 + nodes] bool.
    """

    inputs: tf.Tensor
    ops: tf.Tensor
    concat: tf.Tensor


def encode(genotype: Genotype, space: SearchSpace) -> EncodedGenotype:
    """Returns a genotype of the space as tensors.

    Raises:
      InputError: other operations, or another number of nodes.
    """
    cells = (genotype.normal, genotype.reduction)
    for cell in cells:
        others = {edge.op for edge in cell.edges} - set(space.ops)
        if others or len(cell.nodes) != space.num_nodes:
            raise InputError(
                f"a cell of {len(cell.nodes)} nodes with operations "
                f"{', '.join(sorted({e.op for e in cell.edges}))}; expected "
                f"{space.num_nodes} nodes with {', '.join(space.ops)}; build "
                "it by nas.cell_network instead"
            )

    def per_edge(value: Callable) -> tf.Tensor:
        return tf.constant(
            [[[value(e) for e in node] for node in c.nodes] for c in cells],
            tf.int32,
        )

    return EncodedGenotype(
        per_edge(lambda edge: edge.input),
        per_edge(lambda edge: space.ops.index(edge.op)),
        tf.constant([_is_concatenated(cell) for cell in cells]),
    )


def _is_concatenated(cell: Cell) -> list[bool]:
    return [s in cell.concat for s in range(NUM_INPUTS + len(cell.nodes))]


def draw_genotype(space: SearchSpace, seed: tf.Tensor) -> EncodedGenotype:
    """Draws like `SearchSpace.sample` (other numbers), from a [2] seed."""
    shape = (2, space.num_nodes, 2)
    num_states = tf.range(space.num_nodes)[:, None] + NUM_INPUTS
    # Of a uniform number in [0, 2**31) the remainder: off by less than 1e-8.
    raw = tf.random.stateless_uniform(
        (2, *shape), seed, 0, 2**31 - 1, tf.int32, alg=ALGORITHM
    )
    inputs = raw[0] % num_states
    ops = raw[1] % len(space.ops)
    num_all = NUM_INPUTS + space.num_nodes
    read = tf.reduce_any(
        tf.reshape(inputs, (2, -1, 1)) == tf.range(num_all), axis=1
    )
    return EncodedGenotype(inputs, ops, ~read)


class _Block:
    """A piece of network as a Keras model run on given tensors."""

    def __init__(
        self,
        image_shape: tuple[int, ...],
        function: Callable,
        dress: Dress,
        is_masked: bool = False,
    ) -> None:
        dtype = keras.DTypePolicy(dress.dtype).variable_dtype
        inputs = keras.Input(image_shape, dtype=dtype)
        make = _MaskingAssembler(dress) if is_masked else KerasAssembler(dress)
        self.model = keras.Model(inputs, function(inputs, make))
        self.is_masked = is_masked
        self._initializers = find_initializers(self.model)
        self.num_params = len(self.model.trainable_variables)
        self.num_statistics = len(self.model.non_trainable_variables)
        self.shape = tuple(self.model.outputs[0].shape[1:])

    def init(
        self, seed: tf.Tensor, mask: tf.Tensor | None = None
    ) -> tuple[Tensors, Tensors]:
        masks = [mask] if self.is_masked else None
        return draw_initial_values(self.model, self._initializers, seed, masks)

    def apply(
        self,
        params: Tensors,
        statistics: Tensors,
        inputs: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, Tensors]:
        return self.model.stateless_call(
            params, statistics, inputs, training=training
        )


class _MaskingAssembler(KerasAssembler):
    """Hides masked channels after each activation."""

    def activation(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        active = super().activation(inputs)
        return layers.WidthMask(dtype=self.dress.dtype)(active)


class _Edge:
    """Any of the space's operations on any state of a cell.

    In a reduction cell an operation is one thing on the cell's inputs (stride
    2) and another on nodes: `choice` counts both.
    """

    def __init__(
        self,
        space: SearchSpace,
        shape: tuple[int, int, int],
        stride: int,
        dress: Dress,
    ) -> None:
        self.num_ops = len(space.ops)
        self.blocks = [
            self._block(op, shape, stride, dress) for op in space.ops
        ]
        self.shape = self.blocks[0].shape
        self.is_reduction = stride > 1
        if self.is_reduction:
            self.blocks += [
                self._block(op, self.shape, 1, dress) for op in space.ops
            ]
        self.param_size = max(map(self._size_of_params, self.blocks))
        self.statistics_size = max(map(self._size_of_statistics, self.blocks))
        self.dtype = keras.DTypePolicy(dress.dtype).variable_dtype
        # One trace of all branches serves all edges of a kind. Inlined, every
        # edge would hold a copy of every branch.
        traced = functools.partial(
            tf.function,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )
        self.init = traced(self._init)
        self._traced_forward = traced(self._forward)
        self._traced_backward = traced(self._backward)

    @staticmethod
    def _block(
        op: str, shape: tuple[int, int, int], stride: int, dress: Dress
    ) -> _Block:
        function = functools.partial(_apply_op, OPS[op], stride)
        return _Block(shape, function, dress)

    @staticmethod
    def _size_of_params(block: _Block) -> int:
        return sum(math.prod(v.shape) for v in block.model.trainable_variables)

    @staticmethod
    def _size_of_statistics(block: _Block) -> int:
        return sum(
            math.prod(v.shape) for v in block.model.non_trainable_variables
        )

    def choice(self, op: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """Returns the position in `blocks`."""
        if not self.is_reduction:
            return op
        return op + self.num_ops * tf.cast(state >= NUM_INPUTS, tf.int32)

    def _init(
        self, choice: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def draw(block: _Block) -> tuple[tf.Tensor, tf.Tensor]:
            params, statistics = block.init(seed)
            return (
                self._flat(params, self.param_size),
                self._flat(statistics, self.statistics_size),
            )

        return tf.switch_case(
            choice, [functools.partial(draw, block) for block in self.blocks]
        )

    def apply(
        self,
        choice: tf.Tensor,
        params: tf.Tensor,
        statistics: tf.Tensor,
        states: Tensors,
        training: bool,
    ) -> Tensors:
        """Runs one operation.

        Args:
          choice: [], from `choice`.
          params: [P], flat.
          statistics: [S], flat.
          states: what each half of `blocks` reads.
          training: as in `Learner.apply`.

        Returns:
          [outputs, statistics after].
        """

        # The backward pass runs the operation once more: the gradient of a
        # switch would keep the activations of all branches, as variants.
        @tf.custom_gradient
        def run(choice: tf.Tensor, *tensors: tf.Tensor) -> tuple:
            def gradient(*upstream: tf.Tensor) -> Tensors:
                return [
                    None,
                    *self._traced_backward(choice, tensors, upstream, training),
                ]

            return self._traced_forward(choice, tensors, training), gradient

        return run(choice, params, statistics, *states)

    def _forward(
        self, choice: tf.Tensor, tensors: Tensors, training: bool
    ) -> Tensors:
        return self._switch(
            choice, tensors, lambda i: self._run(i, tensors, training)
        )

    def _backward(
        self,
        choice: tf.Tensor,
        tensors: Tensors,
        upstream: Tensors,
        training: bool,
    ) -> Tensors:
        def differentiate(position: int) -> Tensors:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(tensors)
                results = self._run(position, tensors, training)
            return tape.gradient(
                results,
                list(tensors),
                output_gradients=list(upstream),
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )

        return self._switch(choice, tensors, differentiate)

    def _switch(
        self,
        choice: tf.Tensor,
        tensors: Tensors,
        function: Callable[[int], Tensors],
    ) -> Tensors:
        num_states = len(tensors) - 2
        branches = [
            functools.partial(function, position)
            for position in range(num_states * self.num_ops)
        ]
        return tf.switch_case(choice, branches)

    def _run(self, position: int, tensors: Tensors, training: bool) -> Tensors:
        params, statistics, *states = tensors
        block = self.blocks[position]
        outputs, after = block.apply(
            _unflat(params, block.model.trainable_variables),
            _unflat(statistics, block.model.non_trainable_variables),
            states[position // self.num_ops],
            training,
        )
        # Under a mixed policy identity, which has no layer, stays uncast.
        outputs = tf.cast(outputs, states[0].dtype)
        return [outputs, self._flat(after, self.statistics_size)]

    def _flat(self, tensors: Tensors, size: int) -> tf.Tensor:
        parts = [tf.reshape(t, [-1]) for t in tensors]
        used = sum(part.shape[0] for part in parts)
        return tf.concat([*parts, tf.zeros([size - used], self.dtype)], 0)


def _apply_op(
    op: cell_structure.Op,
    stride: int,
    inputs: keras.KerasTensor,
    make: KerasAssembler,
) -> keras.KerasTensor:
    return cell_structure.apply_op(op, inputs, stride, make)


def _unflat(flat: tf.Tensor, like: Sequence[keras.Variable]) -> Tensors:
    sizes = [math.prod(v.shape) for v in like]
    parts = tf.split(flat, [*sizes, flat.shape[0] - sum(sizes)])
    return [
        tf.reshape(part, v.shape)
        for part, v in zip(parts[:-1], like, strict=True)
    ]


class _CellPlan(NamedTuple):
    """One cell of the network; `kind` is 0 for normal, 1 for reduction."""

    kind: int
    channels: int
    calibrations: tuple[_Block, _Block]
    reducers: tuple[_Block, ...]
    edge: _Edge
    source_masks: tuple[tuple[int, int] | None, ...]

    @property
    def blocks(self) -> tuple[_Block, ...]:
        return (*self.calibrations, *self.reducers)


class CellInterpreter:
    """A cell network that takes its genotype as data.

    `init` and `apply` are those of a `Learner`.

    Args:
      space: of the genotypes.
      num_cells: N, as in `cell_network.build_cell_network`.
      channels: F.
      image_shape: (H, W, C).
      num_classes: K.
      dress: see `cell_network.Dress`.
    """

    def __init__(
        self,
        space: SearchSpace,
        num_cells: int,
        channels: int,
        image_shape: tuple[int, int, int],
        num_classes: int,
        dress: Dress = DRESSES["search"],
    ) -> None:
        self.space = space
        self.dress = dress
        size = NetworkSize(num_cells, channels, image_shape, num_classes)
        self._stem = _Block(
            image_shape,
            lambda x, make: cell_structure.stem(x, channels, make),
            dress,
        )
        edges: dict[tuple, _Edge] = {}
        # (shape, mask of its channels) of the two last outputs.
        before = last = (self._stem.shape, None)
        self._cells = []
        for is_reduction, cell_channels in cell_structure.plan_cells(size):
            plan = self._plan(is_reduction, cell_channels, before, last, edges)
            self._cells.append(plan)
            num_states = NUM_INPUTS + space.num_nodes
            shape = (*plan.edge.shape[:2], num_states * cell_channels)
            before, last = last, (shape, (plan.kind, cell_channels))
        self._classifier = _Block(
            last[0],
            lambda x, make: make.classify(x, num_classes),
            dress,
            is_masked=dress.activates_output,
        )
        self._last_mask = last[1]

    def _plan(
        self,
        is_reduction: bool,
        channels: int,
        before: tuple,
        last: tuple,
        edges: dict[tuple, _Edge],
    ) -> _CellPlan:
        differs = before[0][:2] != last[0][:2]
        calibrations = tuple(
            _Block(
                shape,
                functools.partial(
                    _calibrate, channels, differs and position == 0
                ),
                self.dress,
                is_masked=mask is not None,
            )
            for position, (shape, mask) in enumerate((before, last))
        )
        shape = calibrations[1].shape
        stride = 2 if is_reduction else 1
        if (shape, stride) not in edges:
            edges[shape, stride] = _Edge(self.space, shape, stride, self.dress)
        reducers = ()
        if is_reduction:
            reducers = tuple(
                _Block(shape, functools.partial(_reduce, channels), self.dress)
                for _ in range(NUM_INPUTS)
            )
        return _CellPlan(
            int(is_reduction),
            channels,
            calibrations,
            reducers,
            edges[shape, stride],
            (before[1], last[1]),
        )

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
            dtype = keras.DTypePolicy(self.dress.dtype).variable_dtype
            concat = tf.cast(genotype.concat[kind], dtype)
            return tf.repeat(concat, channels)

        add(self._stem.init(fold(seed, num_drawn)))
        for cell in self._cells:
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
        add(self._classifier.init(seed, mask(self._last_mask)))
        return params, statistics

    @staticmethod
    def _choices(cell: _CellPlan, genotype: EncodedGenotype) -> Tensors:
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
        run = _Run(params, statistics, training)
        before = last = run.block(self._stem, images)
        for cell in self._cells:
            kind = cell.kind
            outputs = _run_cell(
                run, cell, inputs[kind], ops[kind], before, last
            )
            before, last = last, outputs
        logits = run.block(self._classifier, last)
        return logits, [inputs, ops, *run.statistics_after]


def _calibrate(
    channels: int,
    halves: bool,
    inputs: keras.KerasTensor,
    make: KerasAssembler,
) -> keras.KerasTensor:
    return cell_structure.calibrate(inputs, channels, halves, make)


def _reduce(
    channels: int, inputs: keras.KerasTensor, make: KerasAssembler
) -> keras.KerasTensor:
    return cell_structure.factorized_reduction(inputs, channels, make)


class _Run:
    """Hands the flat lists of one pass out, in the order of `init`."""

    def __init__(
        self, params: Tensors, statistics: Tensors, training: bool
    ) -> None:
        self._params = iter(params)
        self._statistics = iter(statistics)
        self.training = training
        self.statistics_after: Tensors = []

    def block(self, block: _Block, inputs: tf.Tensor) -> tf.Tensor:
        params = [next(self._params) for _ in range(block.num_params)]
        statistics = [
            next(self._statistics) for _ in range(block.num_statistics)
        ]
        outputs, after = block.apply(params, statistics, inputs, self.training)
        self.statistics_after += after
        return outputs

    def edges(self) -> tuple[tf.Tensor, tf.Tensor]:
        return next(self._params), next(self._statistics)


def _run_cell(
    run: _Run,
    cell: _CellPlan,
    inputs: tf.Tensor,
    ops: tf.Tensor,
    before: tf.Tensor,
    last: tf.Tensor,
) -> tf.Tensor:
    states = [
        run.block(block, tensor)
        for block, tensor in zip(cell.calibrations, (before, last), strict=True)
    ]
    reduced = [
        run.block(block, state)
        for block, state in zip(cell.reducers, states, strict=False)
    ]
    # In a reduction cell the inputs are larger than the nodes.
    nodes: Tensors = [] if cell.reducers else states
    cell_inputs = tf.stack(states) if cell.reducers else None
    params, statistics = run.edges()
    after = []
    for node in range(inputs.shape[0]):
        stacked = tf.stack(nodes) if nodes else None
        halves = []
        for side in range(2):
            position = 2 * node + side
            state, op = inputs[node, side], ops[node, side]
            choice = cell.edge.choice(op, state)
            if cell.reducers:
                read = [cell_inputs[tf.minimum(state, NUM_INPUTS - 1)]]
                if nodes:
                    read.append(stacked[tf.maximum(state - NUM_INPUTS, 0)])
            else:
                read = [stacked[state]]
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
