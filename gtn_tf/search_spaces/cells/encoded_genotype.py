"""Genotypes as tensors, for a graph that runs any of them."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gtn_tf.ops.seeds import ALGORITHM
from gtn_tf.search_spaces.cells.genotypes import (
    NUM_INPUTS,
    Cell,
    Genotype,
)
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.types import InputError


class EncodedGenotype(NamedTuple):
    """A genotype as tensors; the first axis is (normal, reduction).

    Attributes:
      inputs: [2, nodes, 2] int32, the state that each edge reads.
      ops: [2, nodes, 2] int32, positions in the space's `ops`.
      concat: [2, 2 + nodes] bool.
    """

    inputs: tf.Tensor
    ops: tf.Tensor
    concat: tf.Tensor


def encode(genotype: Genotype, space: SearchSpace) -> EncodedGenotype:
    """Returns a genotype of the space as tensors.

    Raises:
      InputError: other operations, or another number of nodes.
    """
    cells = (genotype.normal, genotype.reduction)
    for cell in cells:
        others = {edge.op for edge in cell.edges} - set(space.ops)
        if others or len(cell.nodes) != space.num_nodes:
            raise InputError(
                f"a cell of {len(cell.nodes)} nodes with operations "
                f"{', '.join(sorted({e.op for e in cell.edges}))}; expected "
                f"{space.num_nodes} nodes with {', '.join(space.ops)}; build "
                "it by build_cell_network instead"
            )

    def per_edge(value: Callable) -> tf.Tensor:
        return tf.constant(
            [[[value(e) for e in node] for node in c.nodes] for c in cells],
            tf.int32,
        )

    return EncodedGenotype(
        per_edge(lambda edge: edge.input),
        per_edge(lambda edge: space.ops.index(edge.op)),
        tf.constant([_is_concatenated(cell) for cell in cells]),
    )


def _is_concatenated(cell: Cell) -> list[bool]:
    return [s in cell.concat for s in range(NUM_INPUTS + len(cell.nodes))]


def draw_genotype(space: SearchSpace, seed: tf.Tensor) -> EncodedGenotype:
    """Draws like `SearchSpace.sample` (other numbers), from a [2] seed."""
    shape = (2, space.num_nodes, 2)
    num_states = tf.range(space.num_nodes)[:, None] + NUM_INPUTS
    # Of a uniform number in [0, 2**31) the remainder: off by less than 1e-8.
    raw = tf.random.stateless_uniform(
        (2, *shape), seed, 0, 2**31 - 1, tf.int32, alg=ALGORITHM
    )
    inputs = raw[0] % num_states
    ops = raw[1] % len(space.ops)
    num_all = NUM_INPUTS + space.num_nodes
    read = tf.reduce_any(
        tf.reshape(inputs, (2, -1, 1)) == tf.range(num_all), axis=1
    )
    return EncodedGenotype(inputs, ops, ~read)
