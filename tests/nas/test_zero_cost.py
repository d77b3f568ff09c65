import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.nas.evaluators import zero_cost
from gtn_tf.types import Batch, InputError


def _dense(*layers, num_inputs=3):
    return keras.Sequential([keras.Input((num_inputs,)), *layers])


def _batch(images, num_classes=2):
    images = np.asarray(images, np.float32)
    labels = np.eye(num_classes, dtype=np.float32)[
        np.arange(len(images)) % num_classes
    ]
    return Batch(tf.constant(images), tf.constant(labels))


@pytest.mark.parametrize(
    "relu",
    [
        keras.layers.ReLU,
        lambda: keras.layers.LeakyReLU(0.1),
        keras.layers.PReLU,
        keras.layers.ELU,
        *(
            functools.partial(keras.layers.Activation, name)
            for name in ("relu", "relu6", "leaky_relu", "elu", "silu", "gelu")
        ),
    ],
)
def test_naswot_by_hand(relu):
    """Codes 110, 011 of three units: K = [[3, 1], [1, 3]], det 8."""
    model = _dense(
        keras.layers.Dense(3, use_bias=False), relu(), keras.layers.Dense(2)
    )
    model.layers[0].kernel.assign(np.eye(3))
    score = zero_cost.naswot(model, _batch([[1, 2, -3], [-1, 0.5, 4]]))
    assert score == pytest.approx(np.log(8))


def test_naswot_adds_the_kernels_of_all_layers():
    model = _dense(
        keras.layers.Dense(3, use_bias=False),
        keras.layers.ReLU(),
        keras.layers.Dense(1, use_bias=False),
        keras.layers.ReLU(),
    )
    model.layers[0].kernel.assign(np.eye(3))
    # The second layer's code is 1 for both images: it adds 1 everywhere.
    model.layers[2].kernel.assign(np.ones((3, 1)))
    score = zero_cost.naswot(model, _batch([[1, 2, -3], [-1, 0.5, 4]]))
    assert score == pytest.approx(np.log(16 - 4))


def test_naswot_reads_the_activation_of_any_layer():
    model = _dense(
        keras.layers.Dense(3, use_bias=False, activation="relu"),
        keras.layers.Dense(2),
    )
    model.layers[0].kernel.assign(np.eye(3))
    score = zero_cost.naswot(model, _batch([[1, 2, -3], [-1, 0.5, 4]]))
    assert score == pytest.approx(np.log(8))


def test_an_image_that_moves_nothing_is_the_worst_jacob_cov():
    model = _dense(
        keras.layers.Dense(3, use_bias=False),
        keras.layers.ReLU(),
        keras.layers.Dense(2),
    )
    model.layers[0].kernel.assign(np.eye(3))
    score = zero_cost.jacob_cov(model, _batch([[1, 2, 3], [-1, -2, -3]]))
    assert score == -np.inf


def test_naswot_needs_relus():
    model = _dense(keras.layers.Dense(2), keras.layers.Activation("tanh"))
    with pytest.raises(InputError, match="has no ReLU layer"):
        zero_cost.naswot(model, _batch([[1, 2, 3]]))


def test_jacob_cov_by_hand():
    """Row gradients (1, 0, -1) and (0, 1, -1) correlate by 1/2."""
    model = _dense(
        keras.layers.Dense(2, use_bias=False),
        keras.layers.ReLU(),
        keras.layers.Dense(1, use_bias=False),
    )
    model.layers[0].kernel.assign([[1, 0], [0, 1], [-1, -1]])
    model.layers[2].kernel.assign([[1], [1]])
    score = zero_cost.jacob_cov(model, _batch([[3, -9, 1], [-9, 3, 1]]))
    values = np.array([0.5, 1.5]) + 1e-5
    assert score == pytest.approx(-np.sum(np.log(values) + 1 / values))


def test_grad_norm_by_hand():
    """Of softmax regression: the gradient is x (p - y), both kernels."""
    model = _dense(keras.layers.Dense(2, use_bias=False), num_inputs=2)
    model.layers[0].kernel.assign(np.zeros((2, 2)))
    score = zero_cost.grad_norm(model, _batch([[3.0, 4.0]]))
    # p - y = (-1/2, 1/2); |x| = 5.
    assert score == pytest.approx(5 * np.sqrt(0.5))


def test_synflow_by_hand():
    """R = 1' |V| |W| 1; each kernel's part of the sum is R itself."""
    model = _dense(
        keras.layers.Dense(2, use_bias=False),
        keras.layers.BatchNormalization(epsilon=0.0),
        keras.layers.ReLU(),
        keras.layers.Dense(1),
        num_inputs=2,
    )
    model.layers[0].kernel.assign([[1, -2], [-3, 4]])
    model.layers[3].kernel.assign([[-1], [2]])
    score = zero_cost.synflow(model, _batch([[0.0, 0.0]]))
    flow = (1 + 3) * 1 + (2 + 4) * 2  # 16, once per kernel
    assert score == pytest.approx(np.log(2 * flow))


def test_synflow_leaves_the_model_as_it_was_and_does_not_overflow():
    deep = [keras.layers.Dense(200) for _ in range(60)]
    model = _dense(*deep)
    for layer in deep:
        layer.kernel.assign(10 * layer.kernel)
    before = [v.numpy() for v in model.variables]
    score = zero_cost.synflow(model, _batch([[1, 2, 3]]))
    assert 200 < score < 1000  # float32 ends at e^88
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable)


def test_synflow_of_a_convolution_is_its_kernels_flow():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(2, 3, padding="valid", use_bias=False),
            keras.layers.Flatten(),
        ]
    )
    images = np.zeros((1, 4, 4, 1))
    score = zero_cost.synflow(model, _batch(images))
    kernel = model.layers[0].kernel.numpy()
    assert score == pytest.approx(np.log(4 * np.abs(kernel).sum()), rel=1e-5)
