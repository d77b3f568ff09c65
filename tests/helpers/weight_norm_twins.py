"""Weight-normalised layers beside Keras' own."""

import keras

from gtn_tf.layers.weight_norm import (
    WeightNormConv2D,
    WeightNormDense,
    WeightNormDepthwiseConv2D,
)

IMAGES = (2, 5, 6, 3)  # uneven sides: "same" pads differently in each


VECTORS = (4, 5)


#: name -> (weight-normalised, plain twin, arguments, input shape).
TWINS = {
    "dense": (
        WeightNormDense,
        keras.layers.Dense,
        {"units": 4},
        VECTORS,
    ),
    "conv": (
        WeightNormConv2D,
        keras.layers.Conv2D,
        {"filters": 4, "kernel_size": 3, "padding": "same"},
        IMAGES,
    ),
    "conv_strides_2": (
        WeightNormConv2D,
        keras.layers.Conv2D,
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
        IMAGES,
    ),
    "conv_uneven_valid": (
        WeightNormConv2D,
        keras.layers.Conv2D,
        {
            "filters": 2,
            "kernel_size": (3, 2),
            "strides": (2, 1),
            "padding": "valid",
        },
        IMAGES,
    ),
    "depthwise": (
        WeightNormDepthwiseConv2D,
        keras.layers.DepthwiseConv2D,
        {"kernel_size": 3, "padding": "same", "depth_multiplier": 2},
        IMAGES,
    ),
    "depthwise_strides_2": (
        WeightNormDepthwiseConv2D,
        keras.layers.DepthwiseConv2D,
        {"kernel_size": 3, "strides": 2, "padding": "valid"},
        IMAGES,
    ),
}
