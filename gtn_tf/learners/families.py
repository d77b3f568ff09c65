"""The small learners of the paper and of the official code, as Keras models.

A convolution block is convolution 3x3 - max-pool of stride 2 (if it has one)
- normalisation - leaky ReLU 0.1, in the official code's order.

Departure: strided convolutions and pools pad as TensorFlow's "same" and as
`layers.MaxPool2D` do; the official code pads one pixel on each side.
"""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from gtn_tf import layers
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.learners.functional import Learner, as_learner
from gtn_tf.learners.registry import FAMILIES, POOL
from gtn_tf.ops.seeds import ALGORITHM, fold
from gtn_tf.types import InputError

#: A fixed number of units, or the lowest and highest to draw from.
Width = int | tuple[int, int]


def build_family(
    name: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    widths: Sequence[int] | None = None,
    spec: LayerSpec = LayerSpec(),  # noqa: B008 (frozen)
) -> keras.Sequential:
    """Builds a learner: [B, H, W, C] images -> [B, K] logits.

    Args:
      name: a key of `FAMILIES`.
      image_shape: (H, W, C).
      num_classes: K.
      widths: units per block and hidden dense layer; None: the family's own.
      spec: how its layers are made.
    """
    family = FAMILIES[name]
    widths = family.widths if widths is None else widths
    num_blocks = len(family.blocks)
    stack = [keras.Input(image_shape, dtype=spec.variable_dtype)]
    for width, block in zip(widths[:num_blocks], family.blocks, strict=True):
        stack.append(spec.conv(width, 3, 1 if block == POOL else block))
        if block == POOL:
            stack.append(layers.MaxPool2D(spec.pool_size, 2, dtype=spec.dtype))
        stack.extend([*spec.normalizations(), *spec.activations()])
    if family.global_pool:
        stack.append(keras.layers.GlobalAveragePooling2D(dtype=spec.dtype))
    else:
        stack.append(keras.layers.Flatten(dtype=spec.dtype))
    for width in widths[num_blocks:]:
        stack.append(spec.dense(width))
        stack.extend([*spec.normalizations(), *spec.activations()])
    stack.append(spec.logits(num_classes))
    return keras.Sequential(stack, name=name)


def from_family(
    name: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    widths: Sequence[Width] | None = None,
    spec: LayerSpec = LayerSpec(),  # noqa: B008 (frozen)
) -> Learner:
    """Makes a learner of a family, with fixed or randomly drawn widths.

    Widths are drawn per learner, uniformly, both ends included, by masking
    the channels of one model of the highest widths: nothing is retraced.

    Args:
      name: a key of `FAMILIES`.
      image_shape: (H, W, C).
      num_classes: K.
      widths: as many as the family has; None: the family's own.
      spec: how its layers are made; `masked` is set as the widths ask for.

    Raises:
      InputError: unknown family, or a wrong number of widths.
    """
    check_family(name, widths)
    ranges = [_range(w) for w in widths or FAMILIES[name].widths]
    masked = any(low != high for low, high in ranges)
    spec = dataclasses.replace(spec, masked=masked)
    highest = [high for _, high in ranges]
    model = build_family(name, image_shape, num_classes, highest, spec)
    if not masked:
        return as_learner(name, model)
    dtype = spec.variable_dtype
    return as_learner(name, model, lambda s: _draw_masks(ranges, s, dtype))


def check_family(name: str, widths: Sequence[Width] | None) -> None:
    """Raises InputError for an unknown family or a wrong number of widths."""
    if name not in FAMILIES:
        raise InputError(
            f"learner.name '{name}' is unknown; expected one of "
            f"{', '.join(FAMILIES)}; set --config.learner.name"
        )
    expected = FAMILIES[name].widths
    if widths is not None and len(widths) != len(expected):
        raise InputError(
            f"learner.widths {tuple(widths)} has {len(widths)} entries; "
            f"'{name}' has {len(expected)} layers, such as {expected}; give "
            "one width or (low, high) per layer"
        )


def _range(width: Width) -> tuple[int, int]:
    return (width, width) if isinstance(width, int) else tuple(width)


def _draw_masks(
    ranges: list[tuple[int, int]], seed: tf.Tensor, dtype: str
) -> list[tf.Tensor]:
    masks = []
    for index, (low, high) in enumerate(ranges):
        width = tf.random.stateless_uniform(
            [], fold(seed, index), low, high + 1, tf.int32, alg=ALGORITHM
        )
        masks.append(tf.cast(tf.range(high) < width, dtype))
    return masks
