"""Upsampling and convolution in one (the generator of the official code)."""

import keras
import tensorflow as tf

from gtn_tf.layers.shapes import Shape
from gtn_tf.layers.weight_norm import WeightNormConv2D

#: [p, k]: whether tap k of three adds to tap p of the transposed convolution.
#: Pixel i of the small image fills 2i and 2i + 1 of the large one, and tap k
#: takes pixel 2i + e, e = 0 or 1, to output 2i + e + 1 - k.
_TAPS = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))
_CROP = 3  # on each side: two of the repeated pixel, one of the kernel


@keras.saving.register_keras_serializable("gtn_tf")
class UpsampledConv2D(WeightNormConv2D):
    """Nearest x2, one reflected pixel on each side, 3x3 convolution.

    [N, H, W, C] -> [N, 2 H, 2 W, F]; weight-normalised. Computed as one
    transposed convolution of stride 2, whose 4x4 kernel sums the taps that
    meet the same pixel: 16 in place of 36 products for each pixel, and no
    large image of C channels. A reflected pixel of the large image repeats the
    border of the small one.

    Args:
      filters: F.
      **kwargs: `use_bias`, `kernel_initializer` and Keras' own.
    """

    def __init__(self, filters: int, **kwargs: object) -> None:
        super().__init__(filters, 3, padding="valid", **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = self._exact_kernel()
        taps = tf.constant(_TAPS, kernel.dtype)
        kernel = tf.einsum("pk,ql,klcf->pqfc", taps, taps, kernel)
        padding = ((0, 0), (1, 1), (1, 1), (0, 0))
        padded = tf.pad(inputs, padding, mode="SYMMETRIC")
        height, width = 2 * inputs.shape[1], 2 * inputs.shape[2]
        border = 2 * _CROP
        batch_size = tf.shape(inputs)[0]
        outputs = tf.nn.conv2d_transpose(
            padded,
            tf.cast(kernel, self.compute_dtype),
            (batch_size, height + border, width + border, self.filters),
            strides=2,
            padding="VALID",
        )
        # The gradient of a strided slice would copy element by element on CPU.
        outputs = tf.slice(
            outputs,
            (0, _CROP, _CROP, 0),
            (batch_size, height, width, self.filters),
        )
        return self._add_bias(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sides, _ = input_shape
        sides = (None if side is None else 2 * side for side in sides)
        return batch, *sides, self.filters

    def get_config(self) -> dict:
        config = super().get_config()
        for name in ("kernel_size", "strides", "padding"):
            del config[name]
        return config
