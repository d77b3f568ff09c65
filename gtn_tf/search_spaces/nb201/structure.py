"""From a cell of NAS-Bench-201 to layers; imports no TensorFlow.

A network is a 3x3 convolution to C channels and its normalisation, three
stages of N cells with a residual block between them that halves the image and
doubles the channels, then normalisation, activation, global average pooling
and a dense layer (arXiv 2001.00326, section 2.1). Published are N = 5, C = 16.

* A convolution is activation, convolution, normalisation. The average pool
  keeps the size, leaves padding out of the mean and has no normalisation.
* A residual block adds two such 3x3 convolutions, the first of stride 2, to a
  2x2 average pool and a 1x1 convolution, without normalisation.
* Strided convolutions pad as TensorFlow's "same" does, the published ones one
  pixel on each side; sizes that are odd are halved upwards.
* What does not reach the output has no weights, as in `cells.structure`: a
  network is built of the canonical genotype.
"""

import functools

from gtn_tf.search_spaces.cells.structure import (
    Assembler,
    NetworkSize,
    Tensor,
    plan_cells,
)
from gtn_tf.search_spaces.nb201.genotypes import (
    EDGES,
    NUM_NODES,
    Genotype,
    canonical,
)
from gtn_tf.types import InputError

_KERNELS = {"nor_conv_1x1": (1, 1), "nor_conv_3x3": (3, 3)}


def assemble(
    genotype: Genotype, size: NetworkSize, images: Tensor, make: Assembler
) -> Tensor:
    """Makes the whole network; returns logits.

    Args:
      genotype: the cell.
      size: N cells per stage, C channels in the first one.
      images: what the assembler's methods take.
      make: makes and applies layers.

    Raises:
      InputError: N < 1, with which all genotypes are one, or C < 1.
    """
    check_size(size)
    outputs = stem(size.channels, images, make)
    for is_residual, channels in plan_cells(size):
        if is_residual:
            outputs = residual_block(channels, outputs, make)
        else:
            outputs = _assemble_cell(canonical(genotype), outputs, make)
    return classify(size.num_classes, outputs, make)


def check_size(size: NetworkSize) -> None:
    """Raises InputError for a network without cells or channels."""
    if size.num_cells < 1 or size.channels < 1:
        raise InputError(
            f"a network of NAS-Bench-201 of N={size.num_cells} cells per "
            f"stage, C={size.channels}; expected N >= 1 and C >= 1; set "
            "--config.search.num_cells and --config.search.channels"
        )


def stem(channels: int, images: Tensor, make: Assembler) -> Tensor:
    """Makes what comes before the cells."""
    return make.normalization(make.conv(images, channels, (3, 3)))


def apply_op(op: str, inputs: Tensor, make: Assembler) -> Tensor:
    """Applies one operation; it keeps the size and the channels."""
    if op == "none":
        return make.zeros(inputs)
    if op == "skip_connect":
        return inputs
    if op == "avg_pool_3x3":
        return make.avg_pool(inputs, 3, 1, counts_padding=False)
    return _convolution(inputs, make.shape(inputs)[-1], _KERNELS[op], 1, make)


def residual_block(channels: int, inputs: Tensor, make: Assembler) -> Tensor:
    """Halves the image and brings it to `channels`."""
    outputs = _convolution(inputs, channels, (3, 3), 2, make)
    outputs = _convolution(outputs, channels, (3, 3), 1, make)
    pooled = make.avg_pool(inputs, 2, 2, counts_padding=False)
    return make.add(make.conv(pooled, channels), outputs)


def classify(num_classes: int, inputs: Tensor, make: Assembler) -> Tensor:
    """Makes what comes after the cells."""
    return make.classify(make.normalization(inputs), num_classes)


def _assemble_cell(
    genotype: Genotype, inputs: Tensor, make: Assembler
) -> Tensor:
    nodes = {0: inputs}
    for node in range(1, NUM_NODES):
        terms = [
            apply_op(op, nodes[tail], make)
            for op, (tail, head) in zip(genotype, EDGES, strict=True)
            if head == node and op != "none"
        ]
        if terms:
            nodes[node] = functools.reduce(make.add, terms)
    return nodes.get(NUM_NODES - 1, make.zeros(inputs))


def _convolution(
    inputs: Tensor,
    channels: int,
    kernel: tuple[int, int],
    stride: int,
    make: Assembler,
) -> Tensor:
    outputs = make.conv(
        make.activation(inputs), channels, kernel, (stride, stride)
    )
    return make.normalization(outputs)
