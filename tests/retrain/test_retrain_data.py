import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets.batches import cutout
from gtn_tf.datasets.loading import Dataset, Split
from gtn_tf.retrain.data import (
    epoch_batches,
    prepare_images,
    training_images,
)


def _zeros_of(size, num_images=300, shape=(6, 5)):
    """Cuts ones out of images; returns the masks and the bounds of each."""
    images = tf.ones((num_images, *shape, 2))
    cut = cutout(images, tf.constant([1, 2]), size).numpy()
    assert set(np.unique(cut)) == {0.0, 1.0}
    np.testing.assert_array_equal(cut[..., 0], cut[..., 1])
    return cut[..., 0] == 0


def test_cutout_is_one_square_clipped_at_the_border():
    height, width, size = 6, 5, 4
    seen = set()
    for mask in _zeros_of(size):
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        # A full rectangle ...
        assert mask.sum() == len(rows) * len(columns)
        for found, pixels in ((rows, height), (columns, width)):
            low, high = found[0], found[-1] + 1
            # ... of the whole side unless the border clips it.
            assert high - low == size or low == 0 or high == pixels
        seen.add((rows[0], rows[-1], columns[0], columns[-1]))
    expected = {
        (max(r - 2, 0), min(r + 1, 5), max(c - 2, 0), min(c + 1, 4))
        for r in range(height)
        for c in range(width)
    }
    assert seen == expected


def test_cutout_of_one_pixel_is_uniform():
    counts = _zeros_of(1, num_images=3000).sum(axis=0)
    assert counts.sum() == 3000
    # 100 expected in each of 30 places, standard deviation 9.8.
    assert counts.min() > 55
    assert counts.max() < 145


def test_cutout_by_hand():
    """Centres read off single pixels place the squares of the same seed."""
    images = tf.constant(np.arange(1, 2 * 7 * 7 + 1.0).reshape(2, 7, 7, 1))
    seed = tf.constant([5, 6])
    centers = cutout(images, seed, 1).numpy() == 0
    squares = cutout(images, seed, 3).numpy()
    for center, square, image in zip(centers, squares, images, strict=True):
        (row,), (column,), _ = np.nonzero(center)
        expected = image.numpy().copy()
        rows = slice(max(row - 1, 0), row + 2)
        expected[rows, max(column - 1, 0) : column + 2] = 0
        np.testing.assert_array_equal(square, expected)


def test_cutout_keeps_equal_seeds_equal():
    images = tf.ones((8, 6, 6, 1))
    one, same, other = (
        cutout(images, tf.constant(seed), 3).numpy()
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def _dataset(augment):
    rng = np.random.default_rng(0)

    def split(number):
        images = rng.integers(1, 256, (number, 8, 8, 1), np.uint8)
        return Split(images, np.arange(number, dtype=np.int32))

    return Dataset(
        name="made",
        num_classes=10,
        image_shape=(8, 8, 1),
        mean=(0.5,),
        std=(0.25,),
        augment=augment,
        train=split(5),
        validation=split(3),
        test=None,
    )


def test_validation_images_are_trained_on_only_if_asked():
    dataset = _dataset(augment=False)
    assert training_images(dataset, False) is dataset.train
    both = training_images(dataset, True)
    np.testing.assert_array_equal(both.images[:5], dataset.train.images)
    np.testing.assert_array_equal(both.images[5:], dataset.validation.images)
    assert both.label_ids.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


def test_an_epoch_shows_each_image_at_most_once():
    batches = epoch_batches(11, 3, seed=0, epoch=0)
    assert batches.shape == (3, 3)
    assert len(set(batches.flat)) == 9
    assert set(batches.flat) <= set(range(11))


def test_epochs_and_seeds_differ_and_repeat():
    drawn = [
        epoch_batches(50, 10, seed, epoch).tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    assert drawn[0] == drawn[3]
    assert drawn[0] not in drawn[1:3]


@pytest.mark.parametrize("augment", [True, False])
def test_images_are_augmented_where_the_data_set_allows_it(augment):
    dataset = _dataset(augment)
    images = dataset.train.images
    prepared = prepare_images(
        tf.constant(images), tf.constant([1, 2]), dataset, 0
    ).numpy()
    plain = (images / 255.0 - 0.5) / 0.25
    assert np.allclose(prepared, plain, atol=1e-5) != augment


def test_cutout_follows_normalization():
    """Zero is the mean colour there, which no black border is."""
    dataset = _dataset(augment=False)
    black = tf.zeros((4, 8, 8, 1), tf.uint8)
    prepared = prepare_images(black, tf.constant([1, 2]), dataset, 4).numpy()
    assert set(np.unique(prepared)) == {0.0, -2.0}
