"""The outer loop: meta-trains a GTN, and survives being stopped.

Order of every meta-step: step, check that it is finite, log, validate, save.
Everything random derives from (seed, meta-step), so that a resumed run goes on
bit for bit as if it had not been stopped.
"""

import dataclasses
import math
import signal
import time
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
)
from gtn_tf.checkpoints import (
    Checkpoints,
    check_workdir,
    claim_workdir,
    write_json,
)
from gtn_tf.config import validate
from gtn_tf.distribution import (
    configure_runtime,
    create_strategy,
    environment,
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
    """
    validate(config)
    check_learners(config)
    with claim_workdir(workdir), catch_signals() as caught:
        check_workdir(config, workdir)
        configure_runtime(config.num_logical_devices)
        run = build_run(config, workdir)
        restored = run.checkpoints.restore_latest()
        write_config(config, workdir)
        done = int(run.step.numpy())
        if restored is not None:
            say(f"resumed at meta-step {done} of {config.meta.num_steps}")
        return _train(run, workdir, done, caught)


def build_run(config: config_dict.ConfigDict, workdir: Path) -> Run:
    """Builds everything for meta-training; reads the data set."""
    dataset = data.load(
        config.dataset.name,
        config.dataset.data_dir,
        config.dataset.split_seed,
    )
    real_train = device_split(dataset, "train")
    problem = build_problem(config, real_train)
    real_validation = device_split(dataset, "validation")
    strategy = create_strategy(config.strategy, config.meta.num_learners)
    with strategy.scope():
        gtn = build_gtn(config, real_train)
        optimizer = build_meta_optimizer(config, gtn)
    seed = root_seed(config.seed)
    meta_step = make_meta_step(
        gtn,
        problem,
        optimizer,
        strategy,
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
      InputError: bad config, data or workdir, or no GTN in it.
    """
    validate(config)
    check_learners(config)
    no_gtn = InputError(
        f"workdir {str(workdir)!r} holds no GTN; expected one that "
        "--mode=pretrain has filled; run that first or give another --workdir"
    )
    if not (workdir / "config.json").exists():
        raise no_gtn
    check_workdir(config, workdir)
    configure_runtime(config.num_logical_devices)
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
        say(
            f"{workdir} has done {done} of {num_steps} meta-steps already; "
            "raise --config.meta.num_steps to go on"
        )
        return 0
    began = time.monotonic() - float(run.seconds.numpy())
    _trace(run, done + 1)
    log = MetricsLog(workdir / "metrics.jsonl", done)
    board = TensorBoardLog(workdir) if config.log.tensorboard else None
    progress = Progress(num_steps, done)
    shown = {}
    try:
        for step in range(done + 1, num_steps + 1):
            row = _one_step(run, step, workdir)
            is_last = step == num_steps
            if is_last or _is_due(step, config.meta.validation_every):
                row["validation_accuracy"] = run.validate()
            row["seconds"] = time.monotonic() - began
            log.append(row)
            for name in ("meta_loss", "meta_accuracy", "validation_accuracy"):
                shown[name] = row.get(name, shown.get(name))
            progress.update(
                step, **{k: v for k, v in shown.items() if v is not None}
            )
            if board is not None:
                _write_board(board, row)
            if is_last or _is_due(step, config.log.samples_every):
                _draw_samples(run, workdir, step, board)
            run.step.assign(step)
            run.seconds.assign(row["seconds"])
            is_stopping = bool(caught)
            if (
                is_last
                or is_stopping
                or _is_due(step, config.checkpoint.every_steps)
            ):
                run.checkpoints.save(step)
            if is_stopping:
                break
    finally:
        progress.close()
        log.close()
        if board is not None:
            board.close()
    return _finish(workdir, int(run.step.numpy()), caught)


def _trace(run: Run, step: int) -> None:
    """Traces ahead of the first step, so that progress times steps alone."""
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


def _finish(workdir: Path, step: int, caught: list[int]) -> int:
    if caught:
        name = signal.Signals(caught[0]).name
        say(f"{name}: saved meta-step {step}; the same command resumes there")
        return exit_code(caught)
    say(f"done: {step} meta-steps in {workdir}")
    return 0


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
