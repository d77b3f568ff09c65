import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers import convolutions
from tests.helpers.central_differences import assert_gradient_matches, normal

#: (images, kernel), strides, padding.
CASES = [
    ((2, 5, 6, 1), (3, 3, 1, 4), (1, 1), "same"),
    ((2, 5, 6, 5), (3, 3, 5, 4), (1, 1), "same"),
    ((2, 7, 6, 4), (3, 2, 4, 3), (2, 1), "valid"),
    ((3, 4, 4, 4), (3, 3, 4, 2), (2, 2), "same"),
    ((1, 5, 5, 6), (1, 1, 6, 2), (2, 2), "same"),
]


def as_patches(images, kernel, strides, padding):
    size, kernel_size = images.shape[1:3], kernel.shape[:2]
    sources = convolutions._sources(size, kernel_size, strides, padding)
    return convolutions.by_patches(images, kernel, sources)


def derivatives(convolve, images, kernel, strides, padding):
    """The outputs, a gradient, and the gradient of that."""
    values = [tf.constant(normal(1, *images)), tf.constant(normal(2, *kernel))]
    with tf.GradientTape() as outer:
        outer.watch(values)
        with tf.GradientTape() as inner:
            inner.watch(values)
            outputs = convolve(*values, strides, padding)
            scalar = tf.reduce_sum(tf.sin(outputs))
        first = inner.gradient(scalar, values)
        mixed = sum(tf.reduce_sum(tf.sin(g)) for g in first)
    return [outputs, *first, *outer.gradient(mixed, values)]


@pytest.mark.parametrize("case", CASES)
def test_patches_agree_with_direct_to_second_order(case):
    direct = tf.function(lambda: derivatives(convolutions.direct, *case))()
    for jit_compile in (False, True):
        found = tf.function(
            lambda: derivatives(as_patches, *case), jit_compile=jit_compile
        )()
        for a, b in zip(found, direct, strict=True):
            scale = np.abs(b).max()
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * scale)


def test_the_second_derivative_is_that_of_differences():
    def first_gradients(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = as_patches(*values, (1, 1), "same")
            scalar = tf.reduce_sum(tf.sin(outputs))
        gradients = tape.gradient(scalar, values)
        return sum(tf.reduce_sum(tf.sin(g)) for g in gradients)

    images, kernel = normal(1, 2, 3, 4, 2), normal(2, 3, 3, 2, 3)
    assert_gradient_matches(first_gradients, [images, kernel], seed=3)


@pytest.mark.parametrize(
    ("shape", "is_by_patches"),
    [
        ((10, 4, 4, 32), True),
        ((33, 4, 4, 32), False),  # 528 pixels
        ((64, 28, 28, 1), True),
        ((64, 28, 28, 3), False),
        ((None, 4, 4, 32), False),
    ],
)
def test_patches_where_they_are_faster(shape, is_by_patches):
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def convolve(images):
        kernel = tf.ones((3, 3, shape[-1], 2))
        return convolutions.patches(images, kernel, (1, 1), "same")

    kinds = {
        n.type for n in convolve.get_concrete_function().graph.get_operations()
    }
    assert ("Conv2D" in kinds) != is_by_patches
