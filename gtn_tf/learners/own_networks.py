"""A person's own Keras network, looked at before anything is trained.

What would give a wrong score without a word is put right where that is the
same network, and refused where it is not:

* a softmax at the end is taken away, as losses here take logits; a sigmoid or
  a ReLU there is refused;
* `Rescaling` and `Normalization` at the beginning, and an input of whole
  numbers, give way to the data's own normalisation, with a warning;
* weights of frozen layers keep their values (see `initial_values`), and
  regularisers of weights are part of the loss (see `functional`);
* losses of activations, and images with channels first, are refused.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from gtn_tf.import_paths import import_attribute
from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.types import InputError, one_line

_NUM_PROBES = 64
#: What networks of raw pixels begin with.
_PREPROCESSING = (keras.layers.Rescaling, keras.layers.Normalization)
#: Activations whose outputs are no logits.
_NO_LOGITS = ("sigmoid", "hard_sigmoid", "relu", "relu6", "softplus")


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
    model = _called(build)
    _check_shapes(model, image_shape, num_classes)
    model = _without_preprocessing(model)
    _build_by_a_call(model, image_shape)
    _check_layers(model)
    model = _without_softmax(model)
    _check_outputs(model, image_shape, num_classes)
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
        return from_keras(lambda: model)._replace(name=path)
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
    except Exception as error:  # a person's code may raise anything
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


def _check_shapes(
    model: keras.Model, image_shape: tuple[int, int, int], num_classes: int
) -> None:
    """Checks what a model that knows its inputs says of itself."""
    inputs = getattr(model, "inputs", None)
    if not inputs or not model.built:
        return
    outputs = model.outputs
    if (len(inputs), len(outputs)) != (1, 1):
        raise InputError(
            f"model '{model.name}' has {len(inputs)} inputs and "
            f"{len(outputs)} outputs; expected one of each, images to logits; "
            "rebuild the model"
        )
    received = tuple(inputs[0].shape[1:]), tuple(outputs[0].shape[1:])
    expected = tuple(image_shape), (num_classes,)
    if not all(
        len(r) == len(e)
        and all(a is None or a == b for a, b in zip(r, e, strict=True))
        for r, e in zip(received, expected, strict=True)
    ):
        raise InputError(
            f"model '{model.name}' maps {received[0]} to {received[1]}; "
            f"expected images {expected[0]} to logits ({num_classes},), as "
            "the data are; rebuild the model"
        )


def _without_preprocessing(model: keras.Model) -> keras.Model:
    """Gives a network of raw pixels normalised images instead."""
    leading = _leading_layers(model)
    inputs = getattr(model, "inputs", None) if model.built else None
    dtype = tf.as_dtype(inputs[0].dtype) if inputs else tf.float32
    if not leading and dtype.is_floating:
        return model
    names = ", ".join(f"'{layer.name}'" for layer in leading) or dtype.name
    is_sequential = isinstance(model, keras.Sequential)
    if not inputs or not (is_sequential or hasattr(model, "operations")):
        raise InputError(
            f"model '{model.name}' takes raw pixels ({names}); expected "
            "images in normalised units, as synthetic ones are; take its "
            "preprocessing away"
        )
    try:
        twin = keras.models.clone_model(
            model,
            input_tensors=keras.Input(inputs[0].shape[1:], dtype="float32"),
            clone_function=lambda layer: (
                keras.layers.Identity(name=layer.name)
                if layer in leading
                else type(layer).from_config(layer.get_config())
            ),
        )
    except Exception as error:  # a layer without a config may raise anything
        raise InputError(
            f"model '{model.name}' takes raw pixels ({names}) and cannot be "
            f"copied without ({type(error).__name__}: {one_line(error)}); "
            "expected images in normalised units; take its preprocessing away"
        ) from error
    for layer in _working_layers(model):
        if layer not in leading:
            twin.get_layer(layer.name).set_weights(layer.get_weights())
    logging.warning(
        "Model '%s' takes raw pixels (%s): it is given images that the data's "
        "own mean and standard deviation normalise instead.",
        model.name,
        names,
    )
    return twin


def _working_layers(model: keras.Model) -> list[keras.layers.Layer]:
    is_input = keras.layers.InputLayer
    return [layer for layer in model.layers if not isinstance(layer, is_input)]


def _leading_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers of `_PREPROCESSING` that a network begins with."""
    found = []
    for layer in _working_layers(model):
        if not isinstance(layer, _PREPROCESSING):
            break
        found.append(layer)
    return found


def _build_by_a_call(
    model: keras.Model, image_shape: tuple[int, int, int]
) -> None:
    """Builds a subclassed model, which has no weights before its first call."""
    try:
        model(tf.zeros((2, *image_shape)), training=False)
    except Exception as error:
        raise InputError(
            f"model '{model.name}' cannot be called with images "
            f"(2, {', '.join(map(str, image_shape))}) "
            f"({type(error).__name__}: {one_line(error)}); expected a model "
            "of the data's images; rebuild the model"
        ) from error
    if not model.trainable_variables:
        raise InputError(
            f"model '{model.name}' has no weights to train; expected at least "
            "one trainable layer; add one or set trainable"
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
        is_batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        if is_batch_norm and layer.trainable and layer.momentum == 1:
            raise InputError(
                f"{named} has momentum 1, so that its statistics never move; "
                "expected less; set momentum or trainable=False"
            )


def _without_softmax(model: keras.Model) -> keras.Model:
    """Takes a softmax at the end away; refuses what else gives no logits."""
    if not getattr(model, "outputs", None):
        return model
    last, owner = _last_operation(model), model
    while isinstance(last, keras.Model):
        owner, last = last, _last_operation(last)
    activation = getattr(last, "activation", None)
    name = getattr(activation, "__name__", "")
    if isinstance(last, keras.layers.Softmax):
        if owner is not model:
            raise InputError(
                f"layer '{last.name}' of '{owner.name}' is a softmax at the "
                "end; expected logits; take it away"
            )
        return keras.Model(model.inputs[0], last.input, name=model.name)
    if name == "softmax":
        last.activation = keras.activations.linear
    elif name in _NO_LOGITS or isinstance(last, keras.layers.ReLU):
        raise InputError(
            f"layer '{last.name}' ends the network with "
            f"{name or type(last).__name__}; expected logits, which may be "
            "any number; end with a Dense layer without activation"
        )
    return model


def _last_operation(model: keras.Model) -> Any:
    return model.outputs[0]._keras_history.operation


def _check_outputs(
    model: keras.Model,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> None:
    """Looks at the outputs of one batch, where layers tell nothing."""
    images = np.random.default_rng(0).normal(size=(_NUM_PROBES, *image_shape))
    outputs = model(tf.constant(images, tf.float32), training=False)
    if not tf.is_tensor(outputs) or outputs.shape != (
        _NUM_PROBES,
        num_classes,
    ):
        shape = getattr(outputs, "shape", f"a {type(outputs).__name__}")
        raise InputError(
            f"model '{model.name}' returns {shape} for {_NUM_PROBES} images; "
            f"expected logits ({_NUM_PROBES}, {num_classes}); rebuild the model"
        )
    values = outputs.numpy().astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(
            f"model '{model.name}' returns values that are not finite before "
            "it is trained; expected logits; correct the model"
        )
    if values.min() >= 0 and values.max() > 0:
        is_share = np.allclose(values.sum(axis=1), 1, atol=1e-3)
        seen = "probabilities" if is_share else "no number below 0"
        raise InputError(
            f"model '{model.name}' returns {seen}, as after softmax, sigmoid "
            "or ReLU; expected logits; end with a Dense layer without "
            "activation"
        )
