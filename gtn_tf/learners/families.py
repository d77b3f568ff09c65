"""The small learners of the paper and of the official code, as Keras models.

A convolution block is convolution 3x3 - max-pool of stride 2 (if it has one)
- normalisation - leaky ReLU 0.1, in the official code's order. Names in
brackets are the official code's. Its base_larger3 and base_larger4 are known
by name only; `conv3_*` and `conv7_*` are ours.

Departure: strided convolutions and pools pad as TensorFlow's "same" and as
`layers.MaxPool2D` do; the official code pads one pixel on each side.
"""

import dataclasses
from collections.abc import Sequence

import keras

from gtn_tf import layers
from gtn_tf.layers.spec import LayerSpec

#: A convolution block's way of reducing its size: a stride, or a max-pool.
POOL = "pool"


@dataclasses.dataclass(frozen=True)
class Family:
    """A sequential learner's plan.

    Attributes:
      blocks: one entry per convolution block, its stride or `POOL`.
      global_pool: average over all pixels before the dense layers, instead
        of flattening.
      widths: units of each convolution block, then of each hidden dense
        layer; the official ones.
    """

    blocks: tuple[int | str, ...]
    global_pool: bool
    widths: tuple[int, ...]


FAMILIES = {
    "conv2_fc": Family((POOL, POOL), False, (64, 128, 256)),  # base_fc
    "conv2_pool": Family((POOL, POOL), True, (64, 128)),  # base
    "conv5_pool": Family(  # base_larger2, the CIFAR-10 learner
        (1, 2, 1, 2, 1), True, (64, 128, 128, 256, 256)
    ),
    "conv3_fc": Family((POOL,) * 3, False, (64, 128, 256, 256)),
    "conv3_pool": Family((POOL,) * 3, True, (64, 128, 256)),
    "conv7_fc": Family(
        (1, POOL, 1, POOL, 1, POOL, 1),
        False,
        (64, 64, 128, 128, 256, 256, 256, 256),
    ),
    "conv7_pool": Family(
        (1, POOL, 1, POOL, 1, POOL, 1),
        True,
        (64, 64, 128, 128, 256, 256, 256),
    ),
    "mlp": Family((), False, (256, 128)),  # linear
}


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
