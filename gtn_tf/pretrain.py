"""The outer loop: meta-trains a GTN, and survives being stopped.

Order of every meta-step: step, check that it is finite, log, validate, save.
Everything random derives from (seed, meta-step), so that a resumed run goes on
bit for bit as if it had not been stopped.

Of several workers the chief alone writes files and validates. The others take
the same meta-steps, and wait for it where all agree to stop.
"""

import contextlib
import copy
import dataclasses
import json
import math
import signal
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf import data, figures, plots
from gtn_tf.assembly import (
    build_gtn,
    build_meta_optimizer,
    build_problem,
    check_learners,
    load_dataset,
)
from gtn_tf.checkpoints import (
    Checkpoints,
    check_workdir,
    claim_workdir,
    write_json,
)
from gtn_tf.cluster import (
    has_several_workers,
    is_chief,
    refuse_several_workers,
)
from gtn_tf.config import validate
from gtn_tf.distribution import (
    Devices,
    configure_runtime,
    create_devices,
    environment,
    naming_lost_workers,
    should_jit,
)
from gtn_tf.evaluation import fresh_learner_accuracy
from gtn_tf.gtn import GTN, SyntheticData
from gtn_tf.interrupts import catch_signals, exit_code
from gtn_tf.meta_step import MetaStep, make_meta_step
from gtn_tf.metrics import (
    MetricsLog,
    Progress,
    TensorBoardLog,
    read_rows,
    say,
)
from gtn_tf.real_batches import device_split
from gtn_tf.seeds import Purpose, fold, root_seed
from gtn_tf.types import DivergenceError, InputError


@dataclasses.dataclass(frozen=True)
class Run:
    """The objects of one meta-training.

    Attributes:
      config: validated.
      dataset: without test data.
      devices: that share a meta-step.
      gtn: the meta-parameters.
      meta_step: moves them by one step.
      validate: () -> mean validation accuracy of fresh learners.
      synthesize: () -> the data that the first of those learners sees.
      step: meta-steps done, saved with the checkpoints.
      seconds: of the run so far, resumes included; saved likewise.
      checkpoints: of everything above that changes.
    """

    config: config_dict.ConfigDict
    dataset: data.Dataset
    devices: Devices
    gtn: GTN
    meta_step: MetaStep
    validate: Callable[[], float]
    synthesize: Callable[[], SyntheticData]
    step: tf.Variable
    seconds: tf.Variable
    checkpoints: Checkpoints


def pretrain(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Meta-trains, resuming where the workdir has a checkpoint.

    Returns:
      The exit code: 0, or 128 + the number of the signal that stopped it.

    Raises:
      InputError: bad config, data or workdir.
      DivergenceError: the meta-loss or its gradient is not finite.
      LostWorkerError: another worker is gone.
    """
    validate(config)
    check_learners(config)
    with contextlib.ExitStack() as stack:
        if is_chief(config.strategy):
            stack.enter_context(claim_workdir(workdir))
        if has_several_workers(config.strategy):
            stack.enter_context(naming_lost_workers())
        caught = stack.enter_context(catch_signals())
        check_workdir(config, workdir)
        configure_runtime(config.num_logical_devices, config.tensor_float_32)
        run = build_run(config, workdir)
        restored = run.checkpoints.restore_latest()
        done = int(run.step.numpy())
        _check_equal(run.devices, done, "checkpoint", "one shared --workdir")
        if run.devices.is_chief:
            write_config(config, workdir)
            if restored is not None:
                say(f"resumed at meta-step {done} of {config.meta.num_steps}")
        return _train(run, workdir, done, caught)


def build_run(config: config_dict.ConfigDict, workdir: Path) -> Run:
    """Builds everything for meta-training; reads the data set."""
    devices = create_devices(
        config.strategy,
        config.meta.num_learners,
        config.connect_timeout_seconds,
    )
    # Before the workers wait for each other to create variables.
    _check_equal(devices, _checksum(config), "config", "the same command")
    dataset = load_dataset(config)
    real_train = device_split(dataset, "train")
    problem = build_problem(config, real_train)
    real_validation = device_split(dataset, "validation")
    with devices.scope():
        gtn = build_gtn(config, real_train)
        optimizer = build_meta_optimizer(config, gtn)
    seed = root_seed(config.seed)
    meta_step = make_meta_step(
        gtn,
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
        data = gtn.synthesize(gtn.read(), learner_seed)
        return fresh_learner_accuracy(
            problem, data, real_validation, learner_seed
        )

    @tf.function(autograph=False)
    def synthesize() -> SyntheticData:
        return gtn.synthesize(gtn.read(), fold(seed, Purpose.VALIDATION, 0))

    step = tf.Variable(0, dtype=tf.int64, name="step")
    seconds = tf.Variable(0.0, dtype=tf.float64, name="seconds")
    saved = {"gtn": gtn, "optimizer": optimizer, "step": step}
    return Run(
        config=config,
        dataset=dataset,
        devices=devices,
        gtn=gtn,
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
    config = copy.deepcopy(config)
    config.strategy = "one_device"
    run = build_run(config, workdir)
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


def _train(run: Run, workdir: Path, done: int, caught: list[int]) -> int:
    config = run.config
    num_steps = config.meta.num_steps
    if done >= num_steps:
        if run.devices.is_chief:
            say(
                f"{workdir} has done {done} of {num_steps} meta-steps already; "
                "raise --config.meta.num_steps to go on"
            )
        return 0
    began = time.monotonic() - float(run.seconds.numpy())
    _trace(run, done + 1)
    stopped_by = 0
    with contextlib.closing(_Record(run, workdir, done, began)) as record:
        for step in range(done + 1, num_steps + 1):
            row = _one_step(run, step, workdir)
            if run.devices.is_chief:
                record.add(row)
            run.step.assign(step)
            # The chief comes late, having validated; all leave together.
            stopped_by = max(run.devices.gather(next(iter(caught), 0)))
            is_due = step == num_steps or _is_due(
                step, config.checkpoint.every_steps
            )
            if run.devices.is_chief and (is_due or stopped_by):
                run.checkpoints.save(step)
            if stopped_by:
                break
    run.devices.gather(0)  # None ends before the chief has saved.
    if run.devices.is_chief:
        _say_end(workdir, int(run.step.numpy()), stopped_by)
    return exit_code([stopped_by]) if stopped_by else 0


class _Record:
    """What the chief writes at every meta-step: rows, curves, pictures."""

    def __init__(
        self, run: Run, workdir: Path, done: int, began: float
    ) -> None:
        self._run, self._workdir = run, workdir
        self._num_steps = run.config.meta.num_steps
        self._began = began
        self._shown: dict[str, float] = {}
        self._open = contextlib.ExitStack()
        self._board = None
        if not run.devices.is_chief:
            return
        self._log = MetricsLog(workdir / "metrics.jsonl", done)
        self._progress = Progress(self._num_steps, done)
        self._open.callback(self._log.close)
        self._open.callback(self._progress.close)
        if run.config.log.tensorboard:
            self._board = TensorBoardLog(workdir)
            self._open.callback(self._board.close)

    def add(self, row: dict[str, float]) -> None:
        """Validates and draws where that is due, and writes the row."""
        config, step = self._run.config, row["step"]
        is_last = step == self._num_steps
        if is_last or _is_due(step, config.meta.validation_every):
            row["validation_accuracy"] = self._run.validate()
        row["seconds"] = time.monotonic() - self._began
        self._run.seconds.assign(row["seconds"])
        self._log.append(row)
        for name in ("meta_loss", "meta_accuracy", "validation_accuracy"):
            if name in row:
                self._shown[name] = row[name]
        self._progress.update(step, **self._shown)
        if self._board is not None:
            _write_board(self._board, row)
        if is_last or _is_due(step, config.log.samples_every):
            _draw_samples(self._run, self._workdir, step, self._board)

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
        self._open.close()


def _trace(run: Run, step: int) -> None:
    """Traces ahead of the first step, so that progress times steps alone."""
    if not run.devices.is_chief:
        run.meta_step.get_concrete_function()
        return
    say("tracing the meta-step (once per process)")
    began = time.monotonic()
    run.meta_step.get_concrete_function()
    say(
        f"traced in {time.monotonic() - began:.0f} s; meta-step {step} of "
        f"{run.config.meta.num_steps} is running"
    )


def _one_step(run: Run, step: int, workdir: Path) -> dict[str, float]:
    """Runs meta-step number `step` (from 1) and returns its row."""
    scalars = run.meta_step(tf.constant(step - 1))
    row = {name: float(value) for name, value in scalars.items()}
    for name in ("meta_loss", "meta_gradient_norm"):
        if not math.isfinite(row[name]):
            raise DivergenceError(
                f"{name} is {row[name]} at meta-step {step}; the last good "
                f"checkpoint stays in {workdir / 'checkpoints'}; start again "
                "in another --workdir with a lower --config.meta.learning_rate "
                "or --config.inner.learning_rate, or with "
                "--config.meta.global_clipnorm"
            )
    return {"step": step, **row}


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _say_end(workdir: Path, step: int, stopped_by: int) -> None:
    if stopped_by:
        name = signal.Signals(stopped_by).name
        say(f"{name}: saved meta-step {step}; the same command resumes there")
    else:
        say(f"done: {step} meta-steps in {workdir}")


def _check_equal(
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


def _write_board(board: TensorBoardLog, row: dict[str, float]) -> None:
    scalars = {k: v for k, v in row.items() if k not in ("step", "seconds")}
    board.scalars(row["step"], scalars)


def _draw_samples(
    run: Run, workdir: Path, step: int, board: TensorBoardLog | None
) -> None:
    synthetic = run.synthesize()
    facts = (
        synthetic.images.numpy(),
        np.argmax(synthetic.labels.numpy(), axis=-1),
        np.array(run.dataset.mean),
        np.array(run.dataset.std),
    )
    (workdir / "samples").mkdir(exist_ok=True)
    plots.save_curriculum_figure(
        workdir / "samples" / f"step_{step:06d}.png",
        *facts,
        title=f"{run.dataset.name}: curriculum after {step} meta-steps",
    )
    figures.save_curves(
        workdir / "samples" / "curves.png",
        read_rows(workdir / "metrics.jsonl"),
        title=f"{run.dataset.name}: meta-training",
    )
    if board is not None:
        board.image(step, "curriculum", plots.curriculum_grid(*facts))


def write_config(config: config_dict.ConfigDict, workdir: Path) -> None:
    """Writes config.json, with the environment."""
    write_json(
        workdir / "config.json",
        {**config.to_dict(), "environment": environment()},
    )
