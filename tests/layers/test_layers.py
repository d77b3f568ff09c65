import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf import layers
from gtn_tf.layers.activations import leaky_relu
from gtn_tf.meta.inner_loop import cross_entropy
from tests.helpers.central_differences import (
    assert_gradient_matches,
    assert_second_order_matches,
    normal,
    relative_error,
    second_order_error,
)
from tests.helpers.float_tolerance import assert_close
from tests.helpers.weight_norm_twins import IMAGES, TWINS, VECTORS

#: A wrong second derivative must be off by more than this; a right one is
#: off by less than `central_differences.RTOL`.
CLEARLY_WRONG = 1e-3


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        *(
            pytest.param(cls(**arguments, use_bias=False), shape, id=name)
            for name, (cls, _, arguments, shape) in TWINS.items()
        ),
        pytest.param(layers.MaxPool2D(2, 1), IMAGES, id="max_pool"),
        pytest.param(layers.Subsample((2, 1)), IMAGES, id="subsample"),
        pytest.param(layers.Shift(), IMAGES, id="shift"),
        pytest.param(layers.WidthMask(), IMAGES, id="mask"),
    ],
)
def test_a_layer_survives_serialization(layer, shape):
    inputs = normal(4, *shape).astype("float32")
    outputs = layer(inputs)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert copy.get_config() == layer.get_config()
    copy.set_weights(layer.get_weights())  # built by its build_config
    np.testing.assert_allclose(copy(inputs), outputs, atol=1e-6)


def test_max_pool_by_hand():
    images = np.arange(16.0, dtype="float32").reshape(1, 4, 4, 1)
    # One pixel of padding before and after: windows end at rows 1 and 3.
    np.testing.assert_array_equal(
        layers.MaxPool2D(3, 2)(images)[0, :, :, 0], [[5, 7], [13, 15]]
    )
    # A size of 2 pads behind only: windows begin at rows 0 and 2.
    np.testing.assert_array_equal(
        layers.MaxPool2D(2, 2)(images)[0, :, :, 0], [[5, 7], [13, 15]]
    )
    np.testing.assert_array_equal(
        layers.MaxPool2D(2, 1)(images)[0, :, :, 0],
        [[5, 6, 7, 7], [9, 10, 11, 11], [13, 14, 15, 15], [13, 14, 15, 15]],
    )
    # Reversed, each window's largest pixel is its first inside the image.
    np.testing.assert_array_equal(
        layers.MaxPool2D(3, 2)(images[:, ::-1, ::-1])[0, :, :, 0],
        [[15, 14], [11, 10]],
    )


@pytest.mark.parametrize(
    ("pool_size", "strides", "sides"),
    [
        (3, 2, [28, 14, 7]),  # the official code's
        (2, 2, [28, 14, 7]),
        (3, 2, [32, 16, 8, 4]),
        (3, 1, [7, 7]),
        (2, 1, [7, 7]),
    ],
)
def test_max_pool_geometry(pool_size, strides, sides):
    images = tf.zeros((1, sides[0], sides[0], 1))
    for side in sides[1:]:
        images = layers.MaxPool2D(pool_size, strides)(images)
        assert images.shape == (1, side, side, 1)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("pool_size", [2, 3])
def test_padding_never_wins_and_takes_no_gradient(pool_size, strides):
    images = tf.fill((1, 4, 4, 2), -1e30)
    layer = layers.MaxPool2D(pool_size, strides)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images)
    np.testing.assert_array_equal(outputs, np.full(outputs.shape, -1e30, "f"))
    gradient = tape.gradient(outputs, images)
    assert float(tf.reduce_sum(gradient)) == np.prod(outputs.shape)


def test_width_mask():
    layer = layers.WidthMask()
    inputs = normal(5, 2, 3, 4).astype("float32")
    np.testing.assert_array_equal(layer(inputs), inputs)
    mask = np.array([1.0, 1.0, 0.0, 0.0], "float32")
    outputs, statistics = layer.stateless_call([], [mask], inputs)
    np.testing.assert_array_equal(outputs, inputs * mask)
    np.testing.assert_array_equal(statistics[0], mask)
    assert layer.trainable_variables == []


#: Everything that a learner is made of, batch normalisation apart.
LEARNER_LAYERS = {
    **{
        name: (lambda cls=cls, a=arguments: cls(**a, dtype="float64"), shape)
        for name, (cls, _, arguments, shape) in TWINS.items()
    },
    **{
        f"plain_{name}": (
            lambda cls=cls, a=arguments: cls(**a, dtype="float64"),
            shape,
        )
        for name, (_, cls, arguments, shape) in TWINS.items()
    },
    **{
        f"max_pool_{size}_strides_{strides}": (
            lambda size=size, strides=strides: layers.MaxPool2D(
                size, strides, dtype="float64"
            ),
            IMAGES,
        )
        for size in (2, 3)
        for strides in (1, 2)
    },
    "width_mask": (lambda: layers.WidthMask(dtype="float64"), IMAGES),
    "leaky_relu": (
        lambda: keras.layers.Activation(leaky_relu, dtype="float64"),
        IMAGES,
    ),
    "global_pool": (
        lambda: keras.layers.GlobalAveragePooling2D(dtype="float64"),
        IMAGES,
    ),
    "subsample": (lambda: layers.Subsample((2, 2), dtype="float64"), IMAGES),
    "shift": (lambda: layers.Shift(dtype="float64"), IMAGES),
    "flatten": (lambda: keras.layers.Flatten(dtype="float64"), IMAGES),
    # What learners._WRONG_AT_SECOND_ORDER lets pass or recommends.
    "keras_max_pool_strides_2": (
        lambda: keras.layers.MaxPooling2D(
            3, strides=2, padding="same", dtype="float64"
        ),
        IMAGES,
    ),
    "keras_max_pool_valid": (
        lambda: keras.layers.MaxPooling2D(2, strides=1, dtype="float64"),
        IMAGES,
    ),
    "keras_nearest": (
        lambda: keras.layers.UpSampling2D(dtype="float64"),
        (1, 2, 3, 2),
    ),
    "keras_rms": (
        lambda: keras.layers.RMSNormalization(dtype="float64"),
        VECTORS,
    ),
}


@pytest.mark.parametrize("name", LEARNER_LAYERS)
def test_a_learner_layer_is_right_at_second_order(name):
    make_layer, shape = LEARNER_LAYERS[name]
    assert_second_order_matches(make_layer(), shape, seed=6)


def entropy_gradients(entropy):
    """A scalar of [logits, labels] built from the entropy's gradients."""

    def scalar(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = entropy(*values)
        return tf.add_n(
            [
                tf.reduce_sum(normal([7, index], *g.shape) * g)
                for index, g in enumerate(tape.gradient(loss, values))
            ]
        )

    return scalar


LOGITS = normal(8, 3, 4)
LABELS = np.exp(normal(9, 3, 4))
LABELS /= LABELS.sum(1, keepdims=True)


def test_cross_entropy_by_hand():
    logits = np.array([[0.0, np.log(3.0)], [0.0, 0.0]])
    labels = np.array([[0.25, 0.75], [1.0, 0.0]])
    # Probabilities (1/4, 3/4) and (1/2, 1/2).
    first = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    np.testing.assert_allclose(
        cross_entropy(tf.constant(logits), tf.constant(labels)),
        (first + np.log(2.0)) / 2.0,
    )


def test_cross_entropy_is_right_in_logits_and_labels():
    assert_gradient_matches(
        lambda values: cross_entropy(*values), [LOGITS, LABELS], seed=10
    )
    assert_gradient_matches(
        entropy_gradients(cross_entropy),
        [LOGITS, LABELS],
        seed=11,
        every_element=True,
    )


def test_tensorflows_cross_entropy_is_wrong_in_the_labels():
    # Its gradient function hands no second derivative to the labels, so
    # learned labels would get a wrong meta-gradient.
    def entropy(logits, labels):
        # The operation itself: under op determinism, which a test in the same
        # process may have switched on, the function avoids it.
        return tf.reduce_mean(
            tf.raw_ops.SoftmaxCrossEntropyWithLogits(
                features=logits, labels=labels
            ).loss
        )

    scalar = entropy_gradients(entropy)
    assert_gradient_matches(
        lambda values: scalar([*values, tf.constant(LABELS)]), [LOGITS], seed=12
    )
    assert relative_error(scalar, [LOGITS, LABELS], seed=12) > CLEARLY_WRONG


def test_keras_stride_1_same_pooling_is_wrong_at_second_order():
    # The CPU kernel of MaxPoolGradGrad writes into its own input when input
    # and output have one shape; layers.MaxPool2D pads so that they differ.
    layer = keras.layers.MaxPooling2D(
        3, strides=1, padding="same", dtype="float64"
    )
    assert second_order_error(layer, IMAGES, seed=6) > CLEARLY_WRONG


def test_keras_bilinear_upsampling_is_wrong_at_second_order():
    # ResizeBilinearGrad is registered as not differentiable.
    layer = keras.layers.UpSampling2D(interpolation="bilinear", dtype="float64")
    assert second_order_error(layer, (1, 2, 3, 2), seed=6) > CLEARLY_WRONG


def test_subsample_keeps_every_second_pixel():
    images = normal(15, *IMAGES)
    np.testing.assert_array_equal(
        layers.Subsample((2, 1), dtype="float64")(images), images[:, ::2]
    )


def test_shift_moves_up_and_left():
    images = normal(16, *IMAGES)
    expected = np.zeros(IMAGES)
    expected[:, :-1, :-1] = images[:, 1:, 1:]
    np.testing.assert_array_equal(
        layers.Shift(dtype="float64")(images), expected
    )


@pytest.mark.parametrize("size", [7, 8])
def test_subsampled_pointwise_is_the_strided_one(size):
    images = tf.random.stateless_normal((2, size, size, 3), [0, 1])
    kernel = tf.random.stateless_normal((1, 1, 3, 4), [0, 2])
    expected = tf.nn.conv2d(images, kernel, 2, "SAME")
    pixels = layers.Subsample((2, 2))(images)
    found = tf.nn.conv2d(pixels, kernel, 1, "SAME")
    assert_close(found, expected, num_roundings=2 * 3)  # of 3 channels
