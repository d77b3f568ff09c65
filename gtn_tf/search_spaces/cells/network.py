"""From a genotype to a Keras model, in one of two dresses.

The structure is that of `cell_structure`, whose docstring lists its quirks;
these are about layers:

* `search`, the official code's: weight-normalised convolutions without bias,
  batch normalisation by the last batch's statistics (momentum 0), leaky ReLU
  0.1, one more of it before the global pooling. Right at second order.
* `train`, NAO's: plain convolutions, Keras batch normalisation with running
  statistics, ReLU, none before the global pooling.
* Strided convolutions pad as TensorFlow's "same" does; NAO pads evenly.
* Pools pad evenly, an even size one pixel more at the right and the bottom
  (NAO). Padding never wins a max-pool; NAO's 2x2 pads zeros, which win over
  negative values. Average pools count the padding, `avg3x3_unpadded` does not.
* Nothing is dropped here, and there is no auxiliary head: `retrain_network`.
"""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from gtn_tf import layers
from gtn_tf.layers.activations import leaky_relu
from gtn_tf.layers.initializers import he_normal
from gtn_tf.layers.normalization import NORMALIZATIONS
from gtn_tf.layers.weight_norm import (
    WeightNormConv2D,
    WeightNormDense,
    WeightNormDepthwiseConv2D,
)
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.structure import NetworkSize, assemble
from gtn_tf.types import InputError


def _running_normalization(dtype: str) -> keras.layers.Layer:
    # momentum 0.9 and epsilon 1e-5 are PyTorch's defaults, hence NAO's.
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, dtype=dtype
    )


@dataclasses.dataclass(frozen=True)
class Dress:
    """How the layers of a cell network are made.

    Attributes:
      weight_norm: weight-normalised layers, or their plain twins.
      normalization: a name of `normalization.NORMALIZATIONS`, or "running"
        for Keras' own with running statistics (first order only).
      activation: [...] -> [...]; tests of derivatives need a smooth one.
      activates_output: apply it before the global pooling as well.
      dtype: Keras dtype policy name.
    """

    weight_norm: bool = True
    normalization: str = "batch"
    activation: Callable[[tf.Tensor], tf.Tensor] = leaky_relu
    activates_output: bool = True
    dtype: str = "float32"


DRESSES = {
    "search": Dress(),
    "train": Dress(
        weight_norm=False,
        normalization="running",
        activation=tf.nn.relu,
        activates_output=False,
    ),
}


class KerasAssembler:
    """Makes Keras layers; see `cell_structure.Assembler`."""

    def __init__(self, dress: Dress) -> None:
        self.dress = dress
        self._normalizations = {
            **NORMALIZATIONS,
            "running": _running_normalization,
        }

    def shape(self, inputs: keras.KerasTensor) -> tuple[int, int, int]:
        """See `Assembler`."""
        return tuple(inputs.shape[1:])

    def activation(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Assembler`."""
        return keras.layers.Activation(
            self.dress.activation, dtype=self.dress.dtype
        )(inputs)

    def conv(
        self,
        inputs: keras.KerasTensor,
        filters: int,
        kernel: tuple[int, int] = (1, 1),
        strides: tuple[int, int] = (1, 1),
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        cls = self._choose(WeightNormConv2D, keras.layers.Conv2D)
        if kernel == (1, 1) and strides != (1, 1):
            inputs = layers.Subsample(strides, dtype=self.dress.dtype)(inputs)
            strides = (1, 1)
        return cls(
            filters,
            kernel,
            strides=strides,
            padding="same",
            use_bias=self.dress.normalization == "none",
            kernel_initializer=he_normal(),
            dtype=self.dress.dtype,
        )(inputs)

    def depthwise(
        self,
        inputs: keras.KerasTensor,
        kernel: tuple[int, int],
        stride: int,
        rate: int,
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        cls = self._choose(
            WeightNormDepthwiseConv2D, keras.layers.DepthwiseConv2D
        )
        initializer = {
            self._choose(
                "kernel_initializer", "depthwise_initializer"
            ): he_normal(inputs.shape[-1])
        }
        return cls(
            kernel,
            strides=stride,
            padding="same",
            dilation_rate=rate,
            use_bias=False,
            dtype=self.dress.dtype,
            **initializer,
        )(inputs)

    def _choose(self, weight_norm: object, plain: object) -> object:
        return weight_norm if self.dress.weight_norm else plain

    def normalization(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Assembler`."""
        make = self._normalizations[self.dress.normalization]
        return inputs if make is None else make(dtype=self.dress.dtype)(inputs)

    def max_pool(
        self, inputs: keras.KerasTensor, size: int, stride: int
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        return layers.MaxPool2D(size, stride, dtype=self.dress.dtype)(inputs)

    def avg_pool(
        self,
        inputs: keras.KerasTensor,
        size: int,
        stride: int,
        counts_padding: bool,
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        dtype = self.dress.dtype
        padding = "same"
        if counts_padding:
            before = (size - 1) // 2
            pad = (before, size - 1 - before)
            inputs = keras.layers.ZeroPadding2D((pad, pad), dtype=dtype)(inputs)
            padding = "valid"
        return keras.layers.AveragePooling2D(
            size, stride, padding, dtype=dtype
        )(inputs)

    def shift(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Assembler`."""
        return layers.Shift(dtype=self.dress.dtype)(inputs)

    def add(
        self, left: keras.KerasTensor, right: keras.KerasTensor
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        return keras.layers.Add(dtype=self.dress.dtype)([left, right])

    def concat(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        """See `Assembler`."""
        if len(inputs) == 1:
            return inputs[0]
        return keras.layers.Concatenate(dtype=self.dress.dtype)(inputs)

    def drop_path(
        self, inputs: keras.KerasTensor, depth: float
    ) -> keras.KerasTensor:
        """Drops nothing."""
        del depth
        return inputs

    def after_second_reduction(
        self, inputs: keras.KerasTensor, num_classes: int
    ) -> None:
        """Makes no auxiliary head."""

    def classify(
        self, inputs: keras.KerasTensor, num_classes: int
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        if self.dress.activates_output:
            inputs = self.activation(inputs)
        return self.dense(self.global_pool(inputs), num_classes)

    def global_pool(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Takes the mean over all pixels, [B, C]."""
        return keras.layers.GlobalAveragePooling2D(dtype=self.dress.dtype)(
            inputs
        )

    def dense(
        self, inputs: keras.KerasTensor, num_classes: int
    ) -> keras.KerasTensor:
        """Returns logits [B, K] of [B, C]."""
        cls = self._choose(WeightNormDense, keras.layers.Dense)
        # Logits stay in full precision under a mixed policy.
        dtype = keras.DTypePolicy(self.dress.dtype).variable_dtype
        return cls(num_classes, kernel_initializer=he_normal(), dtype=dtype)(
            inputs
        )


def build_cell_network(
    genotype: Genotype,
    num_cells: int,
    channels: int,
    image_shape: tuple[int, int, int],
    num_classes: int,
    dress: Dress = DRESSES["search"],
) -> keras.Model:
    """Builds a network: [B, H, W, C] images -> [B, K] logits.

    Args:
      genotype: its cells.
      num_cells: N, normal cells between reductions; 3N + 2 cells in all.
      channels: F, of every state before the first reduction.
      image_shape: (H, W, C).
      num_classes: K.
      dress: one of `DRESSES`, or another.

    Raises:
      InputError: N < 0 or F < 1.
    """
    if num_cells < 0 or channels < 1:
        raise InputError(
            f"a cell network of N={num_cells}, F={channels}; expected N >= 0 "
            "and F >= 1; correct num_cells and channels"
        )
    size = NetworkSize(num_cells, channels, tuple(image_shape), num_classes)
    dtype = keras.DTypePolicy(dress.dtype).variable_dtype
    images = keras.Input(image_shape, dtype=dtype)
    logits = assemble(genotype, size, images, KerasAssembler(dress))
    return keras.Model(images, logits, name=f"cell_{genotype.key()}")
