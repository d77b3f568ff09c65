import numpy as np
import pytest

from gtn_tf.datasets.loading import load
from gtn_tf.types import InputError
from tests.helpers import own_things, tiny

NAME = "tests.helpers.own_things:load"


def _line(returned, monkeypatch, **options):
    monkeypatch.setattr(own_things, "load", lambda: returned)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        load(NAME, **options)
    return str(info.value).partition("; expected")[0]


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
    everything = own_things.load()["train"][0]
    read = np.concatenate([dataset.train.images, dataset.validation.images])
    assert {i.tobytes() for i in read} == {i.tobytes() for i in everything}
    again = load(NAME, split_seed=1)
    assert again.test is None
    np.testing.assert_array_equal(again.train.images, dataset.train.images)


def test_grey_images_without_names(monkeypatch):
    images = own_things.load()["train"][0][..., 0]
    labels = np.arange(60) % 4
    own = {"train": (images, labels), "validation": (images[:8], labels[:8])}
    monkeypatch.setattr(own_things, "load", lambda: own)
    dataset = load(NAME)
    assert dataset.image_shape == (8, 12, 1)
    assert (dataset.num_classes, dataset.class_names) == (4, None)
    assert len(dataset.validation.images) == 8


def test_what_is_wrong_is_one_line(monkeypatch):
    images, labels = own_things.load()["train"]
    own = {"train": (images, labels)}
    for returned, received in (
        (images, "ndarray without 'train'"),
        ({**own, "tests": own["train"]}, "the key 'tests'"),
        ({"train": images}, "for train no pair"),
        ({"train": (images / 255, labels)}, "for train images float64[60, "),
        ({"train": (images, labels[:9])}, "60 images with labels int64[9]"),
        ({"train": (images, labels - 1)}, "60 images with labels int64[60]"),
        ({"train": (images, 0 * labels)}, "1 classes in train"),
        ({"train": (images * 0, labels)}, "a channel of one value"),
        ({**own, "validation": (images[:, 1:], labels)}, "train's differ"),
        ({**own, "validation": (images, labels + 1)}, "label 3 of 3"),
    ):
        assert received in _line(returned, monkeypatch)
    assert "no test images" in _line(own, monkeypatch, with_test=True)


def test_a_function_that_fails_is_one_line(monkeypatch):
    monkeypatch.setattr(own_things, "load", lambda: 1 / 0)
    with pytest.raises(InputError, match=r"fails \(ZeroDivisionError: "):
        load(NAME)
    with pytest.raises(InputError, match="no_such_module cannot be imported"):
        load("no_such_module:load")
