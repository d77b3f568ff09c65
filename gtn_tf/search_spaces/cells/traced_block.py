"""A piece of network, traced once for all networks that hold it.

For first order: the forward pass hands on what the backward pass needs, which
counts as a constant there.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow.python.eager import context

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.search_spaces.cells.interpreted_edge import Block, Tensors


class _Trained(NamedTuple):
    """A piece that is traced for training on images of one shape.

    Attributes:
      forward: (params, statistics, inputs) -> [outputs, statistics after, and
        what is kept].
      backward: (upstream, what it needs) -> gradients of (params, inputs).
      needs: what that is, as places in the arguments of `forward`, from 0, or
        beyond them in what is kept.
    """

    forward: tf.types.experimental.ConcreteFunction
    backward: tf.types.experimental.ConcreteFunction
    needs: tuple[int, ...]


class TracedBlock(Block):
    """A `Block` of flat params and statistics; arguments as of that.

    Attributes:
      param_size, statistics_size: numbers of values.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        function: Callable,
        spec: LayerSpec,
        is_masked: bool = False,
    ) -> None:
        super().__init__(image_shape, function, spec, is_masked)
        self._dtype = spec.variable_dtype
        self.param_size = _size(self.model.trainable_variables)
        self.statistics_size = _size(self.model.non_trainable_variables)
        self._traced: dict[tuple, Any] = {}

    def draw(self, seed: tf.Tensor, mask: tf.Tensor | None) -> Tensors:
        """Returns fresh [params, statistics]; arguments as of `init`."""
        given = [seed] if mask is None else [seed, mask]

        def draw(*given: tf.Tensor) -> Tensors:
            return [self._flat(tensors) for tensors in self.init(*given)]

        return _call(self._once("draw", draw, given), given)

    def predict(self, *given: tf.Tensor) -> tf.Tensor:
        """Returns outputs of (params, statistics, inputs), not in training."""

        def predict(*given: tf.Tensor) -> Tensors:
            return self._apply_flat(*given, training=False)[:1]

        return _call(self._once("predict", predict, given), given)[0]

    def forward(self, *given: tf.Tensor) -> tuple[Tensors, Tensors]:
        """Runs it in training.

        Args:
          *given: params, statistics, inputs.

        Returns:
          [outputs, statistics after], and what `backward` takes.
        """
        trained = self._once("train", None, given)
        outputs, after, *kept = _call(trained.forward, given)
        values = (*given, *kept)
        return [outputs, after], [values[place] for place in trained.needs]

    def backward(
        self, given: Sequence[tf.Tensor], upstream: tf.Tensor, needed: Tensors
    ) -> Tensors:
        """Returns the gradients of (params, inputs).

        Args:
          given: to `forward`.
          upstream: gradient of its outputs.
          needed: as it returned it.
        """
        trained = self._once("train", None, given)
        return _call(trained.backward, [upstream, *needed])

    def _once(
        self,
        name: str,
        function: Callable | None,
        given: Sequence[tf.Tensor],
    ) -> Any:
        """Returns a function, or what trains, as traced for such tensors."""
        specs = [tf.TensorSpec(value.shape, value.dtype) for value in given]
        key = (name, *((tuple(spec.shape), spec.dtype) for spec in specs))
        if key not in self._traced:
            self._traced[key] = (
                self._trace(specs)
                if function is None
                else _concrete(function, specs)
            )
        return self._traced[key]

    def _trace(self, specs: Sequence[tf.TensorSpec]) -> _Trained:
        found = {}

        def forward(*given: tf.Tensor) -> Tensors:
            params, _, images = given
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([params, images])
                outputs, after = self._apply_flat(*given, training=True)

            def backward(upstream: tf.Tensor) -> Tensors:
                return tape.gradient(
                    outputs,
                    [params, images],
                    output_gradients=upstream,
                    unconnected_gradients=tf.UnconnectedGradients.ZERO,
                )

            upstream = tf.TensorSpec(outputs.shape, outputs.dtype)
            found["backward"] = _concrete(backward, [upstream])
            # What it captures of this graph.
            needed = found["backward"].captured_inputs
            values = list(given)
            for tensor in needed:
                if not any(tensor is value for value in values):
                    values.append(tensor)
            places = {id(value): place for place, value in enumerate(values)}
            found["needs"] = tuple(places[id(tensor)] for tensor in needed)
            return [outputs, after, *values[len(given) :]]

        return _Trained(_concrete(forward, specs), **found)

    def _apply_flat(
        self,
        params: tf.Tensor,
        statistics: tf.Tensor,
        inputs: tf.Tensor,
        training: bool,
    ) -> Tensors:
        outputs, after = self.apply(
            _unflat(params, self.model.trainable_variables),
            _unflat(statistics, self.model.non_trainable_variables),
            inputs,
            training,
        )
        return [outputs, self._flat(after)]

    def _flat(self, tensors: Tensors) -> tf.Tensor:
        parts = [tf.reshape(tensor, [-1]) for tensor in tensors]
        return tf.concat(parts, 0) if parts else tf.zeros([0], self._dtype)


def _call(
    function: tf.types.experimental.ConcreteFunction,
    inputs: Sequence[tf.Tensor],
) -> Tensors:
    """Calls a traced function, what it captured being among the inputs."""
    options = context.context().function_call_options
    results = tf.raw_ops.PartitionedCall(
        args=inputs,
        Tout=[output.dtype for output in function.outputs],
        f=function,
        # As calling it would.
        config_proto=options.config_proto_serialized,
    )
    for result, output in zip(results, function.outputs, strict=True):
        result.set_shape(output.shape)
    return list(results)


def _concrete(
    function: Callable, specs: Sequence[tf.TensorSpec]
) -> tf.types.experimental.ConcreteFunction:
    return tf.function(function, autograph=False).get_concrete_function(*specs)


def _size(variables: Sequence[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _unflat(vector: tf.Tensor, like: Sequence[keras.Variable]) -> Tensors:
    if not like:
        return []
    parts = tf.split(vector, [math.prod(v.shape) for v in like])
    return [
        tf.reshape(part, v.shape) for part, v in zip(parts, like, strict=True)
    ]


class TracedBlocks:
    """The pieces of many networks, each made when it is needed first.

    Args:
      spec: how layers are made.
    """

    def __init__(self, spec: LayerSpec) -> None:
        self._spec = spec
        self._made: dict[tuple, TracedBlock] = {}

    def later(
        self,
        name: object,
        function: Callable,
        shape: tuple[int, ...],
        is_masked: bool = False,
    ) -> Callable[[], TracedBlock]:
        """Returns what makes a piece, or finds it.

        Args:
          name: which, together with `shape`, says what it is.
          function: (inputs, assembler) -> outputs.
          shape: (H, W, C) of its inputs.
          is_masked: as of a `Block`.
        """

        def make() -> TracedBlock:
            key = (name, tuple(shape), is_masked)
            if key not in self._made:
                self._made[key] = TracedBlock(
                    tuple(shape), function, self._spec, is_masked
                )
            return self._made[key]

        return make
