"""Cells of NAS-Bench-201 as data (Dong and Yang, arXiv 2001.00326).

A cell has four nodes; node 0 is its input, each other one is the sum of an
operation on every node before it, node 3 is its output. A genotype is the six
operations, in the order of the benchmark's strings: by the node that an edge
enters. Imports no TensorFlow.
"""

import re

import numpy as np

from gtn_tf.types import InputError

OPS = (
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
)
NUM_NODES = 4
#: (node that is read, node that it is added to) of each edge.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

Genotype = tuple[str, ...]  # six of `OPS`, one per edge

#: Nodes of a cell and, before the one that they enter, its edges.
NODES_OF_GRAPH = tuple(
    member
    for node in range(NUM_NODES)
    for member in (*(e for e in EDGES if e[1] == node), node)
)
#: Of nodes of that graph: what a cell reads, a sum, or an operation.
GRAPH_KINDS = ("input", "sum", *OPS)

# Tables also list the operations as numbers, by the node that is read.
_NUMBERED_OPS = (
    "skip_connect",
    "none",
    "nor_conv_3x3",
    "nor_conv_1x1",
    "avg_pool_3x3",
)
_NUMBERED_EDGES = tuple(EDGES.index(edge) for edge in sorted(EDGES))
_STRING = re.compile(
    r"\+".join(
        r"\|" + "".join(rf"(\w+)~{i}\|" for i in range(node))
        for node in range(1, NUM_NODES)
    )
)
_NUMBERS = re.compile(r"\(?" + "[-, ]+".join(["([0-4])"] * 6) + r"\)?")


def canonical(genotype: Genotype) -> Genotype:
    """Returns the genotype that stands for all of the same function.

    An edge that no path from node 0 to node 3 takes is `none`. Of the 15625
    genotypes that leaves 9445, those that tables list. Genotypes that are the
    same up to the names of nodes stay apart, as there.
    """
    alive = [op != "none" for op in genotype]
    reached, reaching = {0}, {NUM_NODES - 1}
    for is_alive, (tail, head) in zip(alive, EDGES, strict=True):
        if is_alive and tail in reached:
            reached.add(head)
    for is_alive, (tail, head) in reversed(
        list(zip(alive, EDGES, strict=True))
    ):
        if is_alive and head in reaching:
            reaching.add(tail)
    return tuple(
        op if tail in reached and head in reaching else "none"
        for op, (tail, head) in zip(genotype, EDGES, strict=True)
    )


def graph(genotype: Genotype) -> tuple[np.ndarray, np.ndarray]:
    """Returns what the nodes of its graph are, and who reads whom.

    Returns:
      Places in `GRAPH_KINDS` [10]; links [10, 10], 1 from a node to one that
      reads it; `none` reads nothing and is not read.
    """
    op_of = dict(zip(EDGES, canonical(genotype), strict=True))
    kinds = [
        GRAPH_KINDS.index(op_of.get(node, "sum" if node else "input"))
        for node in NODES_OF_GRAPH
    ]
    links = np.zeros((len(kinds), len(kinds)), np.float32)
    for edge, op in op_of.items():
        if op != "none":
            own = NODES_OF_GRAPH.index(edge)
            links[NODES_OF_GRAPH.index(edge[0]), own] = 1.0
            links[own, NODES_OF_GRAPH.index(edge[1])] = 1.0
    return np.array(kinds), links


def to_text(genotype: Genotype) -> str:
    """Returns the benchmark's string, `|op~0|+|op~0|op~1|+|...|`."""
    nodes = []
    for node in range(1, NUM_NODES):
        terms = (
            f"{op}~{tail}"
            for op, (tail, head) in zip(genotype, EDGES, strict=True)
            if head == node
        )
        nodes.append(f"|{'|'.join(terms)}|")
    return "+".join(nodes)


def from_text(text: str) -> Genotype:
    """Reads the benchmark's string, or six numbers such as `(4,0,3,1,4,3)`.

    Numbers are those of the tables: 0 skip_connect, 1 none, 2 nor_conv_3x3,
    3 nor_conv_1x1, 4 avg_pool_3x3, for the edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3.

    Raises:
      InputError: the text is no such cell.
    """
    found = _STRING.fullmatch(text.strip())
    if found and set(found.groups()) <= set(OPS):
        return found.groups()
    numbers = _NUMBERS.fullmatch(text.strip())
    if numbers is None:
        raise InputError(
            f"genotype '{text[:120]}' cannot be read; expected "
            f"'{to_text(OPS[1:] + OPS[:2])}', with operations of "
            f"{', '.join(OPS)}; correct it"
        )
    genotype = [""] * len(EDGES)
    for edge, number in zip(_NUMBERED_EDGES, numbers.groups(), strict=True):
        genotype[edge] = _NUMBERED_OPS[int(number)]
    return tuple(genotype)
