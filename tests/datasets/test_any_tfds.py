import numpy as np
import pytest

from gtn_tf.datasets.loading import load
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.image_files import class_image


@pytest.fixture
def prepared(tmp_path):
    """Writes a prepared TFDS data set of JPEG, PNG or other images."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()

    def prepare(
        sizes, shape=(9, 7, 3), label=None, images=class_image, name="tiny_set"
    ):
        features = {
            "picture": tfds.features.Image(shape=shape, encoding_format="png"),
            "kind": label or tfds.features.ClassLabel(names=["ant", "bee"]),
        }
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=tfds.features.FeaturesDict(features),
            split_datasets={
                split: [
                    (
                        number,
                        {
                            "picture": images(number, number % 2),
                            "kind": number % 2,
                        },
                    )
                    for number in range(size)
                ]
                for split, size in sizes.items()
            },
            data_dir=str(tmp_path),
            disable_shuffling=True,
        )
        return str(tmp_path)

    return prepare


def test_any_image_classification_set(prepared):
    data_dir = prepared({"train": 40, "test": 6, "extra": 3})
    dataset = load("tfds:tiny_set", data_dir, with_test=True)
    assert dataset.class_names == ("ant", "bee")
    assert dataset.image_shape == (9, 7, 3)
    sizes = [
        len(split.images)
        for split in (dataset.train, dataset.validation, dataset.test)
    ]
    assert sizes == [36, 4, 6]
    found = {
        (image.tobytes(), label)
        for image, label in zip(*dataset.test, strict=True)
    }
    assert found == {
        (class_image(number, number % 2).tobytes(), number % 2)
        for number in range(6)
    }
    few = load("tfds:tiny_set", data_dir, max_images=10)
    assert len(few.train.images) == 8
    assert few.test is None


def test_images_of_several_sizes(prepared):
    data_dir = prepared(
        {"train": 30},
        (None, None, 1),
        images=lambda n, label: class_image(n, label, 1)[: 5 + label, :, None],
    )
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        load("tfds:tiny_set", data_dir)
    assert "(5, 7, 1) and (6, 7, 1)" in str(info.value)
    dataset = load("tfds:tiny_set", data_dir, with_test=True, image_size=4)
    assert dataset.image_shape == (4, 4, 1)
    assert len(dataset.train.images) == 26


def test_what_is_wrong_is_one_line(prepared, tmp_path):
    import tensorflow_datasets as tfds

    wrong = {
        "unknown": (lambda: str(tmp_path), "'unknown' is no data set"),
        "untrained": (
            lambda: prepared({"test": 9}, name="untrained"),
            "has the splits test",
        ),
        "unlabelled": (
            lambda: prepared(
                {"train": 9},
                label=tfds.features.Scalar(np.int64),
                name="unlabelled",
            ),
            "to learn from; expected one image and its class",
        ),
    }
    for name, (prepare, received) in wrong.items():
        data_dir = prepare()
        with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
            load(f"tfds:{name}", data_dir)
        assert received in str(info.value)
