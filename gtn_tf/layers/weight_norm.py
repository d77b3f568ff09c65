"""Weight normalisation: W = g V / ||V|| with one g per output unit.

Departures from the official code (paper, section 3.1): a bias is added after
the normalised product (there it is scaled by g / ||V|| as well), and g starts
at ||V|| everywhere, so that a fresh layer computes what its plain twin would.
"""

import keras
import tensorflow as tf

from gtn_tf.import_paths import choose
from gtn_tf.layers.initializers import he_normal
from gtn_tf.layers.registry import CONVOLUTIONS
from gtn_tf.layers.shapes import Shape, strided

_NORM_EPSILON = 1e-12  # guards 0 / 0 only: ||V||^2 of a fresh unit is about 2


def _norm(direction: tf.Tensor, axes: tuple[int, ...]) -> tf.Tensor:
    squares = tf.reduce_sum(tf.square(direction), axes)
    return tf.sqrt(squares + tf.cast(_NORM_EPSILON, direction.dtype))


class WeightNormLayer(keras.layers.Layer):
    """A layer with kernel g V / ||V||; subclasses say what a unit is.

    Attributes:
      kernel: V, the direction, drawn by `kernel_initializer`.
      gain: g, one scalar per output unit, initially ||V||.
      bias: added after the normalised product, or None.
    """

    #: Axes of V over which one output unit's vector extends.
    unit_axes: tuple[int, ...]

    def __init__(
        self,
        use_bias: bool = True,
        kernel_initializer: str | keras.initializers.Initializer | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(
            he_normal() if kernel_initializer is None else kernel_initializer
        )
        self.bias_initializer = keras.initializers.Zeros()

    def _add_weights(self, shape: tuple[int, ...], num_outputs: int) -> None:
        # autocast=False: the normalisation stays in float32 under mixed
        # precision, only its result is cast.
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.kernel_initializer,
            autocast=False,
        )
        unit_shape = tuple(
            n for axis, n in enumerate(shape) if axis not in self.unit_axes
        )
        self.gain = self.add_weight(
            name="gain",
            shape=unit_shape,
            initializer=lambda shape, dtype: self.initial_gain(
                self.kernel.value
            ),
            autocast=False,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(num_outputs,),
                initializer=self.bias_initializer,
            )

    def initial_gain(self, kernel: tf.Tensor) -> tf.Tensor:
        """Returns ||V|| per output unit, the value that g starts from."""
        return _norm(kernel, self.unit_axes)

    def normalized_kernel(self) -> tf.Tensor:
        """Returns W in the layer's compute dtype."""
        return tf.cast(self._exact_kernel(), self.compute_dtype)

    def _exact_kernel(self) -> tf.Tensor:
        """Returns W = g V / ||V|| in the dtype of the variables."""
        direction = tf.convert_to_tensor(self.kernel)
        scale = tf.convert_to_tensor(self.gain) / _norm(
            direction, self.unit_axes
        )
        return direction * scale  # a unit's axes are the first ones

    def _add_bias(self, outputs: tf.Tensor) -> tf.Tensor:
        if self.bias is None:
            return outputs
        return outputs + tf.convert_to_tensor(self.bias)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }


@keras.saving.register_keras_serializable("gtn_tf")
class WeightNormDense(WeightNormLayer):
    """Dense layer with weight normalisation: [..., I] -> [..., units]."""

    unit_axes = (0,)

    def __init__(self, units: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tuple[int, ...]) -> None:
        self._add_weights((input_shape[-1], self.units), self.units)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.tensordot(inputs, self.normalized_kernel(), [[-1], [0]])
        return self._add_bias(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return *input_shape[:-1], self.units

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("gtn_tf")
class WeightNormConv2D(WeightNormLayer):
    """Convolution with weight normalisation: [B, H, W, C] -> [B, H', W', F].

    Args:
      filters: F.
      kernel_size: one number or (height, width), in pixels.
      strides: one number or (height, width).
      padding: "same" or "valid" (TensorFlow's meaning).
      convolution: a name of `CONVOLUTIONS`: how it is computed.
      **kwargs: `use_bias`, `kernel_initializer` and Keras' own.
    """

    unit_axes = (0, 1, 2)

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "same",
        convolution: str = "direct",
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = _pair(kernel_size)
        self.strides = _pair(strides)
        self.padding = padding
        self.convolution = convolution
        self._convolve = choose(
            convolution, CONVOLUTIONS, "learner.convolution"
        )

    def build(self, input_shape: tuple[int, ...]) -> None:
        shape = (*self.kernel_size, input_shape[-1], self.filters)
        self._add_weights(shape, self.filters)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = self._convolve(
            inputs, self.normalized_kernel(), self.strides, self.padding
        )
        return self._add_bias(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sides, _ = input_shape
        sides = (
            strided(*of_side, self.padding)
            for of_side in zip(
                sides, self.strides, self.kernel_size, strict=True
            )
        )
        return batch, *sides, self.filters

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "convolution": self.convolution,
        }


@keras.saving.register_keras_serializable("gtn_tf")
class WeightNormDepthwiseConv2D(WeightNormLayer):
    """Depthwise convolution, one g per (channel, multiplier) pair.

    [B, H, W, C] -> [B, H', W', C x depth_multiplier]; arguments as in
    `WeightNormConv2D`. A `dilation_rate` above 1 needs `strides` of 1.
    """

    unit_axes = (0, 1)

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        strides: int = 1,
        padding: str = "same",
        depth_multiplier: int = 1,
        dilation_rate: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = _pair(kernel_size)
        self.strides = strides
        self.padding = padding
        self.depth_multiplier = depth_multiplier
        self.dilation_rate = dilation_rate

    def build(self, input_shape: tuple[int, ...]) -> None:
        channels = input_shape[-1]
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self._add_weights(shape, channels * self.depth_multiplier)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.nn.depthwise_conv2d(
            inputs,
            self.normalized_kernel(),
            strides=(1, self.strides, self.strides, 1),
            padding=self.padding.upper(),
            dilations=_pair(self.dilation_rate),
        )
        return self._add_bias(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sides, channels = input_shape
        sizes = ((n - 1) * self.dilation_rate + 1 for n in self.kernel_size)
        sides = (
            strided(pixels, self.strides, size, self.padding)
            for pixels, size in zip(sides, sizes, strict=True)
        )
        return batch, *sides, channels * self.depth_multiplier

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "depth_multiplier": self.depth_multiplier,
            "dilation_rate": self.dilation_rate,
        }


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
