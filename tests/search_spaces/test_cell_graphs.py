"""The graphs of cells, and the weights of their nodes."""

import numpy as np

from gtn_tf.search_spaces.cells import graphs
from gtn_tf.search_spaces.cells.genotypes import Cell, Edge, Genotype
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.protocol import NetworkSpec

_OPS = ("identity", "conv3x3")
_SPACE = SearchSpace(2, _OPS)
_NODES = (
    (Edge(1, "conv3x3"), Edge(1, "identity")),
    (Edge(2, "identity"), Edge(1, "conv3x3")),
)
_GENOTYPE = Genotype(Cell(_NODES, (0, 3)), Cell(_NODES, (0, 3)))


def test_graphs_by_hand():
    kinds, links = graphs.graphs(_GENOTYPE, _SPACE)
    # last, before; two operations and their sum, twice; output. Kinds 4 and 5
    # are the operations, 6 and 7 those of stride 2.
    assert kinds.tolist() == [
        [0, 1, 5, 4, 2, 4, 5, 2, 3],
        [0, 1, 7, 6, 2, 4, 7, 2, 3],
    ]
    assert graphs.num_kinds(_SPACE) == 8
    assert graphs.operation_nodes(_SPACE) == [2, 3, 5, 6]
    read = {
        *((0, 2), (0, 3), (2, 4), (3, 4)),  # state 1 is the last output
        *((4, 5), (0, 6), (5, 7), (6, 7)),
        *((1, 8), (7, 8)),
    }
    for of_cell in links:
        assert {tuple(map(int, pair)) for pair in np.argwhere(of_cell)} == read


def test_every_graph_is_in_order_and_reaches_the_output():
    space = SearchSpace(5)
    for seed in range(20):
        genotype = space.sample(seed)
        kinds, links = graphs.graphs(genotype, space)
        assert kinds.shape == (2, 18)
        assert kinds.max() < graphs.num_kinds(space)
        assert not np.tril(links).any()
        for cell, of_cell in zip(
            (genotype.normal, genotype.reduction), links, strict=True
        ):
            assert of_cell.sum() == 4 * 5 + len(cell.concat)
            # What is no input reads, and all but inputs and output are read.
            assert of_cell[:, 2:].any(0).all()
            assert of_cell[2:-1].any(1).all()


def test_layouts_are_those_of_the_operations_there():
    shared = _SPACE.shared_weights(NetworkSpec(1, 2, (8, 8, 1), 10))
    genotype_rows = shared.rows(shared.encode(_GENOTYPE))
    found = []
    for layout, rows in zip(shared.layouts, genotype_rows, strict=True):
        assert (layout is None) == (rows is None)
        if layout is not None:
            ops = layout.of_rows[rows.numpy()]
            found.append((layout.graph, layout.fan_in[ops].max(1).tolist()))
    # Of stride 2 identity is two convolutions of 1x1; F = 2, 4, 4, 8, 8.
    assert found == [
        (0, [18, 0, 0, 18]),
        (1, [36, 4, 0, 36]),
        (0, [36, 0, 0, 36]),
        (1, [72, 8, 0, 72]),
        (0, [72, 0, 0, 72]),
    ]


def test_a_depthwise_kernel_sums_over_its_window_alone():
    """Of sep3x3: depthwise and pointwise kernel, both twice."""
    space = SearchSpace(1, ("sep3x3",))
    shared = space.shared_weights(NetworkSpec(1, 2, (8, 8, 1), 10))
    layout = next(layout for layout in shared.layouts if layout is not None)
    fan_ins = layout.fan_in[0]
    assert sorted(set(fan_ins.tolist())) == [0, 2, 9]
    assert (fan_ins == 9).sum() == 2 * 9 * 2  # F = 2
    assert (fan_ins == 2).sum() == 2 * 2 * 2
