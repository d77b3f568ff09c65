"""The end of a person's network: logits, not probabilities."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.learners.undoing import change
from gtn_tf.types import PERSONS_ERRORS, InputError, one_line

_NUM_PROBES = 64
#: Activations whose outputs are no logits: they have a limit.
_NO_LOGITS = (
    *("sigmoid", "hard_sigmoid", "relu", "relu6", "softplus", "exponential"),
    *("tanh", "hard_tanh", "softsign", "elu", "selu", "celu"),
)


def without_softmax(model: keras.Model) -> keras.Model:
    """Takes a softmax at the end away.

    Raises:
      InputError: something else at the end gives no logits.
    """
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
        change(last, "activation", keras.activations.linear)
    elif name in _NO_LOGITS or isinstance(last, keras.layers.ReLU):
        raise InputError(
            f"layer '{last.name}' ends the network with "
            f"{name or type(last).__name__}; expected logits, which may be "
            "any number; end with a Dense layer without activation"
        )
    return model


def _last_operation(model: keras.Model) -> Any:
    return model.outputs[0]._keras_history.operation


def probe(image_shape: tuple[int, int, int]) -> tf.Tensor:
    """Returns random images, [N, H, W, C] float32 in normalised units."""
    images = np.random.default_rng(0).normal(size=(_NUM_PROBES, *image_shape))
    return tf.constant(images, tf.float32)


def check_mapping(
    model: keras.Model, images: tf.Tensor, num_classes: int
) -> None:
    """Calls a model, which builds a subclassed one.

    Raises:
      InputError: it cannot be called with images [N, H, W, C], or returns
        something else than [N, K].
    """
    shape = tuple(images.shape)
    outputs = _called(model, images, training=False)
    if not model.trainable_variables:
        raise InputError(
            f"model '{model.name}' has no weights to train; expected at least "
            "one trainable layer; add one or set trainable"
        )
    expected = (shape[0], num_classes)
    if not tf.is_tensor(outputs) or tuple(outputs.shape) != expected:
        raise InputError(
            f"model '{model.name}' maps images {shape} to "
            f"{_shape_of(outputs)}; expected logits {expected}; rebuild the "
            "model"
        )
    if outputs.dtype != tf.float32:
        raise InputError(
            f"model '{model.name}' returns logits of {outputs.dtype.name}; "
            "expected float32, of the last layer at least; give that layer "
            "dtype='float32'"
        )


def _called(model: keras.Model, images: tf.Tensor, training: bool) -> Any:
    try:
        return model(images, training=training)
    except PERSONS_ERRORS as error:
        raise InputError(
            f"model '{model.name}' cannot be called with images "
            f"{tuple(images.shape)} ({type(error).__name__}: "
            f"{one_line(error)}); expected a model of the data's images; "
            "rebuild the model"
        ) from error


def check_training(
    model: keras.Model, images: tf.Tensor, num_classes: int
) -> None:
    """Calls a model with images [N, H, W, C] as in training, twice.

    Raises:
      InputError: it cannot be called, or a step, which is a function of its
        variables, would lose or not decide what it does.
    """
    with keras.StatelessScope(collect_losses=True) as scope:
        first = _called(model, images, training=True)
    _check_what_is_left(model, scope)
    with keras.StatelessScope():
        second = _called(model, images, training=True)
    kind, expected = _shape_of(first), (len(images), num_classes)
    if kind != expected:
        raise InputError(
            f"model '{model.name}' returns {kind} in training; expected logits "
            f"{expected} as in evaluation; take other outputs away"
        )
    if not np.allclose(first, second, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise InputError(
            f"model '{model.name}' has other outputs at each call in training; "
            "expected random numbers that its variables decide; draw by "
            "keras.random with a keras.random.SeedGenerator"
        )


def _shape_of(outputs: Any) -> Any:
    is_tensor = tf.is_tensor(outputs)
    return tuple(outputs.shape) if is_tensor else type(outputs).__name__


def _check_what_is_left(
    model: keras.Model, scope: keras.StatelessScope
) -> None:
    if scope.losses:
        raise InputError(
            f"model '{model.name}' adds a loss in training; expected losses of "
            "weights alone; take add_loss away"
        )
    # Metrics count what they are shown, and change no output.
    known = {
        id(variable)
        for variable in (
            *model.non_trainable_variables,
            *model.metrics_variables,
        )
    }
    if not scope.state_mapping.keys() - known:
        return
    owners = [
        layer
        for layer in model._flatten_layers()
        for variable in layer._trainable_variables
        if id(variable) in scope.state_mapping
    ]
    if owners:
        layer = owners[0]
        raise InputError(
            f"layer '{layer.name}' ({type(layer).__name__}) sets its weights "
            "in training; expected weights that steps alone change; use "
            "another layer"
        )
    raise InputError(
        f"model '{model.name}' changes in training what is not among its "
        "variables, such as Keras' own generator of random numbers; expected "
        "layers that hold what they change; give those that draw a "
        "keras.random.SeedGenerator"
    )


def check_logits(model: keras.Model, images: tf.Tensor) -> None:
    """Looks at the outputs for images [N, H, W, C], as layers may not tell.

    Raises:
      InputError: they are not finite, or are never below 0.
    """
    values = model(images, training=False).numpy().astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(
            f"model '{model.name}' returns values that are not finite before "
            "it is trained; expected logits; correct the model"
        )
    if values.min() < 0 or values.max() == 0:
        return
    # Few classes can have logits above 0 by chance; those of negated weights
    # are below it then.
    last = [
        v for v in model.trainable_variables if v.shape[-1] == len(values.T)
    ]
    with keras.StatelessScope([(v, -v.value) for v in last]):
        negated = model(images, training=False).numpy()
    if negated.min() >= 0:
        is_share = np.allclose(values.sum(axis=1), 1, atol=1e-3)
        seen = "probabilities" if is_share else "no number below 0"
        raise InputError(
            f"model '{model.name}' returns {seen}, as after softmax, sigmoid "
            "or ReLU; expected logits; end with a Dense layer without "
            "activation"
        )
