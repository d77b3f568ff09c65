"""Learners: Keras models run as pure functions of their parameters.

The inner loop sees `Learner(init, apply)` and cannot tell a family of the
paper from a user's own model.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from gtn_tf.layers.initial_values import draw_initial_values, find_initializers
from gtn_tf.learners.second_order import (
    swap_second_order,
    swap_strided_pointwise,
)
from gtn_tf.ops.seeds import (
    ALGORITHM,
    Purpose,
    fold,
)
from gtn_tf.types import InputError

Params = list[tf.Tensor]


class Learner(NamedTuple):
    """A pure pair of functions.

    Attributes:
      name: for messages.
      init: seed [2] -> (params, statistics), fresh.
      apply: (params, statistics, images [B, H, W, C], training) ->
        (logits [B, K], statistics).
      penalty: params -> what the layers' regularisers add to the inner loss;
        None where there are none.
      batch_statistics: places in statistics of what is measured on real
        images, unlabelled, before the learner is asked in an evaluation.
      digest: of a person's own network, whose name may come to stand for
        another one; see `learners.identity`. Else "".
    """

    name: str
    init: Callable[[tf.Tensor], tuple[Params, Params]]
    apply: Callable[..., tuple[tf.Tensor, Params]]
    penalty: Callable[[Params], tf.Tensor] | None = None
    batch_statistics: tuple[int, ...] = ()
    digest: str = ""


def own_digests(learners: Iterable[Learner]) -> dict[str, str]:
    """Returns the digests of a person's own networks, by name."""
    return {one.name: one.digest for one in learners if one.digest}


def from_keras(
    build_model: Callable[[], keras.Model], second_order: bool = True
) -> Learner:
    """Makes a learner of any Keras model that maps images to logits.

    Args:
      build_model: called once; its initial values are not used, the layers'
        initializers are; frozen layers keep theirs.
      second_order: make layers that are wrong in meta-training right, within
        the model, or refuse them. False where only first order is needed, as
        in ranking.

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
        swap_second_order(model)
    swap_strided_pointwise(model)
    return as_learner(model.name, model)


def as_learner(
    name: str,
    model: keras.Model,
    draw_masks: Callable[[tf.Tensor], list[tf.Tensor]] | None = None,
) -> Learner:
    """Makes a learner of a built model.

    Args:
      name: of the learner.
      model: [B, H, W, C] -> [B, K].
      draw_masks: seed [2] -> the values of the model's `WidthMask`s.

    Raises:
      InputError: an initializer cannot be found.
    """
    initializers = find_initializers(model)

    def init(seed: tf.Tensor) -> tuple[Params, Params]:
        masks = None
        if draw_masks is not None:
            masks = draw_masks(fold(seed, Purpose.WIDTHS))
        return draw_initial_values(
            model, initializers, fold(seed, Purpose.WEIGHTS), masks
        )

    return Learner(name, init, stateless_apply(model), _penalty(model))


def stateless_apply(model: keras.Model) -> Callable[..., Any]:
    """Returns the `Learner.apply` of a built model."""
    # `stateless_call` runs `call` itself: layers that a person's `call` does
    # not tell whether they train are told by `__call__` alone, and so are those
    # of what has no such argument.
    calls_as_keras = type(model).call.__module__.startswith("keras.")
    hands_on_training = calls_as_keras and all(
        layer._call_has_training_arg
        for layer in model._flatten_layers()
        if layer._layers
    )

    def apply(
        params: Params, statistics: Params, images: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, Params]:
        if hands_on_training:
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

    return apply


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
