"""Learners: Keras models run as pure functions of their parameters.

The inner loop sees `Learner(init, apply)` and cannot tell a family of the
paper from a user's own model.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from gtn_tf.layers.initial_values import draw_initial_values, find_initializers
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.learners.families import FAMILIES, build_family
from gtn_tf.ops.seeds import (
    ALGORITHM,
    Purpose,
    fold,
)
from gtn_tf.types import InputError

#: A fixed number of units, or the lowest and highest to draw from.
Width = int | tuple[int, int]

Params = list[tf.Tensor]

_SAFE_CHANNELS = 16  # the fewest with which no crash was seen


class Learner(NamedTuple):
    """A pure pair of functions.

    Attributes:
      name: for messages.
      init: seed [2] -> (params, statistics), fresh.
      apply: (params, statistics, images [B, H, W, C], training) ->
        (logits [B, K], statistics).
      penalty: params -> what the layers' regularisers add to the inner loss;
        None where there are none.
    """

    name: str
    init: Callable[[tf.Tensor], tuple[Params, Params]]
    apply: Callable[..., tuple[tf.Tensor, Params]]
    penalty: Callable[[Params], tf.Tensor] | None = None


#: Keras layers whose second derivative is wrong or missing -> what to use.
_WRONG_AT_SECOND_ORDER = {
    "BatchNormalization": "gtn_tf.layers.BatchNormalization",
    "LayerNormalization": "keras.layers.RMSNormalization",
    "GroupNormalization": "gtn_tf.layers.BatchNormalization",
    "SpectralNormalization": "gtn_tf.layers.WeightNormConv2D",
    "MaxPooling2D": "gtn_tf.layers.MaxPool2D",
    "Resizing": "keras.layers.UpSampling2D(interpolation='nearest')",
    "UpSampling2D": "keras.layers.UpSampling2D(interpolation='nearest')",
    "RandomRotation": "augmentation by cropping and flipping",
    "RandomTranslation": "augmentation by cropping and flipping",
    "RandomZoom": "augmentation by cropping and flipping",
}


def _is_wrong(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.UpSampling2D):
        return layer.interpolation != "nearest"
    if isinstance(layer, keras.layers.MaxPooling2D):
        return layer.padding == "same" and tuple(layer.strides) == (1, 1)
    return True


def check_second_order(model: keras.Model) -> None:
    """Refuses a model that cannot be differentiated twice.

    Raises:
      InputError: naming the first such layer and its replacement.
    """
    for layer in model._flatten_layers(include_self=False):
        for name, replacement in _WRONG_AT_SECOND_ORDER.items():
            cls = getattr(keras.layers, name)
            if isinstance(layer, cls) and _is_wrong(layer):
                raise InputError(
                    f"layer '{layer.name}' ({name}) has a wrong second "
                    "derivative; meta-training differentiates a learner "
                    f"twice; use {replacement} instead"
                )


def _check_strided_pointwise(model: keras.Model) -> None:
    """Refuses what would end the process; see `layers.Subsample`."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        if (
            tuple(layer.kernel_size) == (1, 1)
            and max(layer.strides) > 1
            and layer.padding == "same"
            and min(layer.kernel.shape[2:]) < _SAFE_CHANNELS
        ):
            raise InputError(
                f"layer '{layer.name}' is a 1x1 convolution with stride "
                f"{max(layer.strides)}, padding 'same' and fewer than "
                f"{_SAFE_CHANNELS} channels; TensorFlow's gradient of it can "
                "crash on CPU; put gtn_tf.layers.Subsample in front and take "
                "the stride away, or set TF_ENABLE_ONEDNN_OPTS=0"
            )


def from_keras(
    build_model: Callable[[], keras.Model], second_order: bool = True
) -> Learner:
    """Makes a learner of any Keras model that maps images to logits.

    Args:
      build_model: called once; its initial values are not used, the layers'
        initializers are; frozen layers keep theirs.
      second_order: refuse layers that are wrong in meta-training. False where
        only first order is needed, as in ranking.

    Raises:
      InputError: the model is not built, holds a refused layer, or one whose
        initializer cannot be found.
    """
    model = build_model()
    if not model.built:
        raise InputError(
            f"model '{model.name}' has no weights yet; expected a built "
            "model; begin it with keras.Input(shape=image_shape)"
        )
    if second_order:
        check_second_order(model)
    _check_strided_pointwise(model)
    initializers = find_initializers(model)
    return Learner(
        model.name,
        init=lambda seed: draw_initial_values(
            model, initializers, fold(seed, Purpose.WEIGHTS)
        ),
        apply=_functional(model),
        penalty=_penalty(model),
    )


def _penalty(
    model: keras.Model,
) -> Callable[[Params], tf.Tensor] | None:
    regularizers = [v.regularizer for v in model.trainable_variables]
    if not any(regularizers):
        return None

    def penalty(params: Params) -> tf.Tensor:
        return tf.add_n(
            [
                regularizer(value)
                for regularizer, value in zip(regularizers, params, strict=True)
                if regularizer is not None
            ]
        )

    return penalty


def from_family(
    name: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    widths: Sequence[Width] | None = None,
    spec: LayerSpec = LayerSpec(),  # noqa: B008 (frozen)
) -> Learner:
    """Makes a learner of a family, with fixed or randomly drawn widths.

    Widths are drawn per learner, uniformly, both ends included, by masking
    the channels of one model of the highest widths: nothing is retraced.

    Args:
      name: a key of `FAMILIES`.
      image_shape: (H, W, C).
      num_classes: K.
      widths: as many as the family has; None: the family's own.
      spec: how its layers are made; `masked` is set as the widths ask for.

    Raises:
      InputError: unknown family, or a wrong number of widths.
    """
    check_family(name, widths)
    ranges = [_range(w) for w in widths or FAMILIES[name].widths]
    masked = any(low != high for low, high in ranges)
    spec = dataclasses.replace(spec, masked=masked)
    highest = [high for _, high in ranges]
    model = build_family(name, image_shape, num_classes, highest, spec)
    initializers = find_initializers(model)

    def init(seed: tf.Tensor) -> tuple[Params, Params]:
        masks = None
        if masked:
            dtype = model.trainable_variables[0].dtype
            masks = _draw_masks(ranges, fold(seed, Purpose.WIDTHS), dtype)
        return draw_initial_values(
            model, initializers, fold(seed, Purpose.WEIGHTS), masks
        )

    return Learner(name, init, _functional(model))


def check_family(name: str, widths: Sequence[Width] | None) -> None:
    """Raises InputError for an unknown family or a wrong number of widths."""
    if name not in FAMILIES:
        raise InputError(
            f"learner.name '{name}' is unknown; expected one of "
            f"{', '.join(FAMILIES)}; set --config.learner.name"
        )
    expected = FAMILIES[name].widths
    if widths is not None and len(widths) != len(expected):
        raise InputError(
            f"learner.widths {tuple(widths)} has {len(widths)} entries; "
            f"'{name}' has {len(expected)} layers, such as {expected}; give "
            "one width or (low, high) per layer"
        )


def _range(width: Width) -> tuple[int, int]:
    return (width, width) if isinstance(width, int) else tuple(width)


def _draw_masks(
    ranges: list[tuple[int, int]], seed: tf.Tensor, dtype: str
) -> list[tf.Tensor]:
    masks = []
    for index, (low, high) in enumerate(ranges):
        width = tf.random.stateless_uniform(
            [], fold(seed, index), low, high + 1, tf.int32, alg=ALGORITHM
        )
        masks.append(tf.cast(tf.range(high) < width, dtype))
    return masks


def _functional(model: keras.Model) -> Callable[..., tuple[tf.Tensor, Params]]:
    def apply(
        params: Params,
        statistics: Params,
        images: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, Params]:
        if takes_training:
            return model.stateless_call(
                params, statistics, images, training=training
            )
        pairs = zip(
            (*model.trainable_variables, *model.non_trainable_variables),
            (*params, *statistics),
            strict=True,
        )
        with keras.StatelessScope(state_mapping=list(pairs)) as scope:
            logits = model(images, training=training)
        return logits, [
            tf.convert_to_tensor(scope.get_current_value(v), v.dtype)
            for v in model.non_trainable_variables
        ]

    # What a `call` without the argument calls is told by `__call__` alone.
    takes_training = all(
        layer._call_has_training_arg
        for layer in model._flatten_layers()
        if layer._layers
    )
    return apply


def with_drawn_learner(
    learners: Sequence[Learner],
    seed: tf.Tensor,
    function: Callable[[Learner], tuple],
) -> tuple:
    """Returns function(learner) of one learner, drawn uniformly by `seed`.

    All are traced, only the drawn one runs.
    """
    if len(learners) == 1:
        return function(learners[0])
    index = tf.random.stateless_uniform(
        [],
        fold(seed, Purpose.FAMILY),
        0,
        len(learners),
        tf.int32,
        alg=ALGORITHM,
    )
    branches = [functools.partial(function, learner) for learner in learners]
    return tf.switch_case(index, branches)
