import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.ops.seeds import root_seed
from gtn_tf.teachers.generator import (
    IMAGE_SCALE,
    Generator,
    GeneratorSpec,
    build_generator,
)
from tests.helpers.central_differences import assert_gradient_matches, normal
from tests.helpers.float_tolerance import assert_close

NUM_CLASSES = 3
NOISE_DIM = 5


def build(image_shape, dense_widths=(6,), channels=(4, 3), **kwargs):
    kwargs = {"seed": root_seed(1), **kwargs}
    spec = GeneratorSpec(NOISE_DIM, dense_widths, channels, False)
    return build_generator(spec, image_shape, NUM_CLASSES, **kwargs)


def inputs(*batches, seed=2, dtype="float32"):
    """Random noise [*batches, Z] and one-hot labels [*batches, K]."""
    label_ids = np.arange(np.prod(batches)).reshape(batches) % NUM_CLASSES
    return (
        tf.constant(normal(seed, *batches, NOISE_DIM), dtype),
        tf.one_hot(label_ids, NUM_CLASSES, dtype=dtype),
    )


@pytest.mark.parametrize(
    "image_shape", [(8, 8, 1), (12, 8, 2), (28, 28, 1), (32, 32, 3)]
)
@pytest.mark.parametrize("dense_widths", [(), (6,), (7, 6)])
def test_shapes(image_shape, dense_widths):
    images = build(image_shape, dense_widths)(*inputs(2, 4))
    assert images.shape == (2, 4, *image_shape)


def test_a_size_that_4_does_not_divide_is_cut_out_of_a_larger_one():
    odd, whole = build((9, 7, 2)), build((12, 8, 2))
    assert odd.count_params() == whole.count_params()
    made, larger = odd(*inputs(2, 4)), whole(*inputs(2, 4))
    np.testing.assert_array_equal(made, larger[:, :, 1:10, 0:7])


@pytest.mark.parametrize(
    ("image_shape", "official"),
    [((28, 28, 1), 6_660_226), ((32, 32, 3), 8_633_222)],
)
def test_the_official_number_of_parameters(image_shape, official):
    height, width, channels = image_shape
    base = 128 * (height // 4) * (width // 4)

    # Each layer's gain, and gamma and beta of the normalisation after it.
    def normalised(kernel, outputs):
        return kernel + outputs + 2 * outputs

    expected = (
        normalised((128 + 10) * 1024, 1024)
        + normalised(1024 * base, base)
        + normalised(9 * 128 * 64, 64)
        + (9 * 64 * channels + channels + channels)  # gain and bias
    )
    assert expected == official
    generator = build_generator(
        GeneratorSpec(128, (1024,), (128, 64), False),
        *(image_shape, 10, root_seed(0)),
    )
    shapes = [v.shape for v in generator.trainable_variables]
    assert sum(int(np.prod(shape)) for shape in shapes) == expected


def test_images_fill_their_range_and_do_not_leave_it():
    generator = build((8, 8, 1))
    noise, labels = inputs(2, 16)
    images = generator(noise, labels).numpy()
    assert images.std() > 0.1
    # A large last gain saturates the tanh.
    last = [v for v in generator.trainable_variables if v.name == "gain"][-1]
    last.assign(1000.0 * last)
    images = generator(noise, labels).numpy()
    assert np.abs(images).max() <= IMAGE_SCALE == 2.0
    assert images.min() < -1.99
    assert images.max() > 1.99


def test_batches_side_by_side_equal_batches_one_by_one():
    generator = build((8, 8, 1))
    noise, labels = inputs(3, 4)
    noise *= tf.reshape([1.0, 2.0, 3.0], (3, 1, 1))  # unlike statistics
    together = generator(noise, labels)
    for index in range(3):
        batch = slice(index, index + 1)
        alone = generator(noise[batch], labels[batch])
        # Dense sums of 8 and 6 terms, convolutions of 9 x 4 and 9 x 3.
        assert_close(together[batch], alone, 8 + 6 + 9 * 4 + 9 * 3)
    # One batch of all would be another function.
    merged = generator(
        tf.reshape(noise, (1, 12, -1)), tf.reshape(labels, (1, 12, -1))
    )
    assert not np.allclose(tf.reshape(merged, together.shape), together)


def test_the_images_depend_on_noise_and_labels():
    generator = build((8, 8, 1))
    noise, labels = inputs(1, 4)
    images = generator(noise, labels)
    other_noise, _ = inputs(1, 4, seed=3)
    assert not np.allclose(generator(other_noise, labels), images)
    other_labels = tf.reverse(labels, [1])
    assert not np.allclose(generator(noise, other_labels), images)


def test_weights_are_a_function_of_the_seed():
    first, again, other = (
        build((8, 8, 1), seed=root_seed(seed)).trainable_variables
        for seed in (1, 1, 2)
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        if a.name == "kernel":
            assert not np.allclose(a.numpy(), c.numpy())


def test_gradients_of_weights_noise_and_labels():
    generator = build((8, 8, 1), precision="float64")
    weights = [v.numpy() for v in generator.trainable_variables]
    statistics = [v.numpy() for v in generator.non_trainable_variables]
    noise, labels = inputs(2, 3, dtype="float64")
    upstream = normal(4, 2, 3, 8, 8, 1)

    def scalar(values):
        *params, noise, labels = values
        images, _ = generator.stateless_call(
            params, statistics, noise, labels, training=True
        )
        return tf.reduce_sum(upstream * images)

    for seed in range(3):
        assert_gradient_matches(scalar, [*weights, noise, labels], seed=seed)


def test_serialization():
    generator = build((12, 8, 2))
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(generator)
    )
    assert isinstance(copy, Generator)
    noise, labels = inputs(1, 2)
    assert copy(noise, labels).shape == (1, 2, 12, 8, 2)


def test_images_stay_in_float32_under_mixed_precision():
    images = build((8, 8, 1), precision="mixed_bfloat16")(*inputs(1, 2))
    assert images.dtype == tf.float32
