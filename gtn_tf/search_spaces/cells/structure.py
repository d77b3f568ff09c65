"""From a genotype to layers, whatever a layer is; imports no TensorFlow.

The one description of the network, read by what builds it with Keras
(`network`) and by what only counts (`cost`).

A network is a 3x3 convolution to 3F channels, 3N + 2 cells of which number N
and 2N + 1 (from 0) are reductions that double F, global average pooling and a
dense layer. Where sources differ, or we do:

* Order within a convolution: activation, convolution, normalisation (all).
  The stem has no activation (all).
* A pair of k x 1 convolutions has strides (1, s) and (s, 1) and an activation
  and a normalisation each (NAO, official code).
* Separable convolutions are applied twice, dilated ones once (all).
* Identity with stride 2 is a factorized reduction without an activation (NAO,
  official code; DARTS has one).
* Only the operations on a reduction cell's two inputs have stride 2 (all).
* An input that is itself concatenated is reduced by a factorized reduction
  there (NAO, official code).
* Inputs of a cell are always brought to F channels by activation, 1x1
  convolution and normalisation, or by activation and factorized reduction
  where the size differs. NAO and the official code skip it where the channels
  agree already, which a cell of one loose end can cause: here all genotypes of
  a space have one structure.
* What does not reach the output has no weights: neither dead nodes nor inputs
  that nobody reads. Others build them and leave them untrained.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from gtn_tf.search_spaces.cells.genotypes import (
    NUM_INPUTS,
    Cell,
    Genotype,
)
from gtn_tf.search_spaces.cells.operations import OPS, Op

STEM_MULTIPLIER = 3

Tensor = Any  # what the assembler's methods take and return


class Assembler(Protocol):
    """Makes and applies one layer per call."""

    def shape(self, inputs: Tensor) -> tuple[int, int, int]:
        """Returns (H, W, C)."""

    def activation(self, inputs: Tensor) -> Tensor:
        """Applies the activation."""

    def conv(
        self,
        inputs: Tensor,
        filters: int,
        kernel: tuple[int, int] = (1, 1),
        strides: tuple[int, int] = (1, 1),
    ) -> Tensor:
        """Convolves; the output has ceil(size / stride) pixels."""

    def depthwise(
        self, inputs: Tensor, kernel: tuple[int, int], stride: int, rate: int
    ) -> Tensor:
        """Convolves each channel by itself; `rate` is the dilation."""

    def normalization(self, inputs: Tensor) -> Tensor:
        """Normalises each channel."""

    def max_pool(self, inputs: Tensor, size: int, stride: int) -> Tensor:
        """Takes the largest of size x size pixels."""

    def avg_pool(
        self, inputs: Tensor, size: int, stride: int, counts_padding: bool
    ) -> Tensor:
        """Takes the mean of size x size pixels."""

    def shift(self, inputs: Tensor) -> Tensor:
        """Moves the image by one pixel up and left; zeros enter."""

    def zeros(self, inputs: Tensor) -> Tensor:
        """Returns zeros of the same shape."""

    def add(self, left: Tensor, right: Tensor) -> Tensor:
        """Adds."""

    def concat(self, inputs: Sequence[Tensor]) -> Tensor:
        """Concatenates channels."""

    def drop_path(self, inputs: Tensor, depth: float) -> Tensor:
        """May drop what an operation, no identity, adds to a node.

        `depth` is (position of the cell, from 1) / (number of cells).
        """

    def after_second_reduction(self, inputs: Tensor, num_classes: int) -> None:
        """Sees that cell's output; an auxiliary head may begin there."""

    def classify(self, inputs: Tensor, num_classes: int) -> Tensor:
        """Pools over all pixels and returns logits [B, K]."""


class NetworkSize(NamedTuple):
    """How large a network is made of a genotype.

    Attributes:
      num_cells: N, normal cells between reductions; 3N + 2 cells in all.
      channels: F, of every state before the first reduction.
      image_shape: (H, W, C).
      num_classes: K.
    """

    num_cells: int
    channels: int
    image_shape: tuple[int, int, int]
    num_classes: int


def plan_cells(size: NetworkSize) -> list[tuple[bool, int]]:
    """Returns (is a reduction, its F) of every cell."""
    reductions = (size.num_cells, 2 * size.num_cells + 1)
    channels = size.channels
    plan = []
    for position in range(3 * size.num_cells + 2):
        is_reduction = position in reductions
        channels *= 2 if is_reduction else 1
        plan.append((is_reduction, channels))
    return plan


def assemble(
    genotype: Genotype, size: NetworkSize, images: Tensor, make: Assembler
) -> Tensor:
    """Makes the whole network.

    Args:
      genotype: the cells.
      size: see `NetworkSize`.
      images: what the assembler's methods take.
      make: makes and applies layers.

    Returns:
      Logits.
    """
    before = last = stem(images, size.channels, make)
    plan = plan_cells(size)
    for position, (is_reduction, channels) in enumerate(plan, start=1):
        cell = genotype.reduction if is_reduction else genotype.normal
        place = _Place(2 if is_reduction else 1, channels, position / len(plan))
        outputs = _assemble_cell(cell, place, before, last, make)
        if position == 2 * size.num_cells + 2:
            make.after_second_reduction(outputs, size.num_classes)
        before, last = last, outputs
    return make.classify(last, size.num_classes)


def stem(images: Tensor, channels: int, make: Assembler) -> Tensor:
    """Makes what comes before the cells."""
    return make.normalization(
        make.conv(images, STEM_MULTIPLIER * channels, (3, 3))
    )


class _Place(NamedTuple):
    """Stride and F of a cell; its depth as `Assembler.drop_path` has it."""

    stride: int
    channels: int
    depth: float


def _assemble_cell(
    cell: Cell,
    place: _Place,
    before: Tensor,
    last: Tensor,
    make: Assembler,
) -> Tensor:
    stride, channels, depth = place
    states = {}
    for state in cell.used_states():
        if state < NUM_INPUTS:
            differs = make.shape(before)[:2] != make.shape(last)[:2]
            states[state] = calibrate(
                (before, last)[state], channels, state == 0 and differs, make
            )
            continue
        terms = []
        for edge in cell.nodes[state - NUM_INPUTS]:
            op = OPS[edge.op]
            edge_stride = stride if edge.input < NUM_INPUTS else 1
            term = apply_op(op, states[edge.input], edge_stride, make)
            if op.kind != "identity":
                term = make.drop_path(term, depth)
            terms.append(term)
        states[state] = make.add(*terms)
    return make.concat(
        [
            factorized_reduction(states[state], channels, make)
            if state < NUM_INPUTS and stride > 1
            else states[state]
            for state in cell.concat
        ]
    )


def calibrate(
    inputs: Tensor, channels: int, halves: bool, make: Assembler
) -> Tensor:
    """Brings a cell's input to F channels and, if it `halves`, to half size."""
    active = make.activation(inputs)
    if halves:
        return factorized_reduction(active, channels, make)
    return make.normalization(make.conv(active, channels))


def factorized_reduction(
    inputs: Tensor, channels: int, make: Assembler
) -> Tensor:
    """Halves the image: two strided 1x1 convolutions, one pixel apart."""
    half = channels // 2
    even = make.conv(inputs, half, strides=(2, 2))
    odd = make.conv(make.shift(inputs), channels - half, strides=(2, 2))
    return make.normalization(make.concat([even, odd]))


def apply_op(op: Op, inputs: Tensor, stride: int, make: Assembler) -> Tensor:
    """Applies one operation; it keeps the channels."""
    channels = make.shape(inputs)[-1]
    if op.kind == "identity":
        if stride == 1:
            return inputs
        return factorized_reduction(inputs, channels, make)
    if op.kind == "max":
        return make.max_pool(inputs, op.kernels[0][0], stride)
    if op.kind == "avg":
        return make.avg_pool(
            inputs, op.kernels[0][0], stride, op.counts_padding
        )
    apply = _separable if op.kind == "separable" else _convolution
    for kernel in op.kernels:
        outputs = apply(op, make.activation(inputs), kernel, stride, make)
        inputs = make.normalization(outputs)
        # What follows in the same direction runs on the smaller image.
        stride = 1 if op.kind == "separable" else stride
    return inputs


def _convolution(
    op: Op,
    inputs: Tensor,
    kernel: tuple[int, int],
    stride: int,
    make: Assembler,
) -> Tensor:
    is_pair = len(op.kernels) > 1
    # Of a pair, 1 x k halves the width and k x 1 the height.
    strides = tuple(
        1 if is_pair and pixels == 1 else stride for pixels in kernel
    )
    return make.conv(inputs, make.shape(inputs)[-1], kernel, strides)


def _separable(
    op: Op,
    inputs: Tensor,
    kernel: tuple[int, int],
    stride: int,
    make: Assembler,
) -> Tensor:
    # TensorFlow has no convolution with both: the 1x1 one takes the stride.
    dilated = op.dilation > 1
    outputs = make.depthwise(
        inputs, kernel, 1 if dilated else stride, op.dilation
    )
    pointwise_stride = stride if dilated else 1
    return make.conv(
        outputs,
        make.shape(inputs)[-1],
        strides=(pointwise_stride, pointwise_stride),
    )
