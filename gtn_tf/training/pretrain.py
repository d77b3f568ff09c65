"""The outer loop: meta-trains a GTN, and survives being stopped.

Order of every meta-step: step, check that it is finite, log, validate, save.
Everything random derives from (seed, meta-step), so that a resumed run goes on
bit for bit as if it had not been stopped.

Of several workers the chief alone writes files and validates. The others take
the same meta-steps, and wait for it where all agree to stop.
"""

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.config import FIELDS, flatten, learning, validate
from gtn_tf.runtime.cluster import has_several_workers, is_chief
from gtn_tf.runtime.devices import naming_lost_workers
from gtn_tf.runtime.global_switches import configure_runtime
from gtn_tf.runtime.host_loop import (
    HostLoop,
    LoopSpec,
    LoopState,
    is_due,
    stop_message,
)
from gtn_tf.runtime.interrupts import Stopped, catch_signals, exit_code
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.row_log import rows_from_the_end
from gtn_tf.runtime.run_log import HParams, RunLog, find_logs
from gtn_tf.runtime.tracing import trace
from gtn_tf.runtime.workdir import check_workdir, claim_workdir
from gtn_tf.teachers.warm_start import WarmStartSpec
from gtn_tf.training.assembly import check_learners, read_spec
from gtn_tf.training.record import draw_samples, log_rates
from gtn_tf.training.run import (
    Run,
    build_run,
    check_equal,
    write_config,
)
from gtn_tf.training.start import start_warm
from gtn_tf.types import DivergenceError

#: Meta-steps running of which nothing is left; then it ends.
_MOST_STEPS_WITHOUT = 3


@dataclasses.dataclass(frozen=True)
class PretrainSpec:
    """How long it goes on, and what is due when, in meta-steps.

    Attributes:
      loop: what any training's loop is told.
      validation_every: `meta.validation_every`.
      samples_every: `log.samples_every`.
    """

    loop: LoopSpec
    validation_every: int
    samples_every: int


def pretrain_spec(config: config_dict.ConfigDict) -> PretrainSpec:
    """Reads what the outer loop is told from a config.

    Raises:
      InputError: as `find_logs`.
    """
    return PretrainSpec(
        loop=LoopSpec(
            num_steps=config.meta.num_steps,
            save_every=config.checkpoint.every_steps,
            logs=find_logs(config.log.tensorboard, config.log.to),
            unit="meta-step",
            shown=("meta_loss", "meta_accuracy", "validation_accuracy"),
            hparams=_hparams(config),
        ),
        validation_every=config.meta.validation_every,
        samples_every=config.log.samples_every,
    )


def _hparams(config: config_dict.ConfigDict) -> HParams:
    """Returns what makes a meta-training what it is, as logs take it.

    Those are the keys that a resumed run may not change.
    """
    return {
        key: value
        if isinstance(value, bool | int | float | str)
        else str(value)
        for key, value in flatten(config.to_dict())
        if key in learning.FIELDS and not FIELDS[key].may_change
    }


def pretrain(
    config: config_dict.ConfigDict, workdir: Path, is_part: bool = False
) -> int:
    """Meta-trains, resuming where the workdir has a checkpoint.

    Args:
      config: of the run.
      workdir: of its files.
      is_part: of an evaluation, an experiment or a search, which says itself
        what it does.

    Returns:
      The exit code: 0, or 128 + the number of the signal that stopped it.

    Raises:
      InputError: bad config, data or workdir; or as `find_logs`.
      DivergenceError: the meta-loss or its gradient is not finite.
      LostWorkerError: another worker is gone.
    """
    validate(config)
    check_learners(config)
    spec = pretrain_spec(config)
    with contextlib.ExitStack() as stack:
        if is_chief(config.strategy):
            stack.enter_context(claim_workdir(workdir))
        if has_several_workers(config.strategy):
            stack.enter_context(naming_lost_workers())
        caught = stack.enter_context(catch_signals())
        check_workdir(config, workdir)
        configure_runtime(config.num_logical_devices, config.tensor_float_32)
        run = build_run(config, workdir, config.strategy)
        restored = run.checkpoints.restore_latest()
        done = int(run.step.numpy())
        check_equal(run.devices, done, "checkpoint", "one shared --workdir")
        if run.devices.is_chief:
            write_config(config, workdir, run.networks)
            if restored is not None:
                say(f"resumed at meta-step {done} of {config.meta.num_steps}")
        warm_start = read_spec(WarmStartSpec, config.warm_start)
        if restored is None and warm_start.num_images:
            try:
                start_warm(run, warm_start, config.seed, caught)
            except Stopped as stopped:
                return stopped.code
        if done < spec.loop.num_steps:
            return _train(run, spec, workdir, caught)
        if run.devices.is_chief and not is_part:
            say(
                f"{workdir} has done {done} of {config.meta.num_steps} "
                "meta-steps already; raise --config.meta.num_steps to go on"
            )
        return 0


def _train(
    run: Run, spec: PretrainSpec, workdir: Path, caught: list[int]
) -> int:
    num_steps = spec.loop.num_steps
    _trace(run, workdir, int(run.step.numpy()) + 1, num_steps)
    loop = HostLoop(
        spec.loop,
        LoopState(run.step, run.seconds, run.checkpoints),
        workdir,
        run.devices,
    )

    def draw(step: int, logs: Sequence[RunLog]) -> None:
        is_last = step == num_steps
        if logs and (is_last or is_due(step, spec.validation_every)):
            log_rates(run, step, logs)
        if is_last or is_due(step, spec.samples_every):
            draw_samples(run, workdir, step, logs)

    stopped_by = loop.run(
        lambda step: _one_step(run, spec, step, workdir),
        caught,
        check=lambda step: _check_finite(run, step, workdir),
        draw=draw,
    )
    if run.devices.is_chief:
        done = int(run.step.numpy())
        if stopped_by:
            say(stop_message(stopped_by, f"meta-step {done}"))
        else:
            say(f"done: {done} meta-steps in {workdir}")
    return exit_code([stopped_by]) if stopped_by else 0


def _trace(run: Run, workdir: Path, step: int, num_steps: int) -> None:
    """Traces ahead of the first step, so that progress times steps alone."""
    if not run.devices.is_chief:
        run.meta_step.get_concrete_function()
        return
    num_replicas = run.devices.num_replicas
    seconds = trace("meta-step", run.meta_step, workdir, num_replicas)
    say(
        f"traced in {seconds:.0f} s; meta-step {step} of {num_steps} is running"
    )


def _one_step(
    run: Run, spec: PretrainSpec, step: int, workdir: Path
) -> dict[str, float]:
    """Runs meta-step number `step` (from 1) and returns its row."""
    scalars = run.meta_step(tf.constant(step - 1))
    row = {name: float(value) for name, value in scalars.items()}
    names = ["meta_loss", "meta_gradient_norm"]
    if math.isnan(row["meta_loss"]) and row.get("num_skipped_learners"):
        # All were skipped: there is no loss, and the gradient is zero.
        names.remove("meta_loss")
        if _steps_without_learners(workdir, step) + 1 == _MOST_STEPS_WITHOUT:
            raise _divergence(
                "no learner has had a finite meta-gradient for "
                f"{_MOST_STEPS_WITHOUT} meta-steps",
                step,
                workdir,
            )
    for name in names:
        if not math.isfinite(row[name]):
            raise _divergence(f"{name} is {row[name]}", step, workdir)
    is_last = step == spec.loop.num_steps
    is_validated = is_last or is_due(step, spec.validation_every)
    if run.devices.is_chief and is_validated:
        row["validation_accuracy"] = run.validate()
    return row


def _steps_without_learners(workdir: Path, step: int) -> int:
    """Returns how many of the steps just before had all learners skipped."""
    path = workdir / "metrics.jsonl"
    count = 0
    for row in rows_from_the_end(path) if path.is_file() else ():
        if row["step"] >= step:
            continue
        if row.get("meta_loss") is not None:
            break
        count += 1
    return count


def _check_finite(run: Run, step: int, workdir: Path) -> None:
    """Keeps what an update has blown up from becoming a checkpoint.

    Raises:
      DivergenceError: a meta-parameter is not finite.
    """
    variables = run.teacher.variables_by_name
    for name, variable in variables.items():
        value = tf.convert_to_tensor(variable)
        if not tf.reduce_all(tf.math.is_finite(value)):
            raise _divergence(
                f"meta-parameter {name} is not finite", step, workdir
            )


def _divergence(what: str, step: int, workdir: Path) -> DivergenceError:
    folder = workdir / "checkpoints"
    kept = "no checkpoint was written yet"
    if any(folder.glob("ckpt-*.index")):
        kept = f"the last good checkpoint stays in {folder}"
    return DivergenceError(
        f"{what} at meta-step {step}; {kept}; start again in another "
        "--workdir with a lower --config.meta.learning_rate or "
        "--config.inner.learning_rate, or with --config.meta.global_clipnorm"
    )
