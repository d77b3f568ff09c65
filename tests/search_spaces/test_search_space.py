"""Random genotypes: reproducible, uniform, inside their space."""

from collections import Counter

import pytest

from gtn_tf.search_spaces.cells.genotypes import loose_ends
from gtn_tf.search_spaces.cells.space import DEFAULT_OPS, SearchSpace
from gtn_tf.types import InputError

#: The 99.99 % point of chi-square by degrees of freedom.
_CHI_SQUARE_LIMIT = {1: 15.1, 5: 25.7, 10: 35.6, 120: 187.2}

STREAM = (
    "identity@1+identity@1,identity@0+identity@0:2-3/"
    "conv1x1@1+conv1x1@0,identity@0+conv1x1@0:2-3"
)


def chi_square(counts, num_cells):
    expected = sum(counts.values()) / num_cells
    missing = num_cells - len(counts)
    return (
        sum((n - expected) ** 2 for n in counts.values()) / expected
        + missing * expected
    )


def test_seed_decides():
    space = SearchSpace()
    assert space.sample((3, 7)) == space.sample((3, 7))
    assert space.sample((3, 7)) != space.sample((3, 8))
    assert space.sample((3, 7)) != space.sample((4, 7))


def test_stream_stays_what_it_is():
    genotype = SearchSpace(2, ("conv1x1", "identity")).sample((0, 1))
    assert genotype.to_text() == STREAM


def test_sample_is_in_the_space():
    ops = ("conv1x1", "max3x3", "sep5x5")
    for index in range(50):
        genotype = SearchSpace(3, ops).sample((0, index))
        for cell in (genotype.normal, genotype.reduction):
            assert len(cell.nodes) == 3
            assert {edge.op for edge in cell.edges} <= set(ops)
            assert cell.concat == loose_ends(cell.nodes)


def test_inputs_and_operations_are_uniform_and_cells_independent():
    space = SearchSpace()
    genotypes = [space.sample((5, index)) for index in range(3000)]
    for cells in (
        [g.normal for g in genotypes],
        [g.reduction for g in genotypes],
    ):
        ops = Counter(edge.op for cell in cells for edge in cell.edges)
        assert set(ops) == set(DEFAULT_OPS)
        assert chi_square(ops, 11) < _CHI_SQUARE_LIMIT[10]
        for node, side in ((0, 0), (0, 1), (4, 0), (4, 1)):
            inputs = Counter(cell.nodes[node][side].input for cell in cells)
            assert chi_square(inputs, node + 2) < _CHI_SQUARE_LIMIT[node + 1]
    pairs = Counter(
        (g.normal.nodes[0][0].op, g.reduction.nodes[0][0].op) for g in genotypes
    )
    assert chi_square(pairs, 121) < _CHI_SQUARE_LIMIT[120]


def test_different_genotypes_more_of_them_begin_alike():
    space = SearchSpace(1, ("conv1x1", "identity"))
    few = space.sample_different(5, (3,), "search.num_architectures")
    more = space.sample_different(12, (3,), "search.num_architectures")
    assert list(more)[:5] == list(few)
    for key, genotype in more.items():
        assert genotype.key() == key
        assert genotype == genotype.canonical()
    with pytest.raises(
        InputError, match=r"a\.b is 101; .* --config\.a\.num_nodes"
    ):  # of 10 cells of each kind
        space.sample_different(101, (3,), "a.b")


@pytest.mark.parametrize(
    ("num_nodes", "ops", "message"),
    [
        (0, DEFAULT_OPS, "0 nodes per cell"),
        (5, ("conv9x9",), "operations conv9x9"),
        (5, ("conv1x1", "conv1x1"), "expected different ones"),
        (5, (), "operations none"),
    ],
)
def test_impossible_spaces_are_refused(num_nodes, ops, message):
    with pytest.raises(InputError, match=message):
        SearchSpace(num_nodes, ops)
