import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets import memory
from gtn_tf.datasets.loading import load
from gtn_tf.types import InputError
from tests.helpers import own_things, tiny

NAME = "tests.helpers.own_things:load"


def from_python(data, **options):
    """Loads what a function returns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_things, "load", lambda: data)
        return load(NAME, **options)


def _own():
    return own_things.load()["train"]


def test_shape_and_classes_come_from_the_data():
    dataset = load(NAME, split_seed=1, with_test=True)
    assert dataset.name == NAME
    assert dataset.image_shape == (8, 12, 3)
    assert dataset.num_classes == 3
    assert dataset.class_names == ("circle", "square", "star")
    sizes = [
        len(split.images)
        for split in (dataset.train, dataset.validation, dataset.test)
    ]
    assert sizes == [54, 6, 9]  # a tenth of train is held out
    everything = _own()[0]
    read = np.concatenate([dataset.train.images, dataset.validation.images])
    assert {i.tobytes() for i in read} == {i.tobytes() for i in everything}
    again = load(NAME, split_seed=1)
    assert again.test is None
    np.testing.assert_array_equal(again.train.images, dataset.train.images)
    # As it was cut when nothing was cut class by class.
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_array_equal(dataset.train.images, everything[order[:54]])


def test_grey_images_without_names(monkeypatch):
    images = _own()[0][..., 0]
    labels = np.arange(60) % 4
    own = {"train": (images, labels), "validation": (images[:8], labels[:8])}
    monkeypatch.setattr(own_things, "load", lambda: own)
    dataset = load(NAME)
    assert dataset.image_shape == (8, 12, 1)
    four = np.stack([images] * 4, -1)
    assert from_python((four, labels)).image_shape == (8, 12, 4)
    assert (dataset.num_classes, dataset.class_names) == (4, None)
    assert len(dataset.validation.images) == 8


def _is_mixed(label_ids):
    """Whether the first and the last half have all classes, not in order."""
    half, num_classes = len(label_ids) // 2, label_ids.max() + 1
    halves = label_ids[:half], label_ids[half:]
    return all(len(set(part)) == num_classes for part in halves)


@pytest.mark.parametrize("given", [1, 2, 3])
def test_data_in_the_order_of_their_classes_are_mixed(given):
    """The first thousand images, or one forward pass, stand for all."""
    images = np.random.default_rng(0).integers(0, 256, (120, 5, 7), np.uint8)
    labels = np.repeat(np.arange(3), 40)
    names = ("train", "validation", "test")
    data = dict.fromkeys(names[:given], (images, labels))
    found = from_python(data, split_seed=2, with_test=True)
    for name in names:
        split = getattr(found, name)
        assert _is_mixed(split.label_ids)
        for image, label_id in zip(*split, strict=True):
            (place,) = np.flatnonzero((images == image[..., 0]).all((1, 2)))
            assert labels[place] == label_id
    again = from_python(data, split_seed=2)
    np.testing.assert_array_equal(found.train.images, again.train.images)


def test_missing_splits_are_cut_class_by_class():
    images = np.random.default_rng(0).integers(0, 256, (100, 5, 7), np.uint8)
    labels = np.repeat(np.arange(3), (60, 36, 4))
    found = from_python((images, labels), split_seed=2, with_test=True)
    splits = found.train, found.validation, found.test
    sizes = [np.bincount(s.label_ids).tolist() for s in splits]
    assert sizes == [[48, 30, 2], [6, 3, 1], [6, 3, 1]]
    label_of = {i.tobytes(): n for i, n in zip(images, labels, strict=True)}
    read = [
        (image.tobytes(), n)
        for s in splits
        for image, n in zip(*s, strict=True)
    ]
    assert dict(read) == label_of
    assert len(read) == 100
    without = from_python((images, labels), split_seed=2)
    np.testing.assert_array_equal(without.train.images, found.train.images)
    assert without.test is None


@pytest.mark.parametrize("kind", ["float", "int64", "batched", "one by one"])
def test_other_kinds_of_the_same_images(kind):
    images, labels = _own()
    expected = from_python((images, labels))
    pipeline = tf.data.Dataset.from_tensor_slices((images, labels))
    found = {
        "float": (images / 255, labels[:, None].astype(float)),
        "int64": {"train": [images.astype(int).tolist(), labels.tolist()]},
        "batched": pipeline.batch(7),
        "one by one": {"train": pipeline},
    }[kind]
    found = from_python(found)
    assert (found.mean, found.std) == (expected.mean, expected.std)
    for ours, theirs in zip(found.train, expected.train, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_images_are_resized_and_chosen():
    images, labels = _own()
    found = from_python((images, labels), image_size=(4, 6), max_images=40)
    assert found.image_shape == (4, 6, 3)
    sizes = [len(s.images) for s in (found.train, found.validation)]
    assert sizes == [34, 3]  # and as many as these for test
    flat = np.full((20, 8, 8, 1), 7, np.uint8)
    flat[10:] = 200
    found = from_python((flat, np.arange(20) // 10), image_size=5)
    assert np.unique(found.train.images).tolist() == [7, 200]
    assert load("digits", image_size=4, max_images=50).image_shape == (4, 4, 1)
    assert len(load("digits", max_images=50).train.images) == 50
    ragged = tf.data.Dataset.from_generator(
        lambda: (
            (np.full((3 + i, 4, 1), i, np.uint8), i % 2) for i in range(9)
        ),
        output_signature=(
            tf.TensorSpec([None, None, 1], tf.uint8),
            tf.TensorSpec([], tf.int64),
        ),
    )
    assert from_python(ragged, image_size=2).image_shape == (2, 2, 1)
    with pytest.raises(InputError, match=r"cannot be read .*image_size"):
        from_python(ragged)


def _line(data, **options):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        from_python(data, **options)
    return str(info.value)


def _with_nan(images):
    images = images / 255
    images[3, 0, 0, 0] = np.nan
    return images


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda x, y: x, "the split of train is a ndarray"),
        (lambda x, y: None, "the split of train is a NoneType"),
        (lambda x, y: (x[:2], [[0], [1, 2]]), "lists of several lengths"),
        (lambda x, y: {"test": (x, y)}, "a dict with no 'train'"),
        (lambda x, y: {"train": (x, y), "tests": y}, "the key 'tests'"),
        (lambda x, y: (x / 16, y), "from 0 to 15.9375; expected"),
        (lambda x, y: (x.astype(np.uint16) * 257, y), "uint16[60, 8, 12, 3]"),
        (lambda x, y: (_with_nan(x), y), "NaN or infinite pixels in 1 of 60"),
        (lambda x, y: (x[0], y), "labels of train are int64[60] for 8 images"),
        (lambda x, y: ([x[0], x[1, :5]], y[:2]), "of several shapes"),
        (
            lambda x, y: (x.transpose(0, 3, 1, 2), y),
            "[60, 3, 8, 12], of 12 channels; expected [N, H, W, C] of at most "
            "4; take images.transpose(0, 2, 3, 1)",
        ),
        (lambda x, y: (x[:, None, :, :, 0], y), "images.transpose(0, 2, 3, 1)"),
        (lambda x, y: (x.repeat(2, -1), y), "of 6 channels; expected [N, H"),
        (lambda x, y: (x, y[:9]), "labels of train are int64[9] for 60"),
        (lambda x, y: (x, np.eye(3)[y]), "take label_ids.argmax(-1)"),
        (lambda x, y: (x, np.where(y, y, np.nan)), "hold NaN at 0"),
        (lambda x, y: (x, y * 0), "of 1 class(es); expected 2 to 1000"),
        (lambda x, y: (x, y + 1), "are 1, 2, 3; expected 0 to 2"),
        (
            lambda x, y: (x, np.array(["cat", "dog", "owl"])[y]),
            "map them by {'cat': 0, 'dog': 1, 'owl': 2}",
        ),
        (lambda x, y: (x * 0, y), "a channel of one value"),
        (
            lambda x, y: {"train": (x, y), "validation": (x[:, 1:], y)},
            "images of validation are [7, 12, 3], of train [8, 12, 3]",
        ),
        (
            lambda x, y: {"train": (x, y), "test": (x, y + 1)},
            "test has label 3; expected 0 to 2",
        ),
        (
            lambda x, y: {"train": (x, y), "class_names": [*"abcd"]},
            "0 training image(s) of class 3 (d)",
        ),
        (
            lambda x, y: {"train": (x, y), "class_names": "abc"},
            "class_names is 'abc'; expected a list",
        ),
        (lambda x, y: {"train": (x, y), "class_names": 3}, "is 3; expected a"),
        (
            lambda x, y: {"train": (x, y), "class_names": np.array("cat")},
            "expected a list of texts",
        ),
        (
            lambda x, y: tf.data.Dataset.from_tensors((x, y)).repeat(),
            "never ends",
        ),
        (lambda x, y: tf.data.Dataset.range(3), "yields TensorSpec"),
    ],
)
def test_what_is_wrong_is_one_line(change, received):
    assert received in _line(change(*_own()))


def test_more_than_memory_holds_is_one_line(monkeypatch):
    pipeline = tf.data.Dataset.from_tensor_slices(_own())
    monkeypatch.setattr(memory, "memory_bytes", lambda: 20_000)
    line = _line(pipeline)
    assert "is 17280 bytes of pixels" in line
    assert "set --config.dataset.max_images" in line


def test_a_function_that_fails_is_one_line(monkeypatch):
    monkeypatch.setattr(own_things, "load", lambda: 1 / 0)
    with pytest.raises(InputError, match=r"fails \(ZeroDivisionError: "):
        load(NAME)
    with pytest.raises(InputError, match="no_such_module cannot be imported"):
        load("no_such_module:load")
