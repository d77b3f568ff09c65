"""The small learners of the paper and of the official code, as Keras models.

A convolution block is convolution 3x3 - max-pool of stride 2 (if it has one)
- normalisation - leaky ReLU 0.1, in the official code's order. Names in
brackets are the official code's. Its base_larger3 and base_larger4 are known
by name only; `conv3_*` and `conv7_*` are ours.

Departure: strided convolutions and pools pad as TensorFlow's "same" and as
`layers.MaxPool2D` do; the official code pads one pixel on each side.
"""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from gtn_tf import layers
from gtn_tf.layers.activations import leaky_relu
from gtn_tf.layers.initializers import INITIALIZERS
from gtn_tf.layers.normalization import NORMALIZATIONS
from gtn_tf.layers.weight_norm import WeightNormConv2D, WeightNormDense

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


@dataclasses.dataclass(frozen=True)
class Style:
    """How the layers of a family are made.

    Attributes:
      weight_norm: weight-normalised layers, or their plain twins.
      normalization: a name of `NORMALIZATIONS`.
      initializer: of the kernels, a name of `INITIALIZERS`.
      pool_size: pixels, of the max-pools (stride 2); officially 3.
      masked: insert a `WidthMask` after each block, so that widths up to the
        built ones can be drawn per learner.
      activation: [...] -> [...]; tests of derivatives need a smooth one.
      dtype: Keras dtype policy name.
    """

    weight_norm: bool = True
    normalization: str = "mean_only"
    initializer: str = "he_normal"
    pool_size: int = 3
    masked: bool = False
    activation: Callable[[tf.Tensor], tf.Tensor] = leaky_relu
    dtype: str = "float32"

    def conv(self, filters: int, strides: int) -> keras.layers.Layer:
        """Returns a 3x3 convolution, with a bias if nothing normalises it."""
        cls = WeightNormConv2D if self.weight_norm else keras.layers.Conv2D
        return cls(
            filters,
            3,
            strides=strides,
            padding="same",
            use_bias=NORMALIZATIONS[self.normalization] is None,
            kernel_initializer=INITIALIZERS[self.initializer](),
            dtype=self.dtype,
        )

    def dense(self, units: int, dtype: str | None = None) -> keras.layers.Layer:
        """Returns a dense layer with a bias."""
        cls = WeightNormDense if self.weight_norm else keras.layers.Dense
        return cls(
            units,
            kernel_initializer=INITIALIZERS[self.initializer](),
            dtype=dtype or self.dtype,
        )

    def after(self) -> list[keras.layers.Layer]:
        """Returns what follows a convolution or a hidden dense layer."""
        found = []
        normalization = NORMALIZATIONS[self.normalization]
        if normalization is not None:
            found.append(normalization(dtype=self.dtype))
        found.append(keras.layers.Activation(self.activation, dtype=self.dtype))
        if self.masked:
            found.append(layers.WidthMask(dtype=self.dtype))
        return found


def build_family(
    name: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    widths: Sequence[int] | None = None,
    style: Style = Style(),
) -> keras.Sequential:
    """Builds a learner: [B, H, W, C] images -> [B, K] logits.

    Args:
      name: a key of `FAMILIES`.
      image_shape: (H, W, C).
      num_classes: K.
      widths: units per block and hidden dense layer; None: the family's own.
      style: see `Style`.
    """
    family = FAMILIES[name]
    widths = family.widths if widths is None else widths
    num_blocks = len(family.blocks)
    stack = [keras.Input(image_shape, dtype=_variable_dtype(style.dtype))]
    for width, block in zip(widths[:num_blocks], family.blocks, strict=True):
        stack.append(style.conv(width, 1 if block == POOL else block))
        if block == POOL:
            stack.append(
                layers.MaxPool2D(style.pool_size, 2, dtype=style.dtype)
            )
        stack.extend(style.after())
    if family.global_pool:
        stack.append(keras.layers.GlobalAveragePooling2D(dtype=style.dtype))
    else:
        stack.append(keras.layers.Flatten(dtype=style.dtype))
    for width in widths[num_blocks:]:
        stack.extend([style.dense(width), *style.after()])
    # Logits stay in full precision under a mixed policy.
    stack.append(style.dense(num_classes, _variable_dtype(style.dtype)))
    return keras.Sequential(stack, name=name)


def _variable_dtype(policy_name: str) -> str:
    return keras.DTypePolicy(policy_name).variable_dtype
