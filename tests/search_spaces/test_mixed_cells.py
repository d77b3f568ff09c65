"""All operations of the cell space at once, and what their shares stand for."""

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.nas.bilevel import architecture_gradient
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.encoded_genotype import EncodedGenotype
from gtn_tf.search_spaces.cells.genotypes import Cell, Edge, Genotype
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.search_networks import FORMS
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.protocol import NetworkSpec
from tests.helpers.central_differences import assert_gradient_matches, normal
from tests.helpers.float_tolerance import assert_close

_OPS = ("identity", "conv3x3", "avg3x3")
_SPACE = SearchSpace(2, _OPS)
_NETWORK = NetworkSpec(0, 2, (8, 8, 1), 10)
_PLACES = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]  # node, state
_IMAGES = normal(1, 4, 8, 8, 1)
_LABELS = np.eye(10)[[3, 1, 4, 1]]
#: Two cells of two nodes, each with statistics of four images of 8x8.
_NUM_ROUNDINGS = 2 * 2 * 4 * 64

#: Of each cell, per node, the (state, operation) of its two edges.
_CHOSEN = (
    (((0, "conv3x3"), (1, "avg3x3")), ((1, "conv3x3"), (2, "identity"))),
    (((0, "identity"), (1, "conv3x3")), ((0, "avg3x3"), (2, "conv3x3"))),
)


def _shares(of_one=1.0, elsewhere=0.0):
    shares = np.full((2, len(_PLACES), len(_OPS)), elsewhere, np.float32)
    for kind, cell in enumerate(_CHOSEN):
        for node, edges in enumerate(cell):
            for state, op in edges:
                place = _PLACES.index((node, state))
                shares[kind, place, _OPS.index(op)] = of_one
    return shares.reshape(-1, len(_OPS))


def test_shares_of_one_are_the_network_of_these_edges():
    """Both edges of a node with weights of the first; all nodes read."""
    shared = _SPACE.shared_weights(_NETWORK)
    params, statistics = shared.init(root_seed(3))
    images = tf.constant(_IMAGES, tf.float32)
    found = shared.mix(params, statistics, tf.constant(_shares()), images)
    states, ops = (
        tf.constant(values, tf.int32)
        for values in (
            [[[s for s, _ in node] for node in cell] for cell in _CHOSEN],
            [
                [[_OPS.index(op) for _, op in node] for node in cell]
                for cell in _CHOSEN
            ],
        )
    )
    concat = tf.constant([[False, False, True, True]] * 2)
    interpreter = CellInterpreter(_SPACE, *_NETWORK[:4], FORMS["search"])
    _, told = interpreter.init_genotype(
        EncodedGenotype(states, ops, concat), root_seed(0)
    )
    # 2 states of either edge of the first node come before those of the second.
    first_rows = tf.constant([[0, 0], [12, 12]])
    rows = tf.reshape(first_rows + 3 * states + ops, (2, 4))
    own = [
        value if layout is None else tf.gather(value, rows[layout.graph])
        for value, layout in zip(params, shared.layouts, strict=True)
    ]
    expected, _ = interpreter.apply(own, told, images, True)
    assert_close(found, expected, _NUM_ROUNDINGS)


def test_of_each_node_the_two_largest_shares_are_kept():
    genotype = _SPACE.shared_weights(_NETWORK).derive(_shares(0.6, 0.2))
    expected = [
        tuple(tuple(Edge(*edge) for edge in node) for node in cell)
        for cell in _CHOSEN
    ]
    # The output concatenates what no node reads.
    assert genotype == Genotype(
        Cell(expected[0], (3,)), Cell(expected[1], (3,))
    )


def test_of_equal_shares_the_first_are_kept():
    derive = _SPACE.shared_weights(_NETWORK).derive
    genotype = derive(np.full((10, 3), 1 / 3, np.float32))
    node = (Edge(0, "identity"), Edge(1, "identity"))
    assert genotype.normal == Cell((node, node), (2, 3))
    assert genotype.reduction == genotype.normal


@pytest.mark.parametrize("order", [1, 2])
def test_its_gradient_is_exact(order):
    """Of shares, through a step of the weights at second order."""
    shared = SearchSpace(1, _OPS).shared_weights(
        NetworkSpec(0, 2, (4, 4, 1), 10, dtype="float64")
    )
    params, statistics = shared.init(root_seed(5))

    def loss(part):
        images = tf.constant(normal(part, 4, 4, 4, 1))

        def loss(params, alphas):
            logits = shared.mix(
                params, statistics, tf.nn.softmax(alphas[0]), images
            )
            return tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits(_LABELS, logits)
            )

        return loss

    def update(gradients, params):
        return [p - 0.1 * g for p, g in zip(params, gradients, strict=True)]

    @tf.custom_gradient
    def function(alpha):
        value, (gradient,) = architecture_gradient(
            *(loss(1), loss(2), params, [alpha]),
            update if order == 2 else None,
        )
        return value, lambda upstream: upstream * gradient

    assert_gradient_matches(
        lambda values: function(*values), [normal(9, 4, 3)], 0
    )
