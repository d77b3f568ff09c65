"""How the layers of a learner are made, whatever their order is."""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from gtn_tf.import_paths import choose
from gtn_tf.layers.activations import leaky_relu
from gtn_tf.layers.initializers import he_normal
from gtn_tf.layers.masks import WidthMask
from gtn_tf.layers.registry import INITIALIZERS, NORMALIZATIONS
from gtn_tf.layers.weight_norm import (
    WeightNormConv2D,
    WeightNormDense,
    WeightNormDepthwiseConv2D,
)

#: First order only: Keras' own, with running statistics.
RUNNING = "running"


@dataclasses.dataclass(frozen=True)
class LayerSpec:
    """How the layers of a learner are made.

    Attributes:
      weight_norm: weight-normalised layers, or their plain twins.
      normalization: a name of `NORMALIZATIONS`, or `RUNNING`.
      initializer: of kernels, a name of `INITIALIZERS`; depthwise ones have
        `he_normal`.
      convolution: how one with weight normalisation is computed, a name of
        `CONVOLUTIONS`.
      activation: [...] -> [...]; tests of derivatives need a smooth one.
      masked: a `WidthMask` after each activation, so that a learner can be
        narrower than the layers that are built.
      pool_size: pixels, of a family's max-pools (stride 2); officially 3.
      activates_output: whether a cell network has one more activation, before
        its global pooling.
      dtype: Keras dtype policy name.
    """

    weight_norm: bool = True
    normalization: str = "mean_only"
    initializer: str = "he_normal"
    convolution: str = "direct"
    activation: Callable[[tf.Tensor], tf.Tensor] = leaky_relu
    masked: bool = False
    pool_size: int = 3
    activates_output: bool = True
    dtype: str = "float32"

    @property
    def variable_dtype(self) -> str:
        """Of parameters and logits, which a mixed policy keeps precise."""
        return keras.DTypePolicy(self.dtype).variable_dtype

    def conv(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
    ) -> keras.layers.Layer:
        """Makes a convolution, with a bias if nothing normalises it."""
        cls, form = keras.layers.Conv2D, {}
        if self.weight_norm:
            cls, form = WeightNormConv2D, {"convolution": self.convolution}
        return cls(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=self.normalization == "none",
            kernel_initializer=self._initializer(),
            dtype=self.dtype,
            **form,
        )

    def depthwise(
        self, channels: int, kernel_size: tuple[int, int], **options: int
    ) -> keras.layers.Layer:
        """Makes a depthwise convolution without a bias.

        Args:
          channels: C of its inputs.
          kernel_size: (height, width), in pixels.
          **options: `strides` or `dilation_rate`.
        """
        cls, kernel = keras.layers.DepthwiseConv2D, "depthwise"
        if self.weight_norm:
            cls, kernel = WeightNormDepthwiseConv2D, "kernel"
        options[f"{kernel}_initializer"] = he_normal(channels)
        return cls(
            kernel_size,
            padding="same",
            use_bias=False,
            dtype=self.dtype,
            **options,
        )

    def dense(self, units: int) -> keras.layers.Layer:
        """Makes a dense layer with a bias."""
        cls = WeightNormDense if self.weight_norm else keras.layers.Dense
        return cls(
            units, kernel_initializer=self._initializer(), dtype=self.dtype
        )

    def logits(self, num_classes: int) -> keras.layers.Layer:
        """Makes the last layer: [B, features] -> [B, K], in full precision."""
        full = dataclasses.replace(self, dtype=self.variable_dtype)
        return full.dense(num_classes)

    def normalizations(self) -> list[keras.layers.Layer]:
        """Makes what normalises each channel: one layer or none."""
        if self.normalization == RUNNING:
            # momentum and epsilon are PyTorch's defaults, hence NAO's.
            return [
                keras.layers.BatchNormalization(
                    momentum=0.9, epsilon=1e-5, dtype=self.dtype
                )
            ]
        make = choose(
            self.normalization, NORMALIZATIONS, "learner.normalization"
        )
        return [] if make is None else [make(dtype=self.dtype)]

    def activations(self) -> list[keras.layers.Layer]:
        """Makes the activation, and the mask behind it if there is one."""
        made = [keras.layers.Activation(self.activation, dtype=self.dtype)]
        if self.masked:
            made.append(WidthMask(dtype=self.dtype))
        return made

    def _initializer(self) -> keras.initializers.Initializer:
        return choose(self.initializer, INITIALIZERS, "learner.initializer")()
