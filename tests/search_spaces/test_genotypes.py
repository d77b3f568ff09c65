"""Genotypes: validation, forms, canonical cells against permuted graphs."""

import itertools

import pytest

from gtn_tf.search_spaces.cells.genotypes import (
    Cell,
    Edge,
    Genotype,
    loose_ends,
)
from gtn_tf.search_spaces.cells.nao_encoding import from_nao
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.cells.published_genotypes import (
    published,
    published_genotype,
)
from gtn_tf.types import InputError
from tests.helpers.genotypes import PLAIN, cell

NAMES = (
    "NASNet-A",
    "AmoebaNet-A",
    "AmoebaNet-B",
    "DARTS-V1",
    "DARTS-V2",
    "ENAS",
    "NAONet-A",
    "NAONet-B",
    "NAONet-V2",
    "GTN-fixed",
)
ENAS_FIXED = [
    [1, 6, 1, 5, 0, 13, 2, 7, 3, 8, 3, 5, 4, 9, 1, 9, 4, 9, 2, 7],
    [1, 14, 0, 8, 0, 8, 1, 7, 0, 14, 3, 5, 4, 14, 0, 14, 2, 9, 1, 13],
]


def test_published_names_are_those_of_the_literature():
    assert tuple(published()) == NAMES
    assert all(entry.source for entry in published().values())


def test_unknown_name_lists_all():
    with pytest.raises(InputError, match="'NASNet' is unknown") as error:
        published_genotype("NASNet")
    assert all(name in str(error.value) for name in NAMES)


def test_darts_v2_is_as_published():
    genotype = published_genotype("DARTS-V2")
    assert genotype.normal == cell(
        "sep3x3@0+sep3x3@1",
        "sep3x3@0+sep3x3@1",
        "sep3x3@1+identity@0",
        "identity@0+dil_sep3x3@2",
        concat=(2, 3, 4, 5),
    )
    assert genotype.reduction.nodes[3] == (
        Edge(2, "identity"),
        Edge(1, "max3x3"),
    )


def test_nasnet_concatenates_an_input():
    assert published_genotype("NASNet-A").normal.concat == (0, 2, 3, 4, 5, 6)


def test_official_integers_give_gtn_fixed():
    genotype = from_nao(ENAS_FIXED)
    assert genotype == published_genotype("GTN-fixed")


def test_ids_older_than_the_official_codes_are_read():
    genotype = from_nao([[0, 4, 1, 3], [0, 2, 1, 0]])
    assert genotype.normal == cell("identity@0+max3x3@1")
    assert genotype.reduction == cell("avg3x3_unpadded@0+sep3x3@1")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ([[0, 6, 1]] * 2, "four|x, op, y, op"),
        ([[0, 16, 1, 6]] * 2, "ids 0 to 15"),
        ([[0, 6, 1, 6]], "1 cells; expected"),
        ([[0, 6, 2, 6]] * 2, "input 2 of node 2"),
        ([[0, 6, 1, "6"]] * 2, "x, op, y, op"),
        ([[0, 6.0, 1, 6]] * 2, "x, op, y, op"),
        (["0 6 1 6"] * 2, "x, op, y, op"),
        ([6, 6], "cell encoding 6; expected x, op, y, op"),
    ],
)
def test_wrong_integers_are_refused(encoding, message):
    with pytest.raises(InputError, match=message):
        from_nao(encoding)


@pytest.mark.parametrize("name", NAMES)
def test_forms_are_read_back(name):
    genotype = published_genotype(name)
    assert Genotype.from_text(genotype.to_text()) == genotype
    assert Genotype.from_json(genotype.to_json()) == genotype
    canonical = genotype.canonical()
    assert canonical.canonical() == canonical
    assert canonical.key() == genotype.key()


def test_text_form():
    genotype = Genotype(PLAIN, cell("max2x2@0+conv3x3@0"))
    assert genotype.to_text() == (
        "conv1x1@0+identity@1:2/max2x2@0+conv3x3@0:1-2"
    )


@pytest.mark.parametrize(
    "text", ["", "conv1x1@0+identity@1:2", "conv1x1@x+identity@1:2/" * 2, "/"]
)
def test_unreadable_text_is_refused(text):
    with pytest.raises(InputError, match="cannot be read; expected"):
        Genotype.from_text(text)


@pytest.mark.parametrize("values", [{}, {"normal": 3}, []])
def test_unreadable_json_is_refused(values):
    with pytest.raises(InputError, match="cannot be read; expected"):
        Genotype.from_json(values)


@pytest.mark.parametrize(
    ("nodes", "concat", "message"),
    [
        ((((0, "conv1x1"), (2, "identity")),), (2,), "input 2 of node 2"),
        ((((-1, "conv1x1"), (0, "identity")),), (2,), "input -1 of node 2"),
        ((((0, "conv9x9"), (0, "identity")),), (2,), "'conv9x9' of node 2"),
        ((((0, "conv1x1"),),), (2,), "node 2 has 1 inputs"),
        ((((0, "conv1x1"), (1, "identity")),), (), "concat \\[\\]"),
        ((((0, "conv1x1"), (1, "identity")),), (3,), "concat \\[3\\]"),
        ((((0, "conv1x1"), (1, "identity")),), (2, 1), "concat \\[2, 1\\]"),
        ((((0, "conv1x1"), (1, "identity")),), (2, 2), "concat \\[2, 2\\]"),
    ],
)
def test_impossible_cells_are_refused(nodes, concat, message):
    with pytest.raises(InputError, match=message):
        Cell(nodes, concat)


def test_key_is_equal_for_equal_functions_only():
    swapped = cell("identity@1+conv1x1@0")
    dead = cell("conv1x1@0+identity@1", "conv3x3@2+conv3x3@0", concat=(2,))
    other_input = cell("conv1x1@1+identity@0")
    key = Genotype(PLAIN, PLAIN).key()
    assert len(key) == 16
    assert Genotype(swapped, dead).key() == key
    assert Genotype(other_input, PLAIN).key() != key
    assert Genotype(PLAIN, other_input).key() != key


def test_twins_are_two_nodes():
    once = cell("conv1x1@0+conv1x1@1")
    twice = cell("conv1x1@0+conv1x1@1", "conv1x1@0+conv1x1@1")
    assert once.canonical() != twice.canonical()


def test_a_loose_input_matters():
    with_input = cell("conv1x1@1+identity@1")
    without = cell("conv1x1@1+identity@1", concat=(2,))
    assert with_input.concat == (0, 2)
    assert with_input.canonical() != without.canonical()


def test_many_twins_stay_cheap_and_orderless():
    nodes = ["conv1x1@0+conv1x1@1"] * 4
    first = cell(*nodes, "conv3x3@2+identity@0", "max3x3@4+identity@0")
    second = cell(*nodes, "max3x3@5+identity@0", "identity@0+conv3x3@3")
    assert first.canonical() == second.canonical()


def all_cells(num_nodes, ops, concats):
    """Every cell of a tiny space; "loose" concat or every subset."""

    def nodes_at(state):
        edges = [Edge(i, op) for i in range(state) for op in ops]
        return itertools.product(edges, edges)

    for nodes in itertools.product(
        *(nodes_at(2 + k) for k in range(num_nodes))
    ):
        if concats == "loose":
            yield Cell(nodes, loose_ends(nodes))
            continue
        states = range(num_nodes + 2)
        for size in range(1, num_nodes + 3):
            for concat in itertools.combinations(states, size):
                yield Cell(nodes, concat)


def signature_by_permutation(found):
    """The smallest relabelling over ALL orders of live nodes, legal or not.

    Independent of `canonical`: it knows no order of definitions, drops dead
    nodes by searching forward paths, and compares multisets.
    """
    num_states = len(found.nodes) + 2

    def reaches_output(state):
        return state in found.concat or any(
            reaches_output(later + 2)
            for later, node in enumerate(found.nodes)
            if any(edge.input == state for edge in node)
        )

    live = [s for s in range(2, num_states) if reaches_output(s)]
    best = None
    for order in itertools.permutations(range(len(live))):
        name = {0: 0, 1: 1} | {
            s: 2 + o for s, o in zip(live, order, strict=True)
        }
        graph = sorted(
            (name[s], sorted((op, name[i]) for i, op in found.nodes[s - 2]))
            for s in live
        )
        outputs = sorted(name[s] for s in found.concat)
        best = min(x for x in (best, (graph, outputs)) if x is not None)
    return str(best)


@pytest.mark.parametrize(
    ("num_nodes", "ops", "concats"),
    [
        (2, ("conv1x1", "identity", "max3x3"), "loose"),
        (2, ("conv1x1", "identity"), "every"),
        pytest.param(
            *(3, ("conv1x1", "identity"), "loose"), marks=pytest.mark.slow
        ),
    ],
)
def test_canonical_is_equal_exactly_for_isomorphic_cells(
    num_nodes, ops, concats
):
    pairs = {
        (found.canonical(), signature_by_permutation(found))
        for found in all_cells(num_nodes, ops, concats)
    }
    canonicals, signatures = map(set, zip(*pairs, strict=True))
    # A bijection between the two classifications.
    assert len(pairs) == len(canonicals) == len(signatures)
    assert len(pairs) > 50


def test_operations_of_the_default_space_come_first():
    assert list(OPS)[:11] == [
        "identity",
        "conv1x1",
        "conv3x3",
        "conv1x3_3x1",
        "conv1x7_7x1",
        "max2x2",
        "max3x3",
        "max5x5",
        "avg2x2",
        "avg3x3",
        "avg5x5",
    ]
