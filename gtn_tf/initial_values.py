"""Fresh initial values of any Keras model, as a pure function of a seed.

Keras draws initial values once, from global state, when a model is built. A
meta-step needs new ones for every learner inside one traced graph, so the
layers' own initializers are called again here with a stateless seed.
"""

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.layers import WeightNormLayer, WidthMask
from gtn_tf.seeds import fold
from gtn_tf.types import InputError

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


def draw_initial_values(
    model: keras.Model,
    seed: tf.Tensor,
    masks: list[tf.Tensor] | None = None,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Draws fresh values for all variables of a built model.

    Args:
      model: built; sequential if `masks` are given.
      seed: [2] int32.
      masks: the [C] value of each `WidthMask` in order. Kernels that read
        masked channels get zeros there and the scale that their narrower
        fan-in asks for, so that the learner equals a really narrow one.

    Returns:
      (params, statistics), in the order of `model.trainable_variables` and
      `model.non_trainable_variables`, as `stateless_call` takes them.

    Raises:
      InputError: a variable's initializer cannot be found.
    """
    values: dict[int, tf.Tensor] = {}
    remaining_masks = iter(masks or ())
    input_mask = None
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, WidthMask) and masks is not None:
            input_mask = next(remaining_masks)
            values[id(layer.mask)] = input_mask
            continue
        if isinstance(layer, keras.layers.Flatten) and input_mask is not None:
            num_pixels = int(np.prod(layer.input.shape[1:-1]))
            input_mask = tf.tile(input_mask, [num_pixels])  # channels last
        # The layer's own variables only: `weights` would add its sublayers'.
        own = [*layer._trainable_variables, *layer._non_trainable_variables]
        for variable in own:
            value = _draw(layer, variable, fold(seed, len(values)), values)
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


def _narrow(kernel: tf.Tensor, input_mask: tf.Tensor) -> tf.Tensor:
    """Scales a [..., I, O] kernel of variance ~ 1/I to its unmasked inputs."""
    mask = tf.cast(input_mask, kernel.dtype)
    scale = tf.sqrt(tf.cast(tf.size(mask), mask.dtype) / tf.reduce_sum(mask))
    return kernel * (mask * scale)[:, None]


def _draw(
    layer: keras.layers.Layer,
    variable: keras.Variable,
    seed: tf.Tensor,
    values: dict[int, tf.Tensor],
) -> tf.Tensor:
    if isinstance(layer, WeightNormLayer) and variable is layer.gain:
        return layer.initial_gain(values[id(layer.kernel)])
    initializer = _initializer_of(layer, variable)
    if initializer is None:
        return _constant_value(layer, variable)
    if hasattr(initializer, "seed"):
        initializer = type(initializer).from_config(initializer.get_config())
        initializer.seed = _StatelessSeed(seed)
    return tf.cast(
        initializer(variable.shape, dtype=variable.dtype), variable.dtype
    )


def _initializer_of(
    layer: keras.layers.Layer, variable: keras.Variable
) -> keras.initializers.Initializer | None:
    """Finds a layer's initializer by Keras' naming of its attributes."""
    name = variable.name
    candidates = [name, name.removesuffix("_kernel")]
    if name == "kernel":
        candidates.append("depthwise")
    for candidate in candidates:
        initializer = getattr(layer, f"{candidate}_initializer", None)
        if initializer is not None:
            return initializer
    return None


def _constant_value(
    layer: keras.layers.Layer, variable: keras.Variable
) -> tf.Tensor:
    with tf.init_scope():  # a meta-step draws inside a traced function
        built_value = tf.convert_to_tensor(variable.value).numpy()
    if built_value.size and np.any(built_value != built_value.flat[0]):
        raise InputError(
            f"variable '{variable.name}' of layer '{layer.name}' "
            f"({type(layer).__name__}) has random values but no known "
            f"initializer; expected an attribute "
            f"'{variable.name}_initializer'; store the initializer under that "
            "name in the layer"
        )
    return tf.constant(built_value)
