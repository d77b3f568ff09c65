"""What a training of the long protocol is made of."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import device_split
from gtn_tf.layers.initial_values import draw_initial_values, find_initializers
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.evaluation import accuracy
from gtn_tf.retrain.data import training_images
from gtn_tf.retrain.network import Regularization, build_retrain_network
from gtn_tf.retrain.step import (
    Protocol,
    TrainingState,
    make_train_step,
)
from gtn_tf.runtime.devices import Devices, find_devices
from gtn_tf.runtime.run_log import RunLog, find_logs
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.structure import NetworkSize
from gtn_tf.training.assembly import load_dataset, read_spec
from gtn_tf.training.memory import check_memory, network_parts
from gtn_tf.types import InputError, LearnerState


@dataclasses.dataclass(frozen=True)
class RetrainSpec:
    """What a training is told, but for `Protocol`; keys of the config.

    Attributes:
      num_cells: `retrain.num_cells`, N.
      channels: `retrain.channels`, F.
      dropout_keep: `retrain.dropout_keep`.
      drop_path_keep: `retrain.drop_path_keep`.
      use_validation: `retrain.use_validation`.
      checkpoint_every_epochs: `retrain.checkpoint_every_epochs`.
      max_to_keep: `checkpoint.max_to_keep`.
      logs: of `log.tensorboard` and `log.to`.
      precision: `precision`.
    """

    num_cells: int
    channels: int
    dropout_keep: float
    drop_path_keep: float
    use_validation: bool
    checkpoint_every_epochs: int
    max_to_keep: int
    logs: tuple[type[RunLog], ...]
    precision: str


def retrain_spec(config: config_dict.ConfigDict) -> RetrainSpec:
    """Reads what a training is told from a config.

    Raises:
      InputError: as `find_logs`.
    """
    values = {
        **config.retrain,
        "max_to_keep": config.checkpoint.max_to_keep,
        "logs": find_logs(config.log.tensorboard, config.log.to),
        "precision": config.precision,
    }
    return read_spec(RetrainSpec, values)


@dataclasses.dataclass(frozen=True)
class Training:
    """The objects of one training; the next seed's uses them again.

    Attributes:
      spec: what it is told, but for its numbers.
      genotype: what is trained.
      protocol: the numbers.
      dataset: with test data.
      images: what is trained on.
      state: what a step changes.
      train_step: see `retrain_step.make_train_step`.
      accuracy_of: split -> [] accuracy of the network as it is.
      initialize: seed [2] -> None; draws all anew.
      step: steps done, saved with the checkpoints.
      seconds: of the training so far, resumes included; saved likewise.
      devices: that share a batch.
    """

    spec: RetrainSpec
    genotype: Genotype
    protocol: Protocol
    dataset: data.Dataset
    images: data.Split
    state: TrainingState
    train_step: Callable
    accuracy_of: Callable[[str], float]
    initialize: Callable[[tf.Tensor], None]
    step: tf.Variable
    seconds: tf.Variable
    devices: Devices

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of the training images."""
        return len(self.images.images) // self.protocol.batch_size

    @property
    def num_steps(self) -> int:
        """S, of the whole training."""
        return self.protocol.num_epochs * self.steps_per_epoch


def build_training(
    config: config_dict.ConfigDict, genotype: Genotype
) -> Training:
    """Builds everything for a training; reads the data set.

    Raises:
      InputError: a batch that does not suit images or replicas.
    """
    spec = retrain_spec(config)
    dataset = load_dataset(config, with_test=True)
    images = training_images(dataset, spec.use_validation)
    options = config.retrain
    parts = network_parts(
        *("retrain", options.channels, "batch_size", options.batch_size),
        dataset.image_shape,
    )
    check_memory(config, parts)
    devices = find_devices(config.strategy)
    num_replicas = devices.num_replicas
    _check_batch(config.retrain.batch_size, len(images.images), num_replicas)
    # On demand only: what XLA's program of 20 cells costs to build, and what
    # it gains, has not been measured.
    jit = config.jit_compile is True
    protocol = Protocol(
        **{name: config.retrain[name] for name in Protocol._fields}
    )
    with devices.scope():
        state = _build_state(spec, protocol, genotype, dataset)
    steps_per_epoch = len(images.images) // protocol.batch_size
    num_steps = protocol.num_epochs * steps_per_epoch
    step = tf.Variable(0, dtype=tf.int64, name="step")
    seconds = tf.Variable(0.0, dtype=tf.float64, name="seconds")
    return Training(
        spec=spec,
        genotype=genotype,
        protocol=protocol,
        dataset=dataset,
        images=images,
        state=state,
        train_step=make_train_step(
            state,
            protocol,
            dataset,
            devices,
            num_steps,
            jit,
        ),
        accuracy_of=_make_accuracy_of(state.model, dataset),
        initialize=_make_initialize(state, step, seconds),
        step=step,
        seconds=seconds,
        devices=devices,
    )


def _build_state(
    spec: RetrainSpec,
    protocol: Protocol,
    genotype: Genotype,
    dataset: data.Dataset,
) -> TrainingState:
    model = build_retrain_network(
        genotype,
        NetworkSize(
            spec.num_cells,
            spec.channels,
            dataset.image_shape,
            dataset.num_classes,
        ),
        Regularization(
            spec.dropout_keep,
            spec.drop_path_keep,
            protocol.auxiliary_weight > 0,
        ),
        spec.precision,
    )
    return TrainingState(
        model=model,
        velocities=[
            tf.Variable(tf.zeros(v.shape), trainable=False)
            for v in model.trainable_variables
        ],
        totals=tf.Variable(tf.zeros([2]), trainable=False),
    )


def _check_batch(batch_size: int, num_images: int, num_replicas: int) -> None:
    if batch_size > num_images:
        raise InputError(
            f"retrain.batch_size is {batch_size}; expected at most the "
            f"{num_images} training images; set "
            f"--config.retrain.batch_size={num_images}"
        )
    if batch_size % num_replicas:
        raise InputError(
            f"retrain.batch_size is {batch_size} on {num_replicas} replicas; "
            f"expected a multiple of {num_replicas}; set "
            f"--config.retrain.batch_size={num_replicas * 32}, or "
            "--config.strategy=one_device"
        )


def _make_accuracy_of(
    model: keras.Model, dataset: data.Dataset
) -> Callable[[str], float]:
    def apply(*arguments: object, **more: object) -> tuple:
        outputs, statistics = model.stateless_call(*arguments, **more)
        return tf.nest.flatten(outputs)[0], statistics

    learner = Learner(model.name, lambda seed: ([], []), apply)

    @functools.cache
    def measure_of(split: str) -> Callable[[], tf.Tensor]:
        real = device_split(dataset, split)

        @tf.function(autograph=False)
        def measure() -> tf.Tensor:
            params, statistics = (
                [tf.convert_to_tensor(v) for v in variables]
                for variables in (
                    model.trainable_variables,
                    model.non_trainable_variables,
                )
            )
            state = LearnerState(params, statistics, [])
            return accuracy(learner, state, real)

        return measure

    return lambda split: float(measure_of(split)())


def _make_initialize(
    state: TrainingState, step: tf.Variable, seconds: tf.Variable
) -> Callable[[tf.Tensor], None]:
    model = state.model
    initializers = find_initializers(model)

    def initialize(seed: tf.Tensor) -> None:
        # Not traced: each draw is made once, and tracing takes longer.
        drawn = draw_initial_values(model, initializers, seed)
        kinds = (model.trainable_variables, model.non_trainable_variables)
        for variables, values in zip(kinds, drawn, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        for variable in (*state.velocities, state.totals, step, seconds):
            variable.assign(tf.zeros_like(variable))

    return initialize
