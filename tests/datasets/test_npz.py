import numpy as np
import pytest

from gtn_tf.datasets import memory
from gtn_tf.datasets.loading import load
from gtn_tf.types import InputError
from tests.helpers import own_things, tiny


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_files_of_keras_and_of_medmnist(tmp_path, names):
    own = own_things.load()
    arrays = (*own["train"], own["test"][0], own["test"][1][:, None])
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **dict(zip(names, arrays, strict=True)))
    dataset = load(f"npz:{path}", with_test=True)
    assert (dataset.num_classes, dataset.image_shape) == (3, (8, 12, 3))
    expected = {
        image.tobytes(): label_id
        for image, label_id in zip(*own["test"], strict=True)
    }
    found = {
        image.tobytes(): label_id
        for image, label_id in zip(*dataset.test, strict=True)
    }
    assert found == expected
    assert np.bincount(dataset.validation.label_ids).tolist() == [2, 2, 2]


def test_one_split_with_names_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    images, labels = own_things.load()["train"]
    names = np.array(["circle", "square", "star"])
    np.savez(
        tmp_path / "a.npz", images=images, label_ids=labels, class_names=names
    )
    dataset = load("npz:~/a.npz")
    assert dataset.class_names == ("circle", "square", "star")
    assert len(dataset.train.images) == 48


def _write_pickles(path, images, labels):
    np.savez(path, images=images, label_ids=np.array(list(labels), object))


def _write_half(path, images, labels):
    np.savez(path, images=images, label_ids=labels)
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path, images, labels):
    np.savez(path, images=images, label_ids=labels)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "received"),
    [
        (lambda path, x, y: None, "No such file"),
        (_write_pickles, "holds pickled objects"),
        (_write_half, "cannot be read"),
        (_flip, "cannot be read"),
        (lambda path, x, y: np.savez(path, x_train=x), "holds x_train"),
        (
            lambda path, x, y: np.savez(path, x_train=x, y_train=y, z=y),
            "holds x_train, y_train, z",
        ),
        (
            lambda path, x, y: np.savez(path, images=x, label_ids=y * 2),
            "labels of train are 0, 2, 4",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, write, received):
    path = tmp_path / "data.npz"
    write(path, *own_things.load()["train"])
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        load(f"npz:{path}")
    assert received in str(info.value)
    assert str(path) in str(info.value)


def test_more_than_memory_holds_is_not_read(tmp_path, monkeypatch):
    images, labels = own_things.load()["train"]
    np.savez_compressed(tmp_path / "a.npz", images=0 * images, label_ids=labels)
    monkeypatch.setattr(memory, "memory_bytes", lambda: 20_000)
    monkeypatch.setattr(np, "load", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match="bytes of pixels"):
        load(f"npz:{tmp_path / 'a.npz'}")
