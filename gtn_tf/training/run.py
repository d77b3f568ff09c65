"""The objects of one meta-training, built new or restored to be used."""

import dataclasses
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.config import validate
from gtn_tf.config.meta_losses import num_meta_losses
from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import device_split
from gtn_tf.learners.functional import own_digests
from gtn_tf.meta.evaluation import fresh_learner_accuracy
from gtn_tf.meta.meta_step import MetaStep, make_meta_step
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.runtime.checkpoints import Checkpoints
from gtn_tf.runtime.cluster import refuse_several_workers
from gtn_tf.runtime.devices import (
    Devices,
    create_devices,
    environment,
    should_jit,
)
from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.runtime.global_switches import configure_runtime
from gtn_tf.runtime.progress import stage
from gtn_tf.runtime.workdir import check_workdir
from gtn_tf.teachers.teacher import Teacher
from gtn_tf.training.assembly import (
    build_meta_optimizer,
    build_problem,
    build_teacher,
    check_learners,
    load_dataset,
)
from gtn_tf.training.own_data import check_own_data
from gtn_tf.types import InputError, SyntheticData


@dataclasses.dataclass(frozen=True)
class Run:
    """The objects of one meta-training.

    Attributes:
      workdir: of its files.
      dataset: without test data.
      devices: that share a meta-step.
      teacher: what is meta-trained.
      meta_step: moves them by one step.
      validate: () -> mean validation accuracy of fresh learners.
      synthesize: () -> the data that the first of those learners sees.
      step: meta-steps done, saved with the checkpoints.
      seconds: of the run so far, resumes included; saved likewise.
      checkpoints: of everything above that changes.
      num_losses: cross-entropies that a meta-loss sums up, None if it varies.
      networks: digests of a person's own learners, by name.
    """

    workdir: Path
    dataset: data.Dataset
    devices: Devices
    teacher: Teacher
    meta_step: MetaStep
    validate: Callable[[], float]
    synthesize: Callable[[], SyntheticData]
    step: tf.Variable
    seconds: tf.Variable
    checkpoints: Checkpoints
    num_losses: int | None
    networks: dict[str, str]


def build_run(
    config: config_dict.ConfigDict, workdir: Path, strategy: str
) -> Run:
    """Builds everything for meta-training; reads the data set.

    Args:
      config: validated.
      workdir: of its files.
      strategy: `strategy`, or what takes its place.

    Raises:
      InputError: bad data or learners, or others than the workdir was begun
        with.
    """
    devices = create_devices(
        strategy,
        config.meta.num_learners,
        config.connect_timeout_seconds,
    )
    # Before the workers wait for each other to create variables.
    check_equal(devices, _checksum(config), "config", "the same command")
    with stage(f"reading {config.dataset.name}"):
        dataset = load_dataset(config)
    check_own_data(dataset, workdir)
    real_train = device_split(dataset, "train")
    problem = build_problem(config, real_train)
    networks = own_digests(problem.learners)
    check_networks(networks, workdir)
    real_validation = device_split(dataset, "validation")
    with devices.scope():
        teacher = build_teacher(config, real_train)
        optimizer = build_meta_optimizer(config, teacher)
    seed = root_seed(config.seed)
    meta_step = make_meta_step(
        teacher,
        problem,
        optimizer,
        devices,
        seed,
        config.meta.num_learners,
        config.inner.rematerialize,
        config.meta.global_clipnorm,
        should_jit(config.jit_compile),
    )

    @tf.function(autograph=False)
    def accuracy_of(learner: tf.Tensor) -> tf.Tensor:
        learner_seed = fold(seed, Purpose.VALIDATION, learner)
        data = teacher.synthesize(teacher.read(), learner_seed)
        return fresh_learner_accuracy(
            problem, data, real_validation, learner_seed
        )

    @tf.function(autograph=False)
    def synthesize() -> SyntheticData:
        return teacher.synthesize(
            teacher.read(), fold(seed, Purpose.VALIDATION, 0)
        )

    step = tf.Variable(0, dtype=tf.int64, name="step")
    seconds = tf.Variable(0.0, dtype=tf.float64, name="seconds")
    saved = {"gtn": teacher, "optimizer": optimizer, "step": step}
    return Run(
        workdir=workdir,
        dataset=dataset,
        devices=devices,
        teacher=teacher,
        meta_step=meta_step,
        validate=lambda: _mean_accuracy(
            accuracy_of, config.meta.validation_num_learners
        ),
        synthesize=synthesize,
        step=step,
        seconds=seconds,
        checkpoints=Checkpoints(
            workdir / "checkpoints",
            {**saved, "seconds": seconds},
            config.checkpoint.max_to_keep,
        ),
        num_losses=num_meta_losses(
            config.inner.num_steps,
            config.inner.meta_loss_every,
            config.inner.truncation_window,
        ),
        networks=networks,
    )


def restore_run(config: config_dict.ConfigDict, workdir: Path) -> Run:
    """Builds a run and restores its newest checkpoint, to use its GTN.

    Raises:
      InputError: bad config, data or workdir, or no GTN in it; or several
        workers, of which this is the work of one.
    """
    validate(config)
    check_learners(config)
    refuse_several_workers(config.strategy)
    no_gtn = InputError(
        f"workdir {str(workdir)!r} holds no GTN; expected one that "
        "--mode=pretrain has filled; run that first or give another --workdir"
    )
    if not (workdir / "config.json").exists():
        raise no_gtn
    check_workdir(config, workdir)
    configure_runtime(config.num_logical_devices, config.tensor_float_32)
    # One learner at a time needs one device, and no other worker.
    run = build_run(config, workdir, "one_device")
    if run.checkpoints.restore_latest() is None:
        raise no_gtn
    return run


def _mean_accuracy(accuracy_of: Callable, num_learners: int) -> float:
    # The same learners at every validation: the curve shows the GTN's change,
    # not the draw's.
    values = [
        float(accuracy_of(tf.constant(learner)))
        for learner in range(num_learners)
    ]
    return float(np.mean(values))


def check_equal(
    devices: Devices, number: int, what: str, expected: str
) -> None:
    """Raises InputError unless all workers bring the same number."""
    numbers = devices.gather(number)
    if len(set(numbers)) > 1:
        raise InputError(
            f"the workers have different {what}s (their numbers: {numbers}); "
            f"expected {expected} on all of them; start all again with that"
        )


def _checksum(config: config_dict.ConfigDict) -> int:
    text = json.dumps(config.to_dict(), sort_keys=True, default=str)
    return zlib.crc32(text.encode())


def write_config(
    config: config_dict.ConfigDict,
    workdir: Path,
    networks: Mapping[str, str] | None = None,
) -> None:
    """Writes config.json, with the environment.

    Args:
      config: what is written.
      workdir: where.
      networks: digests of a person's own learners, by name.
    """
    found = environment()
    if networks:
        found["networks"] = {"keras": keras.__version__, **networks}
    write_json(
        workdir / "config.json", {**config.to_dict(), "environment": found}
    )


def check_networks(networks: Mapping[str, str], workdir: Path) -> None:
    """Refuses functions that make other networks than when it was begun.

    Args:
      networks: digests of a person's own learners, by name.
      workdir: that may have been begun.

    Raises:
      InputError: one is another network.
    """
    path = workdir / "config.json"
    if not networks or not path.exists():
        return
    saved = read_json(path).get("environment", {}).get("networks", {})
    if saved.get("keras") != keras.__version__:  # which may tell more of each
        return
    for name, digest in networks.items():
        if saved.get(name, digest) != digest:
            raise InputError(
                f"learner {name!r} makes another network than the one that "
                f"{str(workdir)!r} was begun with; expected the same layers; "
                "restore the function, or give another --workdir"
            )
