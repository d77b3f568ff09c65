import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets.loading import load
from gtn_tf.front.data_argument import dataset_name
from gtn_tf.types import InputError
from tests.helpers import own_things, tiny


def test_a_pipeline_goes_by_its_content():
    images, labels = own_things.load()["train"]
    pipeline = tf.data.Dataset.from_tensor_slices((images, labels))
    name = dataset_name(pipeline)
    assert dataset_name(pipeline.take(100)) == name
    assert dataset_name(pipeline.skip(1)) != name
    assert load(name).num_classes == 3
    arrays = load(dataset_name((images, labels)))
    np.testing.assert_array_equal(load(name).train.images, arrays.train.images)
    with pytest.raises(InputError, match="train of data never ends"):
        dataset_name(pipeline.repeat())


def _of_several_sizes():
    for number in range(4):
        yield np.zeros((3 + number, 4, 1), np.uint8), number % 2


def _reading(path):
    file = tf.io.read_file(path)
    return tf.io.decode_png(file), tf.strings.length(file)


PIPELINES = {
    "cannot batch tensors": tf.data.Dataset.from_generator(
        _of_several_sizes,
        output_signature=(
            tf.TensorSpec([None, None, 1], tf.uint8),
            tf.TensorSpec([], tf.int64),
        ),
    ).batch(2),
    "No such file": tf.data.Dataset.from_tensors("/no/such.png").map(_reading),
}


@pytest.mark.parametrize("reason", PIPELINES)
def test_a_pipeline_that_fails_is_one_line(reason):
    pipeline = PIPELINES[reason]
    data = {"train": (IMAGES, LABELS), "test": pipeline}
    for given, key in ((pipeline, "train"), (data, "test")):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            dataset_name(given)
        assert f"{key} of data cannot be read (" in str(caught.value)
        assert reason.lower() in str(caught.value).lower()


IMAGES, LABELS = own_things.load()["train"]
TEXTS = np.array(["cat", "dog", "owl"], object)[LABELS]


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (None, "data is None"),
        ((IMAGES, None), "labels of train are object[] for 60 images"),
        ((IMAGES, TEXTS), "map them by {'cat': 0, 'dog': 1, 'owl': 2}"),
        ((IMAGES, np.where(LABELS, TEXTS, None)), "are 'None', 'dog', 'owl'"),
        ((IMAGES.astype(object), LABELS), "images of train are object[60,"),
        (([IMAGES[0], IMAGES[1, :5]], [0, 1]), "a list of several shapes"),
        ((IMAGES[:2], [[0], [1, 2]]), "a list of several shapes"),
        ({"train": None}, "no 'train'"),
        (3, "the split of train is a int"),
    ],
)
def test_what_is_wrong_is_one_line(data, received):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        load(dataset_name(data))
    assert received in str(caught.value)


def test_what_is_none_is_absent():
    data = {"train": (IMAGES, LABELS)}
    name = dataset_name(data | {"class_names": None, "validation": None})
    assert name == dataset_name(data)
    assert load(name).num_classes == 3
    assert dataset_name(data | {"class_names": list("abc")}) != name
