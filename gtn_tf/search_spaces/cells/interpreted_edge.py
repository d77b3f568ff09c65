"""An edge of a cell whose operation is data: one `tf.switch_case` runs it."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.layers.initial_values import draw_initial_values, find_initializers
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.search_spaces.cells.genotypes import NUM_INPUTS
from gtn_tf.search_spaces.cells.network import KerasAssembler
from gtn_tf.search_spaces.protocol import WeightLayout

Tensors = list[tf.Tensor]


class Block:
    """A piece of network as a Keras model run on given tensors."""

    def __init__(
        self,
        image_shape: tuple[int, ...],
        function: Callable,
        spec: LayerSpec,
        is_masked: bool = False,
    ) -> None:
        inputs = keras.Input(image_shape, dtype=spec.variable_dtype)
        make = KerasAssembler(dataclasses.replace(spec, masked=is_masked))
        self.model = keras.Model(inputs, function(inputs, make))
        self.is_masked = is_masked
        self._initializers = find_initializers(self.model)
        self.num_params = len(self.model.trainable_variables)
        self.num_statistics = len(self.model.non_trainable_variables)
        self.shape = tuple(self.model.outputs[0].shape[1:])

    def init(
        self, seed: tf.Tensor, mask: tf.Tensor | None = None
    ) -> tuple[Tensors, Tensors]:
        """Draws (params, statistics) from a [2] seed; `mask` [C] if masked."""
        masks = [mask] if self.is_masked else None
        return draw_initial_values(self.model, self._initializers, seed, masks)

    def apply(
        self,
        params: Tensors,
        statistics: Tensors,
        inputs: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, Tensors]:
        """Returns (outputs, new statistics)."""
        return self.model.stateless_call(
            params, statistics, inputs, training=training
        )


class InterpretedEdge:
    """Any of some operations on any state of a cell.

    In a reduction cell an operation is one thing on the cell's inputs (stride
    2) and another on nodes: `choice` counts both.

    Args:
      ops: each (inputs, assembler) -> outputs, all of one shape.
      shape: (H, W, C) of the inputs.
      spec: how layers are made.
      node_ops: in a reduction cell, the same operations on nodes.
    """

    def __init__(
        self,
        ops: Sequence[Callable],
        shape: tuple[int, int, int],
        spec: LayerSpec,
        node_ops: Sequence[Callable] | None = None,
    ) -> None:
        self.num_ops = len(ops)
        self.blocks = [Block(shape, op, spec) for op in ops]
        self.shape = self.blocks[0].shape
        self.is_reduction = node_ops is not None
        for op in node_ops or ():
            self.blocks.append(Block(self.shape, op, spec))
        self.param_size = max(map(self._size_of_params, self.blocks))
        self.statistics_size = max(map(self._size_of_statistics, self.blocks))
        self.dtype = spec.variable_dtype
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
        self._traced_ops = [
            traced(functools.partial(self._run_op, position))
            for position in range(len(self.blocks))
        ]

    def layout(self, of_rows: np.ndarray, graph: int = 0) -> WeightLayout:
        """Returns what the numbers of weights are; see `WeightLayout`.

        Args:
          of_rows: [rows], as from `choice`.
          graph: of the cell.
        """
        shape = len(self.blocks), self.param_size
        fan_ins, are_scales = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for position, block in enumerate(self.blocks):
            end = 0
            for variable in block.model.trainable_variables:
                begin, end = end, end + math.prod(variable.shape)
                if variable.name == "kernel":
                    fan_in = math.prod(variable.shape[:-1])
                    if "depthwise" in variable.path:  # Keras' name of it
                        fan_in //= variable.shape[-2]
                    fan_ins[position, begin:end] = fan_in
                elif variable.name in ("gamma", "gain"):
                    are_scales[position, begin:end] = True
        return WeightLayout(fan_ins, are_scales, of_rows, graph)

    @staticmethod
    def _size_of_params(block: Block) -> int:
        return sum(math.prod(v.shape) for v in block.model.trainable_variables)

    @staticmethod
    def _size_of_statistics(block: Block) -> int:
        return sum(
            math.prod(v.shape) for v in block.model.non_trainable_variables
        )

    def choice(self, op: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """Returns the position in `blocks`."""
        if not self.is_reduction:
            return op
        return op + self.num_ops * tf.cast(state >= NUM_INPUTS, tf.int32)

    def position(
        self, op: int | np.ndarray, state: int | np.ndarray
    ) -> int | np.ndarray:
        """Returns what `choice` does, of numbers in place of data."""
        return op + self.num_ops * (self.is_reduction * (state >= NUM_INPUTS))

    def _init(
        self, choice: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def draw(block: Block) -> tuple[tf.Tensor, tf.Tensor]:
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

    def run_op(
        self,
        position: int,
        params: tf.Tensor,
        statistics: tf.Tensor,
        inputs: tf.Tensor,
    ) -> tf.Tensor:
        """Runs the operation at a position of `blocks`, not as data.

        Its gradient is no longer that of a custom function, and right at
        second order. Its statistics are those of the batch.
        """
        return self._traced_ops[position](params, statistics, inputs)

    def _run_op(self, position: int, *tensors: tf.Tensor) -> tf.Tensor:
        params, statistics, inputs = tensors
        states = [inputs] * (position // self.num_ops + 1)
        tensors = [params, statistics, *states]
        return self._run(position, tensors, training=True)[0]

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


def _unflat(flat: tf.Tensor, like: Sequence[keras.Variable]) -> Tensors:
    sizes = [math.prod(v.shape) for v in like]
    parts = tf.split(flat, [*sizes, flat.shape[0] - sum(sizes)])
    return [
        tf.reshape(part, v.shape)
        for part, v in zip(parts[:-1], like, strict=True)
    ]
