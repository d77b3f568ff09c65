"""mixed_bfloat16 at second order: what stays in float32, and what it costs."""

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.meta.meta_step import pure_meta_gradient
from gtn_tf.ops.seeds import root_seed
from tests.helpers import compiled

#: Norms, weight normalisation, inner updates and losses are made of others.
_MAY_BE_BFLOAT16 = {
    *("MatMul", "BatchMatMulV2", "Conv2D", "Conv2DBackpropInput"),
    *("Conv2DBackpropFilter", "MaxPool", "MaxPoolGrad", "MaxPoolGradGrad"),
    *("LeakyRelu", "LeakyReluGrad", "Mul"),  # Mul: width masks
    *("AddV2", "AddN", "Sum"),  # biases and their gradients
    *("Reshape", "Slice", "ExpandDims", "Tile", "Fill", "ShapeN", "Shape"),
    *("Pad", "PadV2", "MirrorPad", "MirrorPadGrad", "Transpose", "Identity"),
    *("ZerosLike", "Const"),
}


def _meta_gradient(precision):
    """Returns (names, gradients, losses, graph) of two learners' mean."""
    gtn, problem = compiled.build("gtn", "conv2_fc", ((4, 8), 8, 8), precision)
    pure = pure_meta_gradient(gtn, problem, 2)
    arguments = (gtn.read(), root_seed(4), tf.constant(0))
    gradients, losses = pure(*arguments)
    graph = pure.get_concrete_function(*arguments).graph
    return gtn.trained_names, gradients, losses, graph


@pytest.fixture(scope="module")
def exact():
    return _meta_gradient("float32")


@pytest.fixture(scope="module")
def coarse():
    return _meta_gradient("mixed_bfloat16")


def test_only_products_and_what_is_between_them_are_bfloat16(coarse):
    _, gradients, losses, graph = coarse
    graph_def = graph.as_graph_def()
    functions = [function.node_def for function in graph_def.library.function]
    found = {
        node.op
        for nodes in (graph_def.node, *functions)
        for node in nodes
        if node.attr["T"].type == tf.bfloat16.as_datatype_enum
    }
    assert {"MatMul", "Conv2D", "Conv2DBackpropFilter"} <= found
    assert found <= _MAY_BE_BFLOAT16, found - _MAY_BE_BFLOAT16
    for value in (*gradients, *losses):
        assert value.dtype == tf.float32


def _flat(gradients):
    return np.concatenate([np.ravel(gradient) for gradient in gradients])


def test_meta_gradients_point_the_same_way(exact, coarse):
    assert exact[0] == coarse[0]
    one, other = _flat(exact[1]), _flat(coarse[1])
    assert not np.array_equal(one, other)
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosine > 0.95, cosine
    np.testing.assert_allclose(exact[2].total, coarse[2].total, rtol=0.02)
