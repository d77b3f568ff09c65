"""From a genotype to a Keras model, in one of two forms.

The structure is that of `structure`, whose docstring lists its quirks;
these are about layers:

* `search`, the official code's: weight-normalised convolutions without bias,
  batch normalisation by the last batch's statistics (momentum 0), leaky ReLU
  0.1, one more of it before the global pooling. Right at second order.
* `training`, NAO's: plain convolutions, Keras batch normalisation with running
  statistics, ReLU, none before the global pooling.
* Strided convolutions pad as TensorFlow's "same" does; NAO pads evenly.
* Pools pad evenly, an even size one pixel more at the right and the bottom
  (NAO). Padding never wins a max-pool; NAO's 2x2 pads zeros, which win over
  negative values. Average pools count the padding. `avg3x3_unpadded` does not,
  and strided it pads as convolutions do: one pixel off NAO's on even sides.
* Nothing is dropped here, and there is no auxiliary head: `retrain.network`.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from gtn_tf.layers.pooling import MaxPool2D
from gtn_tf.layers.shifts import Shift, Subsample
from gtn_tf.layers.spec import RUNNING, LayerSpec
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.structure import NetworkSize, assemble
from gtn_tf.types import InputError

#: Of a search, and of the training to the end.
FORMS = {
    "search": LayerSpec(normalization="batch"),
    "training": LayerSpec(
        weight_norm=False,
        normalization=RUNNING,
        activation=tf.nn.relu,
        activates_output=False,
    ),
}


class KerasAssembler:
    """Makes Keras layers; see `structure.Assembler`."""

    def __init__(self, spec: LayerSpec) -> None:
        self.spec = spec

    def shape(self, inputs: keras.KerasTensor) -> tuple[int, int, int]:
        """See `Assembler`."""
        return tuple(inputs.shape[1:])

    def activation(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Assembler`."""
        for layer in self.spec.activations():
            inputs = layer(inputs)
        return inputs

    def conv(
        self,
        inputs: keras.KerasTensor,
        filters: int,
        kernel: tuple[int, int] = (1, 1),
        strides: tuple[int, int] = (1, 1),
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        if kernel == (1, 1) and strides != (1, 1):
            inputs = Subsample(strides, dtype=self.spec.dtype)(inputs)
            strides = (1, 1)
        return self.spec.conv(filters, kernel, strides)(inputs)

    def depthwise(
        self,
        inputs: keras.KerasTensor,
        kernel: tuple[int, int],
        stride: int,
        rate: int,
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        make = self.spec.depthwise(
            inputs.shape[-1], kernel, strides=stride, dilation_rate=rate
        )
        return make(inputs)

    def normalization(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Assembler`."""
        for layer in self.spec.normalizations():
            inputs = layer(inputs)
        return inputs

    def max_pool(
        self, inputs: keras.KerasTensor, size: int, stride: int
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        return MaxPool2D(size, stride, dtype=self.spec.dtype)(inputs)

    def avg_pool(
        self,
        inputs: keras.KerasTensor,
        size: int,
        stride: int,
        counts_padding: bool,
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        dtype = self.spec.dtype
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
        return Shift(dtype=self.spec.dtype)(inputs)

    def zeros(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Assembler`; what comes before has gradients of zero."""
        return keras.layers.Rescaling(0.0, dtype=self.spec.dtype)(inputs)

    def add(
        self, left: keras.KerasTensor, right: keras.KerasTensor
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        return keras.layers.Add(dtype=self.spec.dtype)([left, right])

    def concat(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        """See `Assembler`."""
        if len(inputs) == 1:
            return inputs[0]
        return keras.layers.Concatenate(dtype=self.spec.dtype)(inputs)

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
        if self.spec.activates_output:
            inputs = self.activation(inputs)
        return self.dense(self.global_pool(inputs), num_classes)

    def global_pool(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Takes the mean over all pixels, [B, C]."""
        return keras.layers.GlobalAveragePooling2D(dtype=self.spec.dtype)(
            inputs
        )

    def dense(
        self, inputs: keras.KerasTensor, num_classes: int
    ) -> keras.KerasTensor:
        """Returns logits [B, K] of [B, C]."""
        return self.spec.logits(num_classes)(inputs)


def build_cell_network(
    genotype: Genotype,
    num_cells: int,
    channels: int,
    image_shape: tuple[int, int, int],
    num_classes: int,
    spec: LayerSpec = FORMS["search"],
) -> keras.Model:
    """Builds a network: [B, H, W, C] images -> [B, K] logits.

    Args:
      genotype: its cells.
      num_cells: N, normal cells between reductions; 3N + 2 cells in all.
      channels: F, of every state before the first reduction.
      image_shape: (H, W, C).
      num_classes: K.
      spec: how its layers are made: one of `FORMS`, or another.

    Raises:
      InputError: N < 0 or F < 1.
    """
    if num_cells < 0 or channels < 1:
        raise InputError(
            f"a cell network of N={num_cells}, F={channels}; expected N >= 0 "
            "and F >= 1; correct num_cells and channels"
        )
    size = NetworkSize(num_cells, channels, tuple(image_shape), num_classes)
    images = keras.Input(image_shape, dtype=spec.variable_dtype)
    logits = assemble(genotype, size, images, KerasAssembler(spec))
    return keras.Model(images, logits, name=f"cell_{genotype.key()}")
