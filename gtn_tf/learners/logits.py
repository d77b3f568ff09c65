"""The end of a person's network: logits, not probabilities."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

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
    try:
        outputs = model(images, training=False)
        with keras.StatelessScope():
            model(images, training=True)
    except PERSONS_ERRORS as error:
        raise InputError(
            f"model '{model.name}' cannot be called with images {shape} "
            f"({type(error).__name__}: {one_line(error)}); expected a model "
            "of the data's images; rebuild the model"
        ) from error
    if not model.trainable_variables:
        raise InputError(
            f"model '{model.name}' has no weights to train; expected at least "
            "one trainable layer; add one or set trainable"
        )
    expected = (shape[0], num_classes)
    if not tf.is_tensor(outputs) or tuple(outputs.shape) != expected:
        is_tensor = tf.is_tensor(outputs)
        kind = tuple(outputs.shape) if is_tensor else type(outputs).__name__
        raise InputError(
            f"model '{model.name}' maps images {shape} to {kind}; expected "
            f"logits {expected}; rebuild the model"
        )
    if outputs.dtype != tf.float32:
        raise InputError(
            f"model '{model.name}' returns logits of {outputs.dtype.name}; "
            "expected float32, of the last layer at least; give that layer "
            "dtype='float32'"
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
