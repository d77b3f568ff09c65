"""Weights that all genotypes of the cell space share."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.nas.supernets import Supernet
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.encoded_genotype import encode
from gtn_tf.search_spaces.cells.genotypes import Cell, Edge, Genotype
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.search_networks import FORMS
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.protocol import NetworkSpec
from gtn_tf.types import SyntheticData
from tests.helpers import nb201_search
from tests.helpers.float_tolerance import assert_close

_SPACE = SearchSpace(2, ("identity", "conv3x3", "max3x3"))
_NETWORK = NetworkSpec(0, 2, (8, 8, 1), 10)
_NUM_ROWS = 2 * (2 + 3) * 3
#: Two cells of two nodes, each with statistics of a batch of 12 images of 8x8.
_NUM_ROUNDINGS = 2 * 2 * 12 * 64


@pytest.fixture(scope="module")
def shared():
    return _SPACE.shared_weights(_NETWORK)


@pytest.fixture(scope="module")
def supernet(shared):
    session = nb201_search.session()
    return Supernet(shared, session.data.validation, root_seed(7))


def _genotypes():
    for seed in range(8):
        yield _SPACE.sample(seed)


def test_each_operation_has_weights_of_its_own_at_each_place(shared):
    """A row stands for (node, side, state, operation), and for nothing else."""
    ops, states = _SPACE.ops, ((0, 1), (0, 1, 2))
    seen = {}
    for first, second, op in itertools.product(*states, ops):
        nodes = (
            (Edge(first, op), Edge(1 - first, ops[0])),
            (Edge(second, op), Edge(2 - second, op)),
        )
        cell = Cell(nodes, (2, 3))
        rows = shared.rows(shared.encode(Genotype(cell, cell)))
        of_cells = [row.numpy() for row in rows if row is not None]
        assert len(of_cells) == 2  # both reductions: N = 0
        for place, (edge, row) in enumerate(
            zip(itertools.chain(*nodes), of_cells[0], strict=True)
        ):
            assert seen.setdefault(int(row), (place, edge)) == (place, edge)
    assert len(set(seen.values())) == len(seen)
    assert 0 <= min(seen) <= max(seen) < _NUM_ROWS


def test_a_path_is_the_interpreters_network(shared, supernet):
    """With the path's weights copied; the masks of loose ends are its own."""
    interpreter = CellInterpreter(_SPACE, *_NETWORK[:4], FORMS["search"])
    images = tf.random.stateless_normal((12, 8, 8, 1), [1, 2])
    for genotype in _genotypes():
        told = shared.encode(genotype)
        state = supernet.path(told)
        found, _ = shared.apply(*state[:2], images, True)
        _, statistics = interpreter.init_genotype(
            encode(genotype, _SPACE), root_seed(3)
        )
        expected, _ = interpreter.apply(state.params, statistics, images, True)
        assert_close(found, expected, _NUM_ROUNDINGS)


@pytest.mark.slow
def test_a_step_moves_the_rows_of_its_path_alone(shared, supernet):
    session = nb201_search.session()
    images, labels = session.training_images(np.arange(20))
    rates = {"learning_rate": tf.constant(0.1), "momentum": tf.constant(0.9)}
    genotype = next(_genotypes())
    before = [value.numpy() for value in supernet.params]
    supernet.train(genotype, SyntheticData(images, labels, rates))
    rows = shared.rows(shared.encode(genotype))
    moved = 0
    for variable, old, row in zip(supernet.params, before, rows, strict=True):
        if row is None:
            continue
        assert variable.shape[0] == _NUM_ROWS
        others = sorted(set(range(_NUM_ROWS)) - set(row.numpy()))
        np.testing.assert_array_equal(variable.numpy()[others], old[others])
        moved += (variable.numpy() != old).any()
    assert moved
    assert supernet.is_finite()
    assert 0 <= supernet.score(genotype) <= 1
