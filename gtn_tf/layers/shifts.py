"""Layers that move or drop pixels, in forms that are fast on CPU."""

import keras
import tensorflow as tf

from gtn_tf.layers.shapes import SameShape, Shape, strided


@keras.saving.register_keras_serializable("gtn_tf")
class Subsample(keras.layers.Layer):
    """Keeps every s-th pixel: [B, H, W, C] -> [B, ceil(H / s), ..].

    In front of a 1x1 convolution it is what a stride would be. The filter
    gradient of the strided one writes outside its memory on CPU, in oneDNN's
    kernels (TensorFlow 2.21): few channels, an even size, "same" padding.
    """

    def __init__(self, strides: tuple[int, int], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.strides = tuple(strides)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # Slices with a stride take 4 to 15 times as long on CPU.
        return tf.nn.avg_pool2d(inputs, 1, self.strides, "VALID")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sides, channels = input_shape
        sides = map(strided, sides, self.strides)
        return batch, *sides, channels

    def get_config(self) -> dict:
        return {**super().get_config(), "strides": self.strides}


@keras.saving.register_keras_serializable("gtn_tf")
class Shift(SameShape):
    """Moves images by one pixel up and left: [B, H, W, C] -> same; zeros enter.

    Keras crops by a strided slice, whose gradient takes as long on CPU as the
    convolutions around it; that of a plain slice pads.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        moved = tf.slice(inputs, [0, 1, 1, 0], [-1, -1, -1, -1])
        return tf.pad(moved, ((0, 0), (0, 1), (0, 1), (0, 0)))
