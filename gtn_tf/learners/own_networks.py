"""A person's own Keras network, looked at before anything is trained.

What would give a wrong score without a word is put right where that is the
same network, and refused where it is not:

* a softmax at the end is taken away, as losses here take logits; a sigmoid or
  a ReLU there is refused;
* preprocessing of raw pixels gives way to the data's own normalisation, with a
  warning (see `raw_pixels`);
* layers whose second derivative is wrong become others of the same function,
  with a warning, where that matters (see `second_order`);
* weights of frozen layers keep their values (see `initial_values`), and
  regularisers of weights are part of the loss (see `functional`);
* losses of activations, constraints of weights, layers that change in training
  what the network does not hold, and images with channels first are refused.

What is changed in a network for that is undone at the end, as it may be shared
(see `undoing`).
"""

import collections
import functools
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import logging

from gtn_tf.import_paths import import_attribute
from gtn_tf.learners.batch_statistics import moving_statistics
from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.learners.identity import network_digest
from gtn_tf.learners.logits import (
    check_logits,
    check_mapping,
    check_training,
    probe,
    without_softmax,
)
from gtn_tf.learners.raw_pixels import (
    Call,
    check_scale,
    watch_calls,
    without_preprocessing,
)
from gtn_tf.learners.second_derivatives import check_second_derivatives
from gtn_tf.types import PERSONS_ERRORS, InputError, one_line


def build_own_network(
    build: Callable[[], keras.Model],
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> keras.Model:
    """Builds a person's network, puts it right or refuses it.

    Args:
      build: without arguments; called once.
      image_shape: (H, W, C) of the data.
      num_classes: K of the data.

    Returns:
      A built model, images [B, H, W, C] in normalised units to logits [B, K].

    Raises:
      InputError: naming the layer or value that is wrong.
    """
    check_keras_settings()
    model = without_preprocessing(_called(build), image_shape)
    images = probe(image_shape)
    check_mapping(model, images, num_classes)
    calls = watch_calls(model, image_shape)
    check_scale(calls)
    _check_layers(model)
    check_training(model, images, num_classes)
    _tell_what_is_not_used(model)
    _tell_of_shared_statistics(model, images, calls)
    model = without_softmax(model)
    check_logits(model, images)
    return model


def from_import_path(
    path: str, image_shape: tuple[int, int, int], num_classes: int
) -> Learner:
    """Makes a learner of the network that a config names.

    Args:
      path: `package.module:function`, of (image_shape, num_classes).
      image_shape: (H, W, C) of the data.
      num_classes: K of the data.

    Raises:
      InputError: the path leads nowhere, or the network is refused here or by
        `from_keras`.
    """
    function = import_attribute(path, "learner.name")
    build = functools.partial(function, image_shape, num_classes)
    try:
        model = build_own_network(build, image_shape, num_classes)
        digest = network_digest(model)
        learner = from_keras(lambda: model)._replace(
            name=path,
            batch_statistics=tuple(
                moving_statistics(model, probe(image_shape))
            ),
            digest=digest,
        )
        check_second_derivatives(learner, image_shape)
        return learner
    except InputError as error:
        raise InputError(f"learner {path}: {error}") from error


def check_keras_settings() -> None:
    """Refuses settings of Keras that make other networks of the same code.

    Raises:
      InputError: naming the setting and its value.
    """
    received = {
        "backend": keras.config.backend(),
        "image_data_format": keras.config.image_data_format(),
        "floatx": keras.config.floatx(),
        "dtype_policy": keras.config.dtype_policy().name,
    }
    for name, expected in (
        ("backend", "tensorflow"),
        ("image_data_format", "channels_last"),
        ("floatx", "float32"),
        ("dtype_policy", "float32"),
    ):
        if received[name] != expected:
            raise InputError(
                f"Keras' {name} is {received[name]!r}; expected {expected!r}; "
                f"set it in keras.json or by keras.config before a network is "
                "built"
            )


def _called(build: Callable[[], keras.Model]) -> keras.Model:
    expected = "expected a function that makes a Keras model"
    if isinstance(build, keras.Model):
        raise InputError(
            f"model '{build.name}' is given in place of what builds it; "
            f"{expected}; give lambda: keras.models.clone_model(model)"
        )
    if not callable(build):
        raise InputError(
            f"a {type(build).__name__} is given as builder; {expected}; "
            "correct the list of builders"
        )
    try:
        model = build()
    except InputError:
        raise
    except PERSONS_ERRORS as error:
        raise InputError(
            f"the builder raised {type(error).__name__} ({one_line(error)}); "
            f"{expected}; correct it"
        ) from error
    if not isinstance(model, keras.Model):
        raise InputError(
            f"the builder returned a {type(model).__name__}; {expected}; "
            "return the model"
        )
    return model


def _tell_what_is_not_used(model: keras.Model) -> None:
    own = [
        name
        for name in ("train_step", "compute_loss")
        if getattr(type(model), name) is not getattr(keras.Model, name)
    ]
    if own:
        logging.warning(
            "Model '%s' has a %s of its own, which is not used: it is trained "
            "on the cross-entropy of its logits.",
            model.name,
            " and a ".join(own),
        )


def _tell_of_shared_statistics(
    model: keras.Model, images: tf.Tensor, calls: list[Call]
) -> None:
    number = collections.Counter(id(layer) for layer, _ in calls)
    if all(times == 1 for times in number.values()):
        return
    moved = moving_statistics(model, images)
    places = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
    shared = [
        repr(layer.name)
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization)
        and number[id(layer)] > 1
        and places[id(layer.moving_mean)] in moved
    ]
    if shared:
        logging.warning(
            "Model '%s' calls %s more than once: in evaluation batch "
            "normalisation goes by the statistics of the last call.",
            model.name,
            ", ".join(shared),
        )


def _check_layers(model: keras.Model) -> None:
    for layer in model._flatten_layers(include_self=True):
        named = f"layer '{layer.name}' ({type(layer).__name__})"
        if getattr(layer, "data_format", None) == "channels_first":
            raise InputError(
                f"{named} has data_format 'channels_first'; expected "
                "'channels_last', as the images are; rebuild the model"
            )
        if getattr(layer, "activity_regularizer", None) is not None or (
            layer._losses
        ):
            raise InputError(
                f"{named} has a loss of its activations; expected losses of "
                "weights alone; take activity_regularizer or add_loss away"
            )
        for variable in layer._trainable_variables:
            if getattr(variable, "constraint", None) is not None:
                raise InputError(
                    f"{named} has a constraint of its {variable.name}; "
                    "expected weights that steps alone change; take the "
                    "constraint away, or use a regularizer"
                )
        is_batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        if is_batch_norm and layer.trainable and layer.momentum == 1:
            raise InputError(
                f"{named} has momentum 1, so that its statistics never move; "
                "expected less; set momentum or trainable=False"
            )
