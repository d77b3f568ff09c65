import itertools

import keras
import pytest
import tensorflow as tf

from gtn_tf.layers.masks import WidthMask
from gtn_tf.layers.normalization import (
    BatchNormalization,
    MeanOnlyBatchNormalization,
)
from gtn_tf.layers.pooling import MaxPool2D
from gtn_tf.layers.shifts import Shift, Subsample
from gtn_tf.layers.upsampling import UpsampledConv2D
from gtn_tf.layers.weight_norm import (
    WeightNormConv2D,
    WeightNormDense,
    WeightNormDepthwiseConv2D,
)
from gtn_tf.retrain.drop_path import SeededDropout

LAYERS = [
    *(WidthMask(), Shift(), Subsample((2, 3)), SeededDropout(0.1, True)),
    *(BatchNormalization(), MeanOnlyBatchNormalization()),
    *(UpsampledConv2D(3), WeightNormDense(5)),
    *(MaxPool2D(*sizes) for sizes in ((2, 2), (3, 2), (3, 1))),
    *(
        WeightNormConv2D(3, (size, 3), (strides, 1), padding)
        for size, strides, padding in itertools.product(
            (1, 2, 3), (1, 2, 3), ("same", "valid")
        )
    ),
    *(
        WeightNormDepthwiseConv2D(3, strides, padding, 2, rate)
        for strides, padding, rate in (
            *((1, "same", 1), (2, "same", 1), (2, "valid", 1)),
            *((1, "same", 2), (1, "valid", 2)),
        )
    ),
]


@pytest.mark.parametrize("size", [(5, 7), (6, 8)])
def test_layers_say_the_shapes_of_what_they_return(size):
    for layer in LAYERS:
        twin = type(layer).from_config(layer.get_config())
        found = twin(tf.ones((2, *size, 4))).shape
        assert twin.compute_output_shape((2, *size, 4)) == found, layer
        # Nothing is run to find it out: so models are built in half the time.
        assert not keras.src.utils.python_utils.is_default(
            twin.compute_output_shape
        )
        symbolic = twin(keras.Input((None, None, 4)))
        assert symbolic.shape[1:3] in ((None, None), found[1:3]), layer
        assert symbolic.shape[3] == found[3]
