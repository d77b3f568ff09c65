"""The graphs of a genotype's cells, which a hypernetwork reads.

Nodes are the two inputs, the last output first; then, node by node of the cell,
its two operations and their sum; and the output. Imports no TensorFlow.
"""

import itertools

import numpy as np

from gtn_tf.search_spaces.cells.genotypes import NUM_INPUTS, Cell, Genotype
from gtn_tf.search_spaces.cells.space import SearchSpace

#: Kinds of nodes that are no operation.
_OWN_KINDS = ("last", "before", "sum", "output")
_OF_NODE = 3  # two operations and their sum


def num_kinds(space: SearchSpace) -> int:
    """Returns how many kinds of nodes there are, operations at both strides."""
    return len(_OWN_KINDS) + 2 * len(space.ops)


def operation_nodes(space: SearchSpace) -> list[int]:
    """Returns the nodes of the edges, [2 nodes of the cell]."""
    firsts = [NUM_INPUTS + _OF_NODE * node for node in range(space.num_nodes)]
    return [first + side for first in firsts for side in range(2)]


def graphs(
    genotype: Genotype, space: SearchSpace
) -> tuple[np.ndarray, np.ndarray]:
    """Returns kinds [2, V] and links [2, V, V], of the normal cell first.

    See `SharedWeights.graphs`. An operation is another kind at stride 2.
    """
    both = [
        _graph(cell, space, is_reduction)
        for is_reduction, cell in enumerate(
            (genotype.normal, genotype.reduction)
        )
    ]
    kinds, links = zip(*both, strict=True)
    return np.stack(kinds), np.stack(links)


def _graph(
    cell: Cell, space: SearchSpace, is_reduction: int
) -> tuple[np.ndarray, np.ndarray]:
    kinds = [_OWN_KINDS.index(name) for name in ("last", "before")]
    of_state = [1, 0]  # the last output is state 1
    read = []
    for node in cell.nodes:
        first = len(kinds)
        for edge in node:
            has_stride = is_reduction and edge.input < NUM_INPUTS
            op = space.ops.index(edge.op) + has_stride * len(space.ops)
            read.append((of_state[edge.input], len(kinds)))
            kinds.append(len(_OWN_KINDS) + op)
        read += [(first, first + 2), (first + 1, first + 2)]
        of_state.append(len(kinds))
        kinds.append(_OWN_KINDS.index("sum"))
    read += zip(
        (of_state[state] for state in cell.concat),
        itertools.repeat(len(kinds)),
    )
    kinds.append(_OWN_KINDS.index("output"))
    links = np.zeros((len(kinds), len(kinds)), np.float32)
    links[tuple(zip(*read, strict=True))] = 1.0
    return np.array(kinds), links
