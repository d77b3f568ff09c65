import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets.loading import load
from gtn_tf.front.data_argument import dataset_name
from gtn_tf.types import InputError
from tests.helpers import own_things


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
