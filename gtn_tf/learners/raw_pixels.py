"""Networks of raw pixels: their preprocessing gives way to the data's own.

Synthetic images are in normalised units. So an input of whole numbers becomes
one of floats, and the layers that rescale or normalise what the network is
given hand it on, wherever in the model they are written. What else rescales the
images (an operator, a Lambda, code of a subclass) is seen by what the first
weights are given, and refused, as is augmentation of pixel values, or of images
without their labels.
"""

import contextlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from gtn_tf.learners.undoing import change, changes_undone
from gtn_tf.types import PERSONS_ERRORS, InputError, one_line

_PREPROCESSING = (keras.layers.Rescaling, keras.layers.Normalization)
#: Of what the first weights are given, by images of about 1.
_SCALES = (0.05, 20.0)
_MOST_SHIFT = 10.0
_NUM_IMAGES = 16
#: These change labels too, which a network does not see.
_OF_LABELS = ("CutMix", "MixUp")


#: A layer, and what it is given.
Call = tuple[keras.layers.Layer, tf.Tensor]


class _Watched:
    """Remembers what it is given, and that it was called."""

    seen: list[Call]

    def call(self, inputs: tf.Tensor, *args: Any, **more: Any) -> Any:
        self.seen.append((self, inputs))
        return super().call(inputs, *args, **more)


class _Passing:
    """Hands on what it is given."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.cast(inputs, self.compute_dtype)


def without_preprocessing(
    model: keras.Model, image_shape: tuple[int, int, int]
) -> keras.Model:
    """Gives a network of raw pixels normalised images instead.

    Raises:
      InputError: the network cannot be changed so, or augments pixels.
    """
    model, names = _of_floats(model)
    _refuse_augmentation(model)
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, _PREPROCESSING)
    ]
    names += [f"'{layer.name}'" for layer in _pass(model, layers, image_shape)]
    if names:
        logging.warning(
            "Model '%s' takes raw pixels (%s): it is given images that the "
            "data's own mean and standard deviation normalise instead.",
            model.name,
            ", ".join(names),
        )
    return model


def watch_calls(
    model: keras.Model, image_shape: tuple[int, int, int]
) -> list[Call]:
    """Calls a model with images of mean 0 and standard deviation 1.

    Returns:
      Layers that hold weights or statistics, and what each call gives them, in
      their order.
    """
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if (layer._trainable_variables and not layer._layers)
        or isinstance(layer, keras.layers.BatchNormalization)
    ]
    rng = np.random.default_rng(0)
    # Pooling leaves the scale of a plane as it is.
    images = rng.normal(size=(_NUM_IMAGES, 1, 1, 1)) + rng.normal(
        size=(_NUM_IMAGES, *image_shape)
    )
    images = (images / np.sqrt(2)).astype(np.float32)
    seen: list[Call] = []
    with changes_undone():
        for layer in layers:
            cls = type(layer)
            watched = type(cls.__name__, (_Watched, cls), {"seen": seen})
            change(layer, "__class__", watched)
        model(tf.constant(images), training=False)
    return seen


def check_scale(calls: list[Call]) -> None:
    """Looks at what the first weights are given; calls are of `watch_calls`.

    Raises:
      InputError: pixels are rescaled there.
    """
    of_images = [
        (layer, given.numpy().astype(np.float32))
        for layer, given in calls
        # Not positions, for instance, which some layers are given.
        if layer._trainable_variables
        and tf.is_tensor(given)
        and given.dtype.is_floating
        and given.shape[:1] == (_NUM_IMAGES,)
    ]
    if not of_images:
        return
    layer, values = of_images[0]
    scale = float(np.std(values))
    means = np.abs(values.mean(axis=tuple(range(values.ndim - 1))))
    shift = float(means.max())
    is_shifted = shift > max(_MOST_SHIFT, 3 * scale)
    if is_shifted or not _SCALES[0] < scale < _SCALES[1]:
        raise InputError(
            f"layer '{layer.name}' ({type(layer).__name__}) is given images of "
            f"standard deviation {scale:.2g} and means of up to {shift:.2g}; "
            "expected about 1 and 0, as images are normalised already; take "
            "the rescaling out of the network, or make it a "
            "keras.layers.Rescaling right after the input"
        )


def _pass(
    model: keras.Model,
    layers: list[keras.layers.Layer],
    image_shape: tuple[int, int, int],
) -> list[keras.layers.Layer]:
    """Lets those layers pass that are given the images; returns them."""
    # Some may be passing already, of a network that two builders share.
    layers = [layer for layer in layers if not isinstance(layer, _Passing)]
    if not layers:
        return []
    images = np.random.default_rng(0).normal(size=(2, *image_shape))
    images = images.astype(np.float32)
    before = [type(layer) for layer in layers]
    seen: list[Call] = []
    for layer, cls in zip(layers, before, strict=True):
        watched = (_Watched, _Passing, cls)
        change(layer, "__class__", type(cls.__name__, watched, {"seen": seen}))
    with contextlib.suppress(Exception):  # it is said at the next call
        model(tf.constant(images), training=False)
    given = {id(layer): inputs for layer, inputs in seen}
    found = []
    for layer, cls in zip(layers, before, strict=True):
        is_first = _is_equal(given.get(id(layer)), images)
        found += [layer] * is_first
        passing = type(cls.__name__, (_Passing, cls), {})
        change(layer, "__class__", passing if is_first else cls)
    return found


def _is_equal(given: tf.Tensor | None, images: np.ndarray) -> bool:
    if given is None or not hasattr(given, "numpy"):
        return False
    # Within a model of half precision they are rounded.
    given = given.numpy().astype(np.float32)
    return given.shape == images.shape and np.allclose(given, images, 1e-2)


def _of_floats(model: keras.Model) -> tuple[keras.Model, list[str]]:
    """Copies a model of whole numbers; returns the type that it took too."""
    inputs = getattr(model, "inputs", None) if model.built else None
    if not inputs or tf.as_dtype(inputs[0].dtype).is_floating:
        return model, []
    name = tf.as_dtype(inputs[0].dtype).name
    images = keras.Input(inputs[0].shape[1:], dtype="float32")
    try:
        twin = keras.models.clone_model(
            model,
            input_tensors=images,
            clone_function=lambda layer: type(layer).from_config(
                layer.get_config()
            ),
        )
        twin.set_weights(model.get_weights())
    except PERSONS_ERRORS as error:
        raise InputError(
            f"model '{model.name}' takes raw pixels ({name}) and cannot be "
            f"copied without ({type(error).__name__}: {one_line(error)}); "
            "expected images in normalised units; take its preprocessing away"
        ) from error
    return twin, [name]


def _refuse_augmentation(model: keras.Model) -> None:
    for layer in model._flatten_layers(include_self=False):
        kind = type(layer).__name__
        is_of_labels = kind in _OF_LABELS
        if is_of_labels or hasattr(layer, "value_range"):
            reason = (
                "mixes images without their labels"
                if is_of_labels
                else f"expects pixels in {tuple(layer.value_range)}"
            )
            raise InputError(
                f"layer '{layer.name}' ({kind}) {reason}; expected a network "
                "of images in normalised units; take it out of the network"
            )
