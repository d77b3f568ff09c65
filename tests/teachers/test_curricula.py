import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.ops.seeds import root_seed
from gtn_tf.teachers.curricula import (
    balanced_label_ids,
    draw_label_ids,
    draw_noise,
    find_curriculum,
    reorder,
)
from gtn_tf.teachers.registry import CURRICULA
from tests.helpers.central_differences import assert_gradient_matches, normal

NUM_STEPS, BATCH_SIZE = 5, 3
NUM_EXAMPLES = NUM_STEPS * BATCH_SIZE
SHUFFLES = ("shuffled_batch", "all_shuffled")


def draw_order(name, seed):
    draw = find_curriculum(name).draw_order
    return draw(root_seed(seed), NUM_STEPS, BATCH_SIZE).numpy()


def test_labels_are_balanced():
    np.testing.assert_array_equal(
        balanced_label_ids(2, 4, 3), [[0, 1, 2, 0], [1, 2, 0, 1]]
    )
    counts = np.bincount(np.ravel(balanced_label_ids(4, 15, 10)))
    np.testing.assert_array_equal(counts, 6)


@pytest.mark.parametrize("name", SHUFFLES)
def test_shuffles_are_permutations_and_functions_of_the_seed(name):
    orders = [draw_order(name, seed) for seed in range(5)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(NUM_EXAMPLES))
    assert len({tuple(order) for order in orders}) >= 4  # 120 orders at least
    np.testing.assert_array_equal(draw_order(name, 3), orders[3])


def test_shuffled_batch_moves_whole_batches():
    whole = np.arange(NUM_EXAMPLES).reshape(NUM_STEPS, BATCH_SIZE)
    order = draw_order("shuffled_batch", 0).reshape(NUM_STEPS, BATCH_SIZE)
    np.testing.assert_array_equal(order, whole[order[:, 0] // BATCH_SIZE])


def test_all_shuffled_breaks_batches_up():
    batches = draw_order("all_shuffled", 0).reshape(NUM_STEPS, BATCH_SIZE)
    assert any(len(set(batch // BATCH_SIZE)) > 1 for batch in batches)


def test_each_position_is_reached_by_each_batch():
    firsts = [draw_order("shuffled_batch", s)[0] for s in range(40)]
    # Missing one of 5 in 40 draws: 5 x 0.8 ** 40 = 7e-4; the seeds are fixed.
    assert set(firsts) == set(range(0, NUM_EXAMPLES, BATCH_SIZE))


def test_what_is_learned_fresh_and_shared():
    found = {
        name: (c.learned, c.fresh, c.shared)
        for name in CURRICULA
        for c in [find_curriculum(name)]
    }
    assert found == {
        "full": (True, False, True),
        "shuffled_batch": (True, False, False),
        "all_shuffled": (True, False, False),
        "none": (False, True, False),
        "fixed_noise": (False, False, True),
    }


def test_noise_is_standard_normal():
    noise = draw_noise(root_seed(0), (100, 100)).numpy()
    assert abs(noise.mean()) < 4.0 / 100  # four standard errors
    assert abs(noise.std() - 1.0) < 4.0 / np.sqrt(2.0 * noise.size)
    again = draw_noise(root_seed(0), (100, 100))
    np.testing.assert_array_equal(noise, again)
    assert not np.allclose(noise, draw_noise(root_seed(1), (100, 100)))


def test_drawn_labels_are_uniform():
    label_ids = draw_label_ids(root_seed(0), (100, 100), 4).numpy()
    # 2500 of each, with a standard deviation of sqrt(1e4 3 / 16) = 43.
    counts = np.bincount(label_ids.ravel(), minlength=4)
    assert len(counts) == 4
    assert np.all(np.abs(counts - 2500) < 4 * 43)
    other = draw_label_ids(root_seed(1), (100, 100), 4)
    assert np.any(label_ids != other.numpy())


def test_reorder_takes_examples_by_position():
    values = np.arange(12.0).reshape(3, 2, 2)
    order = [5, 0, 3, 1, 4, 2]
    np.testing.assert_array_equal(
        reorder(tf.constant(values), tf.constant(order)),
        values.reshape(6, 2)[order].reshape(3, 2, 2),
    )


@pytest.mark.parametrize("name", SHUFFLES)
def test_reorders_gradient_is_the_inverse_permutation(name):
    order = tf.constant(draw_order(name, 7))
    weights = normal(1, NUM_STEPS, BATCH_SIZE, 2)
    values = normal(2, NUM_STEPS, BATCH_SIZE, 2)

    def scalar(values):
        return tf.reduce_sum(weights * tf.sin(reorder(values[0], order)))

    assert_gradient_matches(scalar, [values], seed=3, every_element=True)
    values = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(values)
        moved = tf.reduce_sum(weights * reorder(values, order))
    gradient = tape.gradient(moved, values)
    assert isinstance(gradient, tf.Tensor)  # not IndexedSlices
    flat = np.empty((NUM_EXAMPLES, 2))
    flat[order.numpy()] = weights.reshape(NUM_EXAMPLES, 2)
    np.testing.assert_array_equal(gradient, flat.reshape(values.shape))
