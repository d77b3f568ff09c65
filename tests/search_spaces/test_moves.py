"""Moves in the cell space: encodings, mutations and neighbours."""

from collections import Counter

import pytest

from gtn_tf.search_spaces.cells.genotypes import Genotype, loose_ends
from gtn_tf.search_spaces.cells.published_genotypes import published
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.types import InputError
from tests.helpers import tiny

SPACE = SearchSpace(3, ("identity", "conv1x1", "max3x3"))
PARENT = SPACE.canonical(SPACE.sample((0, 4)))


def _cells(genotype):
    return (genotype.normal, genotype.reduction)


def _ops(cell):
    return Counter(edge.op for edge in cell.edges)


def _num_changed_ops(first, second):
    """Returns how many; as bags, for canonical nodes are in another order."""
    return sum(
        sum(
            (
                Counter(e.op for e in a.edges) - Counter(e.op for e in b.edges)
            ).values()
        )
        for a, b in zip(_cells(first), _cells(second), strict=True)
    )


def test_decisions_are_inputs_and_operations():
    edges = (2, 3, 2, 3, 3, 3, 3, 3, 4, 3, 4, 3)
    assert SPACE.decisions() == (*edges, *edges)
    # The count of the paper's space.
    assert len(SearchSpace().decisions()) == 40


def test_encodings_round_trip():
    for number in range(30):
        genotype = SPACE.sample((1, number))
        options = SPACE.encode(genotype)
        assert all(
            0 <= option < count
            for option, count in zip(options, SPACE.decisions(), strict=True)
        )
        assert SPACE.decode(options) == genotype
        # The canonical form has an encoding too, of the same function.
        other = SPACE.decode(SPACE.encode(SPACE.canonical(genotype)))
        assert SPACE.key(other) == SPACE.key(genotype)
    first = SPACE.decode([0] * 24)
    assert first.to_text().startswith("identity@0+identity@0,identity@0")


def test_what_has_no_encoding_is_one_line():
    nodes = SPACE.sample((0, 0)).normal.nodes
    every = Genotype.from_text(
        "identity@0+identity@0:0-1-2/identity@0+identity@0:0-1-2"
    )
    for genotype in (every, published()["NAONet-A"].genotype):
        with pytest.raises(InputError, match="3 nodes per cell") as caught:
            SPACE.encode(genotype)
        assert caught.match(tiny.ONE_LINE)
    assert loose_ends(nodes)  # what a cell of the space concatenates


def test_a_mutation_is_one_step_and_another_function():
    cells, kinds = Counter(), Counter()
    for number in range(600):
        child = SPACE.mutate(PARENT, (5, number))
        assert child == SPACE.mutate(PARENT, (5, number))
        assert child == SPACE.canonical(child)
        assert SPACE.key(child) != SPACE.key(PARENT)
        assert len(SPACE.encode(child)) == 24  # it is of the space
        changed = [
            a != b for a, b in zip(_cells(child), _cells(PARENT), strict=True)
        ]
        assert sum(changed) == 1
        cells[changed.index(True)] += 1
        kinds[_num_changed_ops(PARENT, child)] += 1
    # Cells, and operations (a change of one) or inputs, in equal shares:
    # 300 each, standard deviation 12; a repeat is drawn again.
    assert set(kinds) == {0, 1}
    assert all(240 < n < 360 for n in (*cells.values(), *kinds.values()))


def test_neighbours_are_what_mutations_reach():
    found = list(SPACE.neighbours(PARENT))
    keys = {SPACE.key(genotype) for genotype in found}
    assert len(keys) == len(found)
    assert SPACE.key(PARENT) not in keys
    for number in range(300):
        assert SPACE.key(SPACE.mutate(PARENT, (6, number))) in keys
    # At most one for each other option; PARENT is a neighbour of each.
    assert len(found) <= sum(n - 1 for n in SPACE.decisions())
    for genotype in found[:10]:
        back = {SPACE.key(other) for other in SPACE.neighbours(genotype)}
        assert SPACE.key(PARENT) in back


def test_moves_that_change_nothing_are_drawn_again():
    """Of one node with one operation, two inputs that trade places."""
    space = SearchSpace(1, ("identity",))
    one = space.canonical(space.sample((0, 0)))
    for number in range(50):
        assert space.key(space.mutate(one, (0, number))) != space.key(one)
