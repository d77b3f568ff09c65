"""Assembled networks against the graphs that interpret any architecture."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.learners.functional import Learner
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.ops.seeds import root_seed
from gtn_tf.runtime.graph_rewriting import not_rewritten
from gtn_tf.search_spaces.cells.assembly import CellAssembler as OfCells
from gtn_tf.search_spaces.cells.encoded_genotype import encode
from gtn_tf.search_spaces.cells.interpreter import (
    CellInterpreter as OfAnyCells,
)
from gtn_tf.search_spaces.cells.network import FORMS
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.cells.structure import NetworkSize
from gtn_tf.search_spaces.nb201.assembly import CellAssembler
from gtn_tf.search_spaces.nb201.genotypes import OPS
from gtn_tf.search_spaces.nb201.interpreter import CellInterpreter
from gtn_tf.search_spaces.nb201.space import NB201
from gtn_tf.types import LearnerState, SyntheticData
from tests.helpers.central_differences import normal

_SPEC = FORMS["search"]
_CELLS = SearchSpace(2, ("identity", "max3x3", "conv1x1"))
_NB201 = NB201()


def _of_cells():
    """Cells of which the first three inputs are the stem."""
    size = NetworkSize(0, 2, (8, 8, 1), 3)
    any_cells = OfAnyCells(_CELLS, *size, _SPEC)
    some = [_CELLS.sample((2, number)) for number in range(3)]

    def init(seed, genotype):
        return any_cells.init_genotype(encode(genotype, _CELLS), seed)

    return some, init, any_cells.apply, OfCells(2, size, _SPEC)


def _of_nb201():
    size = NetworkSize(1, 2, (8, 8, 1), 3)
    any_cells = CellInterpreter(size, _SPEC)
    # Three gradients are added, of which two are one operation's.
    pools = (OPS[1], OPS[4], OPS[1], OPS[4], OPS[4], OPS[1])
    some = [pools, (OPS[3], OPS[2], OPS[4], OPS[3], OPS[1], OPS[2])]
    some.append((OPS[0],) * 6)

    def init(seed, cell):
        return any_cells.init_ops(
            tf.constant(_NB201.encode(cell), tf.int32), seed
        )

    return some, init, any_cells.apply, CellAssembler(size, _SPEC)


@pytest.mark.parametrize(
    "of_space", [_of_nb201, pytest.param(_of_cells, marks=pytest.mark.slow)]
)
def test_numbers_are_those_of_the_graph_of_all(of_space):
    """To the bit: logits after a step that took a gradient."""
    some, init, apply, assembler = of_space()
    batch = SyntheticData(
        tf.constant(normal(1, 4, 8, 8, 1), tf.float32),
        tf.one_hot([0, 1, 2, 0], 3),
        {"learning_rate": 0.3, "momentum": 0.5},
    )
    images = tf.constant(normal(2, 4, 8, 8, 1), tf.float32)

    def run(apply, params, statistics):
        state = LearnerState(params, statistics, SGD.init(params))
        state = inner_step(Learner("", None, apply), SGD, state, batch)
        return apply(state.params, state.statistics, images, training=False)[0]

    def traced(apply, given):
        function = tf.function(functools.partial(run, apply), autograph=False)
        return function.get_concrete_function(*given)

    with not_rewritten():
        run_any = traced(apply, init(root_seed(0), some[0]))
        for number, architecture in enumerate(some):
            seed = root_seed(number)
            expected = run_any(*init(seed, architecture))
            own_init, own_apply = assembler.assemble(architecture)
            found = traced(own_apply, own_init(seed))(*own_init(seed))
            np.testing.assert_array_equal(found, expected)
            assert np.ptp(expected) > 0
