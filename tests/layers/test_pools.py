import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers.pooling import max_pool
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close

CASES = [
    # size, pool_size, strides, dtype
    (9, 3, 2, "float32"),
    (8, 2, 2, "float64"),
    (7, 3, 2, "float64"),
    (5, 3, 1, "float32"),  # output as large as input
    (6, 2, 1, "float64"),
    (1, 3, 2, "float32"),  # more padding than image
    (6, 4, 2, "float32"),
    (7, 5, 1, "float32"),  # the largest of the cell space
    (9, 5, 2, "float64"),
    (9, 8, 3, "float32"),
]


def by_shifted_slices(images, pool_size, strides):
    """The definition: the maximum over all shifts of the padded images."""
    before = (pool_size - 1) // 2
    pad = (before, pool_size - 1 - before)
    padded = tf.pad(
        images, ((0, 0), pad, pad, (0, 0)), constant_values=images.dtype.min
    )
    height, width = images.shape[1:3]
    shifts = [
        padded[:, i : i + height : strides, j : j + width : strides]
        for i in range(pool_size)
        for j in range(pool_size)
    ]
    return tf.reduce_max(tf.stack(shifts), 0)


def derivatives(pool, images):
    """Values, gradient, and gradient of a function of the gradient."""
    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as inner:
            inner.watch(images)
            pooled = pool(images)
            cubes = tf.reduce_sum(pooled**3)
        gradient = inner.gradient(cubes, images)
        norm = tf.reduce_sum(gradient**2)
    return pooled, gradient, outer.gradient(norm, images)


@pytest.fixture(params=["cpu", "accelerator"])
def device(request, monkeypatch):
    if request.param == "accelerator":
        monkeypatch.setattr(
            tf.config, "list_logical_devices", lambda kind: [kind]
        )


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(("size", "pool_size", "strides", "dtype"), CASES)
def test_equals_the_maximum_of_shifted_slices(size, pool_size, strides, dtype):
    shape = (3, size, size + 1, 4)
    images = tf.random.stateless_normal(shape, (1, 2), dtype=dtype)
    expected = derivatives(
        lambda x: by_shifted_slices(x, pool_size, strides), images
    )

    @tf.function(autograph=False)
    def found(images):
        return derivatives(lambda x: max_pool(x, pool_size, strides), images)

    for a, b in zip(expected, found(images), strict=True):
        # A pixel lies in so many windows, whose gradients are summed.
        assert_close(b, a, 2 * pool_size**2)


def _compile_with_determinism():
    tf.config.experimental.enable_op_determinism()
    images = tf.random.stateless_normal((2, 9, 9, 3), (1, 2))
    for kinds in ([], ["GPU"]):
        tf.config.list_logical_devices = lambda kind, kinds=kinds: kinds
        results = [
            tf.function(
                lambda x: derivatives(lambda y: max_pool(y, 3, 2), x),
                jit_compile=jit,
                autograph=False,
            )(images)
            for jit in (True, False)
        ]
        for a, b in zip(*results, strict=True):
            assert_close(a, b, 2 * 3**2)


def test_compiles_under_determinism():
    """XLA refuses the gradient of TensorFlow's own pool there."""
    done = tiny.run_forked(_compile_with_determinism)
    assert done.code == 0, done.errors


def test_a_maximum_of_zero_receives_its_gradient():
    # Zero with codes in its last bits is denormal: flushed, unless guarded.
    images = np.full((1, 3, 3, 2), -1.0, np.float32)
    images[0, 1, 2] = 0.0
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        pooled = max_pool(images, 3, 3)[:, :, :]
    gradient = tape.gradient(pooled, images).numpy()
    # Windows start one pixel before the image; the last column is in none.
    assert gradient[0, 1, 2].tolist() == [0.0, 0.0]
    shifted = tf.constant(np.roll(images, -1, axis=2))
    with tf.GradientTape() as tape:
        tape.watch(shifted)
        pooled = max_pool(shifted, 3, 3)
    gradient = tape.gradient(pooled, shifted).numpy()
    assert gradient[0, 1, 1].tolist() == [1.0, 1.0]
    assert gradient.sum() == 2.0


@pytest.mark.usefixtures("device")
def test_of_equal_maxima_one_receives_the_gradient():
    images = tf.ones((2, 4, 4, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        pooled = max_pool(images, 2, 2)
    gradient = tape.gradient(pooled, images).numpy()
    np.testing.assert_array_equal(
        gradient.reshape(2, 2, 2, 2, 2, 3).sum((2, 4)), np.ones((2, 2, 2, 3))
    )
    assert set(gradient.flat) == {0.0, 1.0}


def test_images_that_are_not_finite_do_not_crash():
    images = tf.fill((1, 4, 4, 1), float("nan"))
    with tf.GradientTape() as tape:
        tape.watch(images)
        pooled = max_pool(images, 3, 2)
    assert tape.gradient(pooled, images).shape == images.shape


def test_half_precision_is_pooled():
    images = tf.cast(tf.reshape(tf.range(16), (1, 4, 4, 1)), tf.bfloat16)
    found = max_pool(images, 2, 2)
    assert found.dtype == tf.bfloat16
    assert tf.reshape(found, [-1]).numpy().tolist() == [5, 7, 13, 15]
