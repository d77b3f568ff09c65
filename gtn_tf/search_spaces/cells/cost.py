"""Parameters and multiply-adds of a cell network, counted without building it.

Imports no TensorFlow.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.structure import (
    Assembler,
    NetworkSize,
    assemble,
)

#: normalisation -> (trained, other) parameters per channel, and whether the
#: convolution before it has a bias.
_NORMALIZATION_PARAMS = {
    "batch": (2, 2, False),
    "running": (2, 2, False),
    "mean_only": (1, 1, False),
    "none": (0, 0, True),
}

_Shape = tuple[int, int, int]


class Cost(NamedTuple):
    """What a network costs.

    Attributes:
      params: trained ones, as papers count them.
      statistics: the others: batch-norm statistics.
      multiply_adds: per image, of convolutions and dense layers. Papers'
        "FLOPs" are these, or twice these.
    """

    params: int
    statistics: int
    multiply_adds: int


class _Counter:
    """Counts what `KerasAssembler` would make; tensors are shapes."""

    def __init__(self, weight_norm: bool, normalization: str) -> None:
        self.weight_norm = weight_norm
        (
            self.trained_per_channel,
            self.statistics_per_channel,
            self.use_bias,
        ) = _NORMALIZATION_PARAMS[normalization]
        self.params = self.statistics = self.multiply_adds = 0

    def shape(self, inputs: _Shape) -> _Shape:
        return inputs

    def _kernel(self, pixels: int, weights: int, units: int) -> None:
        self.params += weights + (units if self.weight_norm else 0)
        self.multiply_adds += pixels * weights

    def conv(
        self,
        inputs: _Shape,
        filters: int,
        kernel: tuple[int, int] = (1, 1),
        strides: tuple[int, int] = (1, 1),
    ) -> _Shape:
        height, width = (
            -(-n // s) for n, s in zip(inputs[:2], strides, strict=True)
        )
        weights = math.prod(kernel) * inputs[-1] * filters
        self._kernel(height * width, weights, filters)
        self.params += filters if self.use_bias else 0
        return height, width, filters

    def depthwise(
        self, inputs: _Shape, kernel: tuple[int, int], stride: int, rate: int
    ) -> _Shape:
        del rate
        height, width, channels = _strided(inputs, stride)
        weights = math.prod(kernel) * channels
        self._kernel(height * width, weights, channels)
        return height, width, channels

    def normalization(self, inputs: _Shape) -> _Shape:
        self.params += self.trained_per_channel * inputs[-1]
        self.statistics += self.statistics_per_channel * inputs[-1]
        return inputs

    def activation(self, inputs: _Shape) -> _Shape:
        return inputs

    def max_pool(self, inputs: _Shape, size: int, stride: int) -> _Shape:
        del size
        return _strided(inputs, stride)

    def avg_pool(
        self, inputs: _Shape, size: int, stride: int, counts_padding: bool
    ) -> _Shape:
        del size, counts_padding
        return _strided(inputs, stride)

    def shift(self, inputs: _Shape) -> _Shape:
        return inputs

    def zeros(self, inputs: _Shape) -> _Shape:
        return inputs

    def add(self, left: _Shape, right: _Shape) -> _Shape:
        del right
        return left

    def concat(self, inputs: Sequence[_Shape]) -> _Shape:
        height, width, _ = inputs[0]
        return height, width, sum(shape[-1] for shape in inputs)

    def drop_path(self, inputs: _Shape, depth: float) -> _Shape:
        del depth
        return inputs

    def after_second_reduction(self, inputs: _Shape, num_classes: int) -> None:
        pass  # an auxiliary head is no part of the network

    def classify(self, inputs: _Shape, num_classes: int) -> _Shape:
        self._kernel(1, inputs[-1] * num_classes, num_classes)
        self.params += num_classes  # the bias
        return 1, 1, num_classes


def _strided(shape: _Shape, stride: int) -> _Shape:
    height, width, channels = shape
    return -(-height // stride), -(-width // stride), channels


def cell_network_cost(
    genotype: Genotype,
    num_cells: int,
    channels: int,
    image_shape: tuple[int, int, int],
    num_classes: int,
    weight_norm: bool = False,
    normalization: str = "running",
) -> Cost:
    """Counts what `network.build_cell_network` would build.

    Args:
      genotype: its cells.
      num_cells: N.
      channels: F.
      image_shape: (H, W, C).
      num_classes: K.
      weight_norm: as in `LayerSpec`; the default is the training form's.
      normalization: as there.
    """
    size = NetworkSize(num_cells, channels, tuple(image_shape), num_classes)
    return count(
        lambda make: assemble(genotype, size, size.image_shape, make),
        weight_norm,
        normalization,
    )


def count(
    assemble_network: Callable[[Assembler], object],
    weight_norm: bool = False,
    normalization: str = "running",
) -> Cost:
    """Counts what a network would be built of.

    Args:
      assemble_network: makes it, given the shape of the images as images.
      weight_norm: as in `LayerSpec`; the default is the training form's.
      normalization: as there.
    """
    counter = _Counter(weight_norm, normalization)
    assemble_network(counter)
    return Cost(counter.params, counter.statistics, counter.multiply_adds)
