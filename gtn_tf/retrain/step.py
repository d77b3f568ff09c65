"""One training step of the long protocol, on all replicas.

SGD as PyTorch's, which NAO and the official code use: the gradient is clipped
by its global norm, then weight decay * parameter is added to it, of every
parameter, those of batch normalisation and biases included; momentum as in
`inner_optimizers`, so that a new rate scales all of the velocity (Keras' does
not, and its weight decay bypasses the momentum).

* The rate is a cosine from the first epoch's to 0, in steps of one epoch (NAO).
* Batch normalisation takes the statistics of each replica's part of the batch,
  as PyTorch's DataParallel does; running ones are averaged over replicas.
  Hence the number of replicas is part of what a result depends on.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from gtn_tf.datasets.loading import Dataset
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.ops.seeds import fold
from gtn_tf.retrain.data import prepare_images
from gtn_tf.retrain.drop_path import dropout_layers, dropout_values
from gtn_tf.runtime.devices import Devices


class Protocol(NamedTuple):
    """The numbers of a training; see the config keys `retrain.*`."""

    num_epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    global_clipnorm: float
    auxiliary_weight: float
    cutout: int


class TrainingState(NamedTuple):
    """All that a training step changes, variables of the strategy's scope.

    Attributes:
      model: its parameters and running statistics.
      velocities: one per trained parameter.
      totals: [2], loss times images and right answers, of this epoch so far.
    """

    model: keras.Model
    velocities: list[tf.Variable]
    totals: tf.Variable


def epoch_learning_rate(
    first_learning_rate: float, epoch: int, num_epochs: int
) -> float:
    """Returns the rate of an epoch, counted from 0: half a cosine to 0."""
    return (
        0.5 * first_learning_rate * (1 + math.cos(math.pi * epoch / num_epochs))
    )


def decayed_gradients(
    gradients: Sequence[tf.Tensor],
    params: Sequence[tf.Tensor],
    global_clipnorm: float,
    weight_decay: float,
) -> list[tf.Tensor]:
    """Clips by the global norm, then adds weight decay * parameter."""
    clipped, _ = tf.clip_by_global_norm(gradients, global_clipnorm)
    return [g + weight_decay * p for g, p in zip(clipped, params, strict=True)]


def classification_loss(
    logits: Sequence[tf.Tensor], label_ids: tf.Tensor, auxiliary_weight: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the loss that is descended, and that of the logits alone.

    Args:
      logits: one or two [B, K]; the second is the auxiliary head's.
      label_ids: [B] int32.
      auxiliary_weight: of the second's mean cross-entropy.
    """
    losses = [
        tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(label_ids, x)
        )
        for x in logits
    ]
    return losses[0] + sum(auxiliary_weight * x for x in losses[1:]), losses[0]


def make_train_step(
    state: TrainingState,
    protocol: Protocol,
    dataset: Dataset,
    devices: Devices,
    num_steps: int,
    jit: bool = False,
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the traced function of one step.

    Args:
      state: what it changes.
      protocol: the numbers.
      dataset: for its normalisation and augmentation; no image is read.
      devices: their replicas share a batch; B must be divisible by them.
      num_steps: S, of the whole training.
      jit: compile the pure part with XLA.

    Returns:
      (images [B, H, W, C] uint8, label_ids [B] int32, step [] int32 from 0,
      learning_rate [] float32, seed [2] int32) -> None.
    """
    num_local = protocol.batch_size // devices.num_replicas
    model = state.model
    others = model.non_trainable_variables
    drawn = {id(v) for layer in dropout_layers(model) for v in layer.weights}
    statistics_variables = [v for v in others if id(v) not in drawn]
    update = SGD.update

    @tf.function(jit_compile=jit or None, autograph=False)
    def pure(
        params: list[tf.Tensor],
        statistics: list[tf.Tensor],
        images: tf.Tensor,
        label_ids: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple:
        images = prepare_images(images, fold(seed, 0), dataset, protocol.cutout)
        with tf.GradientTape() as tape:
            tape.watch(params)
            outputs, after = model.stateless_call(
                params, statistics, images, training=True
            )
            logits = tf.nest.flatten(outputs)
            descended, shown = classification_loss(
                logits, label_ids, protocol.auxiliary_weight
            )
        right = tf.argmax(logits[0], -1, tf.int32) == label_ids
        share = tf.reduce_mean(tf.cast(right, tf.float32))
        kept = [
            x for v, x in zip(others, after, strict=True) if id(v) not in drawn
        ]
        return tape.gradient(descended, params), kept, [shown, share]

    def on_replica(
        images: tf.Tensor,
        label_ids: tf.Tensor,
        step: tf.Tensor,
        learning_rate: tf.Tensor,
        seed: tf.Tensor,
    ) -> None:
        index = devices.replica_index()
        first = index * num_local
        shape = [num_local, *dataset.image_shape]
        seed = fold(seed, step, index)
        ramp = tf.cast(step + 1, tf.float32) / num_steps
        given = dropout_values(model, fold(seed, 1), ramp)
        params = _read(model.trainable_variables)
        found = pure(
            params,
            [given.get(id(v), _read([v])[0]) for v in others],
            tf.ensure_shape(images[first : first + num_local], shape),
            tf.ensure_shape(label_ids[first : first + num_local], shape[:1]),
            seed,
        )
        gradients, statistics, shown = devices.mean(found)
        params, velocities = update(
            decayed_gradients(
                gradients,
                params,
                protocol.global_clipnorm,
                protocol.weight_decay,
            ),
            params,
            _read(state.velocities),
            {"learning_rate": learning_rate, "momentum": protocol.momentum},
        )
        totals = state.totals + tf.stack(shown) * float(protocol.batch_size)
        devices.assign(model.trainable_variables, params)
        devices.assign(state.velocities, velocities)
        devices.assign(statistics_variables, statistics)
        devices.assign([state.totals], [totals])

    return tf.function(
        lambda *arguments: devices.run(on_replica, *arguments),
        input_signature=[
            tf.TensorSpec(
                [protocol.batch_size, *dataset.image_shape], tf.uint8
            ),
            tf.TensorSpec([protocol.batch_size], tf.int32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.float32),
            tf.TensorSpec([2], tf.int32),
        ],
        autograph=False,
    )


def _read(variables: Sequence) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(v) for v in variables]
