"""The generator: noise and labels to images (paper, section 3; official code).

    concat(noise, labels) -> dense - norm - leaky ReLU -> dense - norm - leaky
    ReLU -> reshape (H/4, W/4) -> [upsample x2 - reflect pad - conv 3x3 - norm -
    leaky ReLU] -> upsample x2 - reflect pad - conv 3x3 -> 2 tanh

An H or W that 4 does not divide is made larger, up to the next multiple of 4,
and its edges are cut off, as much on either side.

All layers are weight-normalised; upsampling is nearest. Normalisation always
uses the statistics of one synthetic batch, as the official code does.
"""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from gtn_tf.layers.activations import leaky_relu
from gtn_tf.layers.initial_values import draw_initial_values, find_initializers
from gtn_tf.layers.initializers import he_normal
from gtn_tf.layers.normalization import BatchNormalization
from gtn_tf.layers.upsampling import UpsampledConv2D
from gtn_tf.layers.weight_norm import WeightNormDense
from gtn_tf.ops.counted_loop import counted_loop, counted_map

#: Images lie in [-IMAGE_SCALE, IMAGE_SCALE] in normalised units.
IMAGE_SCALE = 2.0


@dataclasses.dataclass(frozen=True)
class GeneratorSpec:
    """Config keys `generator.*`; see `Generator` and `generate`."""

    noise_dim: int
    dense_widths: tuple[int, ...]
    channels: tuple[int, int]
    rematerialize: bool


@keras.saving.register_keras_serializable("gtn_tf")
class Generator(keras.Model):
    """Maps N batches of noise and labels to N batches of images.

    `call(noise [N, B, Z], labels [N, B, K])` returns [N, B, H, W, C] in
    normalised units. With training=True each of the N batches is normalised
    by its own statistics.

    Args:
      image_shape: (H, W, C).
      dense_widths: units of the hidden dense layers before the one that feeds
        the first convolution's channels.
      channels: (at H/4 and H/2 input, at H input); 128, 64 officially.
      **kwargs: Keras' own, as dtype.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        dense_widths: Sequence[int],
        channels: tuple[int, int],
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        self.dense_widths = tuple(dense_widths)
        self.channels = tuple(channels)
        height, width, num_channels = image_shape
        self._base = (-(-height // 4), -(-width // 4), channels[0])
        num_base_units = self._base[0] * self._base[1] * channels[0]
        dtype = self.dtype_policy
        self._dense = [
            WeightNormDense(
                units,
                use_bias=False,
                kernel_initializer=he_normal(),
                dtype=dtype,
            )
            for units in (*dense_widths, num_base_units)
        ]
        self._convs = [
            UpsampledConv2D(
                filters,
                use_bias=is_last,
                kernel_initializer=he_normal(),
                dtype=dtype,
            )
            for filters, is_last in (
                (channels[1], False),
                (num_channels, True),
            )
        ]
        self._norms = [
            BatchNormalization(num_group_axes=1, dtype=dtype)
            for _ in range(len(self._dense) + 1)
        ]

    def build(self, noise_shape: tuple, labels_shape: tuple) -> None:
        units = noise_shape[-1] + labels_shape[-1]
        for dense, norm in zip(self._dense, self._norms, strict=False):
            dense.build((None, None, units))
            units = dense.units
            norm.build((None, None, units))
        filters = self._base[2]
        for conv in self._convs:
            conv.build((None, None, None, filters))
            filters = conv.filters
        self._norms[-1].build((None, None, None, None, self._convs[0].filters))

    def call(
        self,
        noise: tf.Tensor,
        labels: tf.Tensor,
        training: bool = True,
    ) -> tf.Tensor:
        values = tf.concat([noise, tf.cast(labels, noise.dtype)], axis=-1)
        for dense, norm in zip(self._dense, self._norms, strict=False):
            values = leaky_relu(norm(dense(values), training=training))
        groups = tf.shape(values)[:2]
        values = tf.reshape(values, (-1, *self._base))
        values = self._convs[0](values)
        values = _split(values, groups)
        values = leaky_relu(self._norms[-1](values, training=training))
        values = tf.reshape(values, (-1, *values.shape[2:]))
        values = _cropped(self._convs[1](values), self.image_shape)
        images = IMAGE_SCALE * tf.tanh(tf.cast(values, self.variable_dtype))
        return _split(images, groups)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "dense_widths": self.dense_widths,
            "channels": self.channels,
        }


def _cropped(images: tf.Tensor, image_shape: Sequence[int]) -> tf.Tensor:
    """Cuts images [N, H', W', C] to [N, H, W, C], about their centre."""
    made = tuple(images.shape[1:])
    if made == tuple(image_shape):
        return images
    top, left = ((made[i] - image_shape[i]) // 2 for i in range(2))
    # As in `UpsampledConv2D`: not a strided slice.
    return tf.slice(images, (0, top, left, 0), (-1, *image_shape))


def _split(images: tf.Tensor, groups: tf.Tensor) -> tf.Tensor:
    """[N B, h, w, c] -> [N, B, h, w, c]."""
    shape = tf.concat([groups, images.shape[1:]], axis=0)
    return tf.reshape(images, shape)


def build_generator(
    spec: GeneratorSpec,
    image_shape: tuple[int, int, int],
    num_classes: int,
    seed: tf.Tensor,
    precision: str = "float32",
) -> Generator:
    """Builds a generator with fresh weights drawn from `seed` [2]."""
    generator = Generator(
        image_shape, spec.dense_widths, spec.channels, dtype=precision
    )
    generator.build((None, None, spec.noise_dim), (None, None, num_classes))
    generator.built = True
    initializers = find_initializers(generator)
    params, _ = draw_initial_values(generator, initializers, seed)
    for variable, value in zip(
        generator.trainable_variables, params, strict=True
    ):
        variable.assign(value)
    return generator


def generate(
    generator: Generator,
    weights: list[tf.Tensor],
    noise: tf.Tensor,
    labels: tf.Tensor,
    rematerialize: bool = False,
) -> tf.Tensor:
    """Returns the images [T, B, H, W, C] of T batches, as a pure function.

    Args:
      generator: the architecture; its own weights are not read.
      weights: in the order of `generator.trainable_variables`.
      noise: [T, B, Z].
      labels: [T, B, K].
      rematerialize: go batch by batch and recompute activations when
        differentiated, instead of keeping those of all T batches.
    """
    statistics = [
        tf.convert_to_tensor(v) for v in generator.non_trainable_variables
    ]

    def call(
        weights: list[tf.Tensor], noise: tf.Tensor, labels: tf.Tensor
    ) -> tf.Tensor:
        images, _ = generator.stateless_call(
            weights, statistics, noise, labels, training=True
        )
        return tf.reshape(images, (*noise.shape[:2], *generator.image_shape))

    if rematerialize:
        return _batch_by_batch(call)(noise, labels, *weights)
    return call(weights, noise, labels)


def _batch_by_batch(call: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Makes `call` loop over T, forwards and backwards."""

    @tf.custom_gradient
    def loop(
        noise: tf.Tensor, labels: tf.Tensor, *weights: tf.Tensor
    ) -> tuple[tf.Tensor, Callable]:
        def one(step: tf.Tensor) -> tf.Tensor:
            batch = noise[step][None], labels[step][None]
            return call(list(weights), *batch)[0]

        images = counted_map(one, noise.shape[0], noise.dtype)

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            return _loop_gradient(call, noise, labels, weights, upstream)

        return images, gradient

    return loop


def _loop_gradient(
    call: Callable[..., tf.Tensor],
    noise: tf.Tensor,
    labels: tf.Tensor,
    weights: tuple[tf.Tensor, ...],
    upstream: tf.Tensor,
) -> list[tf.Tensor]:
    """Returns gradients of noise, labels and each weight."""
    num_steps = noise.shape[0]
    arrays = [
        tf.TensorArray(v.dtype, num_steps, element_shape=v.shape[1:])
        for v in (noise, labels)
    ]

    def body(step: tf.Tensor, sums: list, arrays: list) -> tuple:
        batch = [noise[step][None], labels[step][None]]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*batch, *weights])
            images = call(list(weights), *batch)
        of_batch, of_weights = tape.gradient(
            images,
            (batch, list(weights)),
            output_gradients=upstream[step][None],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        sums = [s + g for s, g in zip(sums, of_weights, strict=True)]
        arrays = [
            a.write(step, g[0]) for a, g in zip(arrays, of_batch, strict=True)
        ]
        return step + 1, sums, arrays

    zeros = [tf.zeros_like(w) for w in weights]
    _, sums, arrays = counted_loop(
        num_steps, body, (tf.constant(0), zeros, arrays)
    )
    return [*(a.stack() for a in arrays), *sums]
