"""The statistics of Keras' batch normalisation, settled after a short training.

Keras moves them by 1 - momentum a step: after ten steps of momentum 0.99 they
are nine tenths what they were before the first. Here they are measured anew,
with the weights at the end of the training: the mean over its batches of each
batch's mean and variance (Wu & Johnson 2021, "PreciseBN"), whatever the
momentum is.
"""

import functools
from collections.abc import Callable, Iterable

import keras
import tensorflow as tf

from gtn_tf.learners.functional import Learner
from gtn_tf.learners.undoing import change
from gtn_tf.types import LearnerState, SyntheticData


def moving_statistics(
    model: keras.Model, images: tf.Tensor
) -> dict[int, float]:
    """Returns {place in `model.non_trainable_variables`: momentum}.

    They are those that a training step moves: not of frozen layers, nor of
    layers that the network never calls, or asks not to train.

    Args:
      model: built.
      images: any that it can be called with, [B, H, W, C].
    """
    with keras.StatelessScope() as scope:
        model(images, training=True)
    places = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
    return {
        places[id(variable)]: layer.momentum
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built
        for variable in (layer.moving_mean, layer.moving_variance)
        if id(variable) in scope.state_mapping
    }


def change_momenta(model: keras.Model) -> None:
    """Takes the momentum of batch normalisation away; see `undoing`.

    What is measured then has the same bits for any, and of a layer that is
    called twice the last call counts.
    """
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            change(layer, "momentum", 0.0)


def settle_statistics(
    learner: Learner,
    moving: dict[int, float],
    state: LearnerState,
    batches: Iterable[SyntheticData],
    measure: Callable[..., list[tf.Tensor]] | None = None,
) -> LearnerState:
    """Returns the state with the mean statistics of the batches.

    Args:
      learner: of a Keras model.
      moving: from `moving_statistics`; momenta below 1.
      state: at the end of a training.
      batches: what it was trained on, step by step.
      measure: from `batch_measure`, where several states are settled.
    """
    if not moving:
        return state
    if measure is None:
        measure = batch_measure(learner, moving)
    measured = [
        measure(state.params, state.statistics, data.images) for data in batches
    ]
    statistics = list(state.statistics)
    for number, place in enumerate(moving):
        values = [of_batch[number] for of_batch in measured]
        statistics[place] = tf.add_n(values) / len(values)
    return state._replace(statistics=statistics)


def batch_measure(
    learner: Learner, moving: dict[int, float]
) -> Callable[..., list[tf.Tensor]]:
    """Returns (params, statistics, images) -> a batch's statistics, traced."""
    return tf.function(
        functools.partial(_of_batch, learner, moving), autograph=False
    )


def _of_batch(
    learner: Learner,
    moving: dict[int, float],
    params: list[tf.Tensor],
    statistics: list[tf.Tensor],
    images: tf.Tensor,
) -> list[tf.Tensor]:
    """Returns the statistics of a batch alone, in the order of `moving`."""
    # From zero, one step leaves (1 - momentum) times the batch's; where a
    # layer is called twice, only without momentum: the last call's.
    empty = list(statistics)
    for place in moving:
        empty[place] = tf.zeros_like(empty[place])
    _, after = learner.apply(params, empty, images, training=True)
    return [after[place] / (1.0 - m) for place, m in moving.items()]


def always_in_training(learner: Learner) -> Learner:
    """Returns a learner that is in training whenever it is asked.

    So it normalises by the images that it is asked about: for networks in
    which nothing else asks whether they are in training.
    """

    def apply(
        params: list[tf.Tensor],
        statistics: list[tf.Tensor],
        images: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        del training
        return learner.apply(params, statistics, images, training=True)

    return learner._replace(apply=apply)


def normalizing_by_the_batch(
    learner: Learner, moving: dict[int, float]
) -> Learner:
    """Returns a learner that in evaluation asks its images for statistics.

    Those that it has moved are left aside: it normalises by the mean and the
    variance of the images whose logits are asked for, as in training, while
    all else is as in evaluation.

    Args:
      learner: of a Keras model.
      moving: from `moving_statistics`; momenta below 1.
    """
    if not moving:
        return learner

    def apply(
        params: list[tf.Tensor],
        statistics: list[tf.Tensor],
        images: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        if training:
            return learner.apply(params, statistics, images, training=True)
        values = _of_batch(learner, moving, params, statistics, images)
        found = list(statistics)
        for place, value in zip(moving, values, strict=True):
            found[place] = value
        return learner.apply(params, found, images, training=False)

    return learner._replace(apply=apply)
