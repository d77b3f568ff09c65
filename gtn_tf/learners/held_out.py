"""Networks as people write them in Keras, that no meta-training ever sees.

With Keras' defaults: initialisers, biases, the momentum of batch
normalisation. Each has a hidden layer whose width `pool.WIDTHS` lacks, so that
the pool cannot draw it; `tests/learners/test_held_out.py` says so.

A new one is a function (image_shape, num_classes) -> model, and its name in
`HELD_OUT`. Their second derivatives are not asked for: see `from_keras`.
"""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf
from keras import layers

from gtn_tf.learners.batch_statistics import (
    moving_statistics,
    normalizing_by_the_batch,
)
from gtn_tf.learners.functional import Learner, from_keras

#: (image_shape, num_classes) -> model, images [B, H, W, C] to logits [B, K].
Build = Callable[[tuple[int, int, int], int], keras.Model]
Tensor = keras.KerasTensor


def held_out_learner(
    name: str, image_shape: tuple[int, int, int], num_classes: int
) -> Learner:
    """Makes a learner of `HELD_OUT`, for training of first order.

    Batch normalisation takes the statistics of the images it is asked about.
    """
    build = functools.partial(HELD_OUT[name], image_shape, num_classes)
    model = build()
    learner = from_keras(lambda: model, second_order=False)
    moving = moving_statistics(model, tf.zeros((1, *image_shape)))
    learner = normalizing_by_the_batch(learner, moving)
    return learner._replace(name=f"held_out:{name}")


def _conv(norm: bool = False, activation: str = "relu") -> Build:
    """Two of convolution, (norm), activation, max-pool; 16, 32 channels."""

    def build(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
        inputs = values = keras.Input(shape)
        for width in (16, 32):
            values = layers.Conv2D(width, 3, padding="same")(values)
            if norm:
                values = layers.BatchNormalization()(values)
            values = layers.Activation(activation)(values)
            values = layers.MaxPooling2D(2)(values)
        values = layers.Flatten()(values)
        return keras.Model(inputs, layers.Dense(num_classes)(values))

    return build


def _mlp(*widths: int, norm: bool = False) -> Build:
    def build(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
        inputs = keras.Input(shape)
        values = layers.Flatten()(inputs)
        for width in widths:
            values = layers.Dense(width)(values)
            if norm:
                values = layers.BatchNormalization()(values)
            values = layers.ReLU()(values)
        return keras.Model(inputs, layers.Dense(num_classes)(values))

    return build


def _conv_norm(values: Tensor, width: int, size: int = 3) -> Tensor:
    values = layers.Conv2D(width, size, padding="same", use_bias=False)(values)
    return layers.BatchNormalization()(values)


def _residual(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """A stem and two residual blocks of two convolutions, a pool between."""
    inputs = keras.Input(shape)
    values = layers.ReLU()(_conv_norm(inputs, 16))
    for width in (16, 32):
        shortcut = values
        if width != 16:
            values = shortcut = layers.MaxPooling2D(2)(values)
            shortcut = _conv_norm(shortcut, width, 1)
        inner = layers.ReLU()(_conv_norm(values, width))
        values = layers.Add()([_conv_norm(inner, width), shortcut])
        values = layers.ReLU()(values)
    values = layers.GlobalAveragePooling2D()(values)
    return keras.Model(inputs, layers.Dense(num_classes)(values))


def _vgg(norm: bool) -> Build:
    """Two of (convolution x 2, max-pool), a dense layer of 64 units."""

    def build(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
        inputs = values = keras.Input(shape)
        for width in (16, 32):
            for _ in range(2):
                values = layers.Conv2D(width, 3, padding="same")(values)
                if norm:
                    values = layers.BatchNormalization()(values)
                values = layers.ReLU()(values)
            values = layers.MaxPooling2D(2)(values)
        values = layers.Flatten()(values)
        values = layers.Dense(64, activation="relu")(values)
        return keras.Model(inputs, layers.Dense(num_classes)(values))

    return build


def _mobilenet(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Depthwise and pointwise convolutions, ReLU6 (Howard et al. 2017)."""
    inputs = keras.Input(shape)
    values = layers.ReLU(6.0)(_conv_norm(inputs, 16))
    for width, strides in ((32, 2), (64, 1)):
        values = layers.DepthwiseConv2D(
            3, strides, padding="same", use_bias=False
        )(values)
        values = layers.ReLU(6.0)(layers.BatchNormalization()(values))
        values = layers.ReLU(6.0)(_conv_norm(values, width, 1))
    values = layers.GlobalAveragePooling2D()(values)
    return keras.Model(inputs, layers.Dense(num_classes)(values))


def _convnext(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Patches, then 7x7 depthwise, norm, 4x wider, GELU (Liu et al. 2022)."""
    inputs = keras.Input(shape)
    values = layers.Conv2D(32, 2, 2)(inputs)
    values = layers.LayerNormalization(epsilon=1e-6)(values)
    for _ in range(2):
        inner = layers.DepthwiseConv2D(7, padding="same")(values)
        inner = layers.LayerNormalization(epsilon=1e-6)(inner)
        inner = layers.Dense(128, activation="gelu")(inner)
        values = layers.Add()([values, layers.Dense(32)(inner)])
    values = layers.GlobalAveragePooling2D()(values)
    values = layers.LayerNormalization(epsilon=1e-6)(values)
    return keras.Model(inputs, layers.Dense(num_classes)(values))


def _strided(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Convolutions of stride 2 in place of pools (Springenberg et al. 2015)."""
    inputs = values = keras.Input(shape)
    for width in (32, 64):
        values = layers.Conv2D(width, 3, 2, "same", activation="relu")(values)
    values = layers.Flatten()(values)
    return keras.Model(inputs, layers.Dense(num_classes)(values))


def _lenet(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """tanh, average pools, dense layers of 120 and 84 (LeCun et al. 1998)."""
    inputs = values = keras.Input(shape)
    for width in (6, 16):
        values = layers.Conv2D(width, 5, padding="same", activation="tanh")(
            values
        )
        values = layers.AveragePooling2D(2)(values)
    values = layers.Flatten()(values)
    for width in (120, 84):
        values = layers.Dense(width, activation="tanh")(values)
    return keras.Model(inputs, layers.Dense(num_classes)(values))


def _branches(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Kernels of 1, 3 and 5 pixels side by side (Szegedy et al. 2015)."""
    inputs = values = keras.Input(shape)
    for _ in range(2):
        side_by_side = [_conv_norm(values, 16, size) for size in (1, 3, 5)]
        values = layers.ReLU()(layers.Concatenate()(side_by_side))
        values = layers.MaxPooling2D(2)(values)
    values = layers.GlobalAveragePooling2D()(values)
    return keras.Model(inputs, layers.Dense(num_classes)(values))


def _dense_blocks(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Every layer sees all before it (Huang et al. 2017)."""
    inputs = keras.Input(shape)
    values = layers.Conv2D(16, 3, padding="same")(inputs)
    for block in range(2):
        if block:
            values = layers.AveragePooling2D(2)(values)
        for _ in range(2):
            new = layers.ReLU()(layers.BatchNormalization()(values))
            new = layers.Conv2D(16, 3, padding="same", use_bias=False)(new)
            values = layers.Concatenate()([values, new])
    values = layers.ReLU()(layers.BatchNormalization()(values))
    values = layers.GlobalAveragePooling2D()(values)
    return keras.Model(inputs, layers.Dense(num_classes)(values))


HELD_OUT: dict[str, Build] = {
    "conv_batch_norm": _conv(norm=True),
    "conv": _conv(),
    "residual": _residual,
    "mlp_batch_norm": _mlp(64, norm=True),
    "conv_tanh": _conv(activation="tanh"),
    "mlp": _mlp(128, 64),
    "vgg": _vgg(norm=False),
    "vgg_batch_norm": _vgg(norm=True),
    "mobilenet": _mobilenet,
    "convnext": _convnext,
    "strided": _strided,
    "lenet": _lenet,
    "branches": _branches,
    "dense_blocks": _dense_blocks,
}
