"""That graphs run unrewritten where they shall, and rewritten elsewhere."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python.eager import context

from gtn_tf.runtime.graph_rewriting import (
    keep_graphs_repeatable,
    not_rewritten,
    repeatable_graphs,
)


def rewriting() -> RewriterConfig:
    options = context.context().function_call_options
    config = ConfigProto.FromString(options.config_proto_serialized)
    return config.graph_options.rewrite_options


@pytest.mark.usefixtures("grappler")
def test_nothing_is_rewritten_within():
    keep_graphs_repeatable()
    with not_rewritten():
        assert rewriting().disable_meta_optimizer
    assert not rewriting().disable_meta_optimizer
    # What was set before still holds.
    assert rewriting().memory_optimization == RewriterConfig.NO_MEM_OPT


def _sum_of_four(names: tuple[str, ...], terms: tf.Tensor) -> bytes:
    @tf.function(autograph=False)
    def add_up(terms: tf.Tensor) -> tf.Tensor:
        first, *others = (
            tf.math.tanh(terms[place], name=name)
            for place, name in enumerate(names)
        )
        for other in others:
            first = tf.add(first, other)
        return 2.0 * first

    return add_up(terms).numpy().tobytes()


@pytest.mark.usefixtures("grappler")
def test_bits_of_a_sum_do_not_depend_on_names():
    """As Keras' names count the layers that a process has built before."""
    drawn = np.random.default_rng(0).standard_normal((4, 1000))
    terms = tf.constant(drawn, tf.float32)
    with repeatable_graphs():
        found = {
            _sum_of_four(names, terms)
            for names in itertools.permutations("abcd", 4)
        }
    assert len(found) == 1


@pytest.mark.usefixtures("grappler")
def test_a_person_keeps_the_rewriting_of_arithmetic():
    before = rewriting()
    with repeatable_graphs():
        assert rewriting().arithmetic_optimization == RewriterConfig.OFF
    assert rewriting() == before
    keep_graphs_repeatable()
    assert rewriting().arithmetic_optimization == RewriterConfig.OFF


@pytest.mark.usefixtures("grappler")
def test_rewriting_goes_on_after_an_error():
    with pytest.raises(ValueError, match="within"), not_rewritten():
        raise ValueError("within")
    assert not rewriting().disable_meta_optimizer


@pytest.mark.usefixtures("grappler")
def test_gradients_of_a_leaky_relu_leave_standard_error_alone(capfd):
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.LeakyReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )

    @tf.function(autograph=False)
    def gradients(images: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(images) ** 2)
        return tape.gradient(loss, network.trainable_variables)

    with repeatable_graphs():
        found = gradients(tf.ones((2, 8, 8, 1)))
    assert all(np.isfinite(value).all() for value in found)
    assert "failed" not in capfd.readouterr().err
