"""Fresh initial values of any Keras model, as a pure function of a seed.

Keras draws initial values once, from global state, when a model is built. A
meta-step needs new ones for every learner inside one traced graph, so the
layers' own initializers are called again here with a stateless seed. Keras
does not keep a variable's initializer: it is an attribute that the layer names
after the variable, or else what a rebuilt twin of the layer creates it with.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.layers.masks import WidthMask
from gtn_tf.layers.weight_norm import WeightNormLayer
from gtn_tf.ops.seeds import fold
from gtn_tf.types import PERSONS_ERRORS, InputError

#: By id of the variable.
Initializers = dict[int, keras.initializers.Initializer]

_SEED_STATE_NAME = "seed_generator_state"


class _StatelessSeed(keras.random.SeedGenerator):
    """Lets a Keras initializer draw from a given [2] seed tensor."""

    def __init__(self, seed: tf.Tensor) -> None:
        # No super().__init__: it would create a variable, which a traced
        # function cannot.
        self._seed = seed

    def next(self, ordered: bool = True) -> tf.Tensor:
        del ordered
        return self._seed


class _ForgetBias(keras.initializers.Initializer):
    """Ones for the second of an LSTM's four gates, as Keras draws its bias.

    Args:
      others: draws the other three.
    """

    def __init__(self, others: keras.initializers.Initializer) -> None:
        self.others = others

    @property
    def seed(self) -> Any:
        """The other initializer's; it has none where that has none."""
        return self.others.seed

    @seed.setter
    def seed(self, value: Any) -> None:
        self.others = self.others.clone()
        self.others.seed = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> tf.Tensor:
        """Draws [4 U]."""
        first, _, *last = tf.split(self.others(shape, dtype=dtype), 4)
        return tf.concat([first, tf.ones_like(first), *last], 0)

    def get_config(self) -> dict[str, Any]:
        """As Keras asks."""
        return {"others": self.others}


def find_initializers(model: keras.Model) -> Initializers:
    """Finds what draws each variable of a built model; not while tracing.

    A value that is not random, such as one fitted to data, is kept, and so
    are all of a frozen layer, and weights that are frozen one by one
    (`trainable` False).

    Raises:
      InputError: a variable's initializer cannot be found, or draws other
        values at each call.
    """
    holders: dict[int, list[keras.layers.Layer]] = {}
    variables = {}
    for layer in _holders(model):
        for variable in _own_variables(layer):
            if _is_gain(layer, variable) and layer.trainable:
                continue
            # More than one, as a wrapper uses what its inner layer holds.
            holders.setdefault(id(variable), []).insert(0, layer)
            variables[id(variable)] = variable
    return {
        key: _initializer_of(layers, variables[key])
        for key, layers in holders.items()
    }


def draw_initial_values(
    model: keras.Model,
    initializers: Initializers,
    seed: tf.Tensor,
    masks: list[tf.Tensor] | None = None,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Draws fresh values for all variables of a built model.

    Args:
      model: built; sequential if `masks` are given.
      initializers: from `find_initializers(model)`.
      seed: [2] int32.
      masks: the [C] value of each `WidthMask` in order. Kernels that read
        masked channels get zeros there and the scale that their narrower
        fan-in asks for, so that the learner equals a really narrow one.

    Returns:
      (params, statistics), in the order of `model.trainable_variables` and
      `model.non_trainable_variables`, as `stateless_call` takes them.
    """
    values: dict[int, tf.Tensor] = {}
    remaining_masks = iter(masks or ())
    input_mask = None
    for layer in _holders(model):
        if isinstance(layer, WidthMask) and masks is not None:
            input_mask = next(remaining_masks)
            values[id(layer.mask)] = input_mask
            continue
        if isinstance(layer, keras.layers.Flatten) and input_mask is not None:
            num_pixels = int(np.prod(layer.input.shape[1:-1]))
            input_mask = tf.tile(input_mask, [num_pixels])  # channels last
        for variable in _own_variables(layer):
            if id(variable) in values:
                continue
            if _is_gain(layer, variable) and layer.trainable:
                value = layer.initial_gain(values[id(layer.kernel)])
            else:
                value = _draw(
                    initializers[id(variable)],
                    variable,
                    fold(seed, len(values)),
                )
            if variable.name == "kernel" and input_mask is not None:
                value = _narrow(value, input_mask)
            values[id(variable)] = value
    for variable in model.non_trainable_variables:
        if variable.name == _SEED_STATE_NAME:
            draw = fold(seed, len(values))
            values[id(variable)] = tf.cast(draw, variable.dtype)
    return (
        [values[id(v)] for v in model.trainable_variables],
        [values[id(v)] for v in model.non_trainable_variables],
    )


def _holders(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns what may hold variables: the layers, then the model itself."""
    return [*model._flatten_layers(include_self=False), model]


def _own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    # Not `weights`, which adds those of the sublayers.
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _narrow(kernel: tf.Tensor, input_mask: tf.Tensor) -> tf.Tensor:
    """Scales a [..., I, O] kernel of variance ~ 1/I to its unmasked inputs."""
    mask = tf.cast(input_mask, kernel.dtype)
    scale = tf.sqrt(tf.cast(tf.size(mask), mask.dtype) / tf.reduce_sum(mask))
    return kernel * (mask * scale)[:, None]


def _is_gain(layer: keras.layers.Layer, variable: keras.Variable) -> bool:
    """Whether the value follows from another variable's, the kernel's."""
    return isinstance(layer, WeightNormLayer) and variable is layer.gain


def _draw(
    initializer: keras.initializers.Initializer,
    variable: keras.Variable,
    seed: tf.Tensor,
) -> tf.Tensor:
    if hasattr(initializer, "seed"):
        initializer = type(initializer).from_config(initializer.get_config())
        initializer.seed = _StatelessSeed(seed)
    return tf.cast(
        initializer(variable.shape, dtype=variable.dtype), variable.dtype
    )


def _initializer_of(
    layers: list[keras.layers.Layer], variable: keras.Variable
) -> keras.initializers.Initializer:
    """Returns the initializer of a variable that `layers` hold."""
    # One by one, too: by `kernel.trainable = False`, or as LoRA does it.
    is_frozen = not variable.trainable and any(
        variable is one
        for layer in layers
        for one in layer._trainable_variables
    )
    if is_frozen or not all(layer.trainable for layer in layers):
        return keras.initializers.Constant(variable.value.numpy())
    for layer in layers:
        named = _named_initializer(layer, variable.name)
        if named is not None:
            _refuse_unseeded(named, layer, variable)
            return named
    rebuilt = [_rebuilt_initializer(layer, variable) for layer in layers]
    known = [r for r in rebuilt if r is not None]
    if known and hasattr(known[0], "seed"):
        return known[0]
    value = tf.convert_to_tensor(variable.value).numpy()
    if not known and value.size and np.any(value != value.flat[0]):
        layer = layers[0]
        raise InputError(
            f"variable '{variable.name}' of layer '{layer.name}' "
            f"({type(layer).__name__}) has random values but no known "
            f"initializer; expected an attribute "
            f"'{variable.name}_initializer'; store the initializer under that "
            "name in the layer, or give the layer a get_config"
        )
    return keras.initializers.Constant(value)


def _refuse_unseeded(
    initializer: Callable[..., tf.Tensor],
    layer: keras.layers.Layer,
    variable: keras.Variable,
) -> None:
    """Refuses random initializers that no seed can be given to."""
    if hasattr(initializer, "seed"):
        return
    first, second = (
        np.asarray(initializer(variable.shape, dtype=variable.dtype))
        for _ in range(2)
    )
    if not np.array_equal(first, second):
        raise InputError(
            f"the initializer of '{variable.name}' of layer '{layer.name}' "
            f"({type(layer).__name__}) draws other values at each call; "
            "expected one that Keras can seed; give it an attribute `seed` "
            "that its draws use, or take one of keras.initializers"
        )


def _named_initializer(
    layer: keras.layers.Layer, name: str
) -> keras.initializers.Initializer | None:
    """Finds a layer's initializer by Keras' naming of its attributes."""
    candidates = [name, name.removesuffix("_kernel")]
    if name == "kernel":
        candidates.append("depthwise")
    for candidate in candidates:
        found = getattr(layer, f"{candidate}_initializer", None)
        if found is None:
            continue
        try:
            initializer = keras.initializers.get(found)
        except (TypeError, ValueError):  # no name of one
            continue
        if name == "bias" and getattr(layer, "unit_forget_bias", False):
            return _ForgetBias(initializer)
        return initializer
    return None


def _rebuilt_initializer(
    layer: keras.layers.Layer, variable: keras.Variable
) -> keras.initializers.Initializer | None:
    """Finds an initializer by building the layer's twin.

    In a stateless scope Keras puts initial values off and keeps what is to
    draw them.
    """
    index = [id(v) for v in _own_variables(layer)].index(id(variable))
    try:
        with keras.StatelessScope():
            twin = type(layer).from_config(layer.get_config())
            twin.build_from_config(layer.get_build_config())
            initializer = _own_variables(twin)[index]._initializer
    except PERSONS_ERRORS:
        return None
    is_known = isinstance(initializer, keras.initializers.Initializer)
    return initializer if is_known else None
