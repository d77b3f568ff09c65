"""What was traced is let go."""

import gc
import weakref

import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from gtn_tf.runtime.graph_memory import TracedGraphs, older_objects_kept


@tf.custom_gradient
def squared(x):
    return x * x, lambda upstream: 2.0 * x * upstream


def gradient_of_square():
    """Returns the derivative at 3, and a reference to its graph."""

    @tf.function(autograph=False)
    def derivative(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = squared(x)
        return tape.gradient(value, x)

    three = tf.constant(3.0)
    assert derivative(three) == 6.0
    return weakref.ref(derivative.get_concrete_function(three).graph)


def test_a_graph_with_a_custom_gradient_is_let_go():
    before = set(ops.gradient_registry.list())
    kept = gradient_of_square()
    gc.collect()
    assert kept() is not None  # else TensorFlow no longer asks for all this
    graphs = TracedGraphs()
    let_go = []
    for _ in range(2):
        with graphs.collected():
            let_go.append(gradient_of_square())
    graphs.release()
    assert [graph() for graph in let_go] == [None, None]
    assert kept() is not None
    assert len(set(ops.gradient_registry.list()) - before) == 1


class Circle:
    def __init__(self):
        self.own = self


@pytest.fixture
def unfrozen():
    gc.unfreeze()
    yield
    gc.freeze()  # as conftest has it


def test_older_objects_are_collected_afterwards(unfrozen):
    older = Circle()
    let_go = weakref.ref(older)
    with older_objects_kept():
        with older_objects_kept():
            newer = weakref.ref(Circle())
        del older
        gc.collect()
        assert let_go() is not None
        assert newer() is None
    gc.collect()
    assert let_go() is None
    assert not gc.get_freeze_count()


def _trace(times):
    for number in range(times):

        @tf.function(autograph=False)
        def plus(x, number=number):
            return x + number

        plus(tf.constant(1))


def test_one_graph_after_the_other_is_no_matter_of_warning(caplog):
    _trace(5)
    assert "triggered tf.function retracing" in caplog.text
    caplog.clear()
    with TracedGraphs().collected():  # the second and last that TensorFlow has
        _trace(1)
        tf.get_logger().warning("another")
    assert {record.message for record in caplog.records} == {"another"}
