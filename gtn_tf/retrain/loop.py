"""The steps of a training: step, log at the end of an epoch, save.

Everything random derives from (seed, step) and (seed, epoch), so that a
resumed training goes on bit for bit as if it had not been stopped.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.retrain.assembly import Training
from gtn_tf.retrain.data import epoch_batches
from gtn_tf.retrain.step import epoch_learning_rate
from gtn_tf.runtime.checkpoints import Checkpoints
from gtn_tf.runtime.progress import Progress, say
from gtn_tf.runtime.row_log import MetricsLog
from gtn_tf.runtime.tensorboard import TensorBoardLog
from gtn_tf.types import DivergenceError

_SHOWN = ("training_loss", "training_accuracy", "validation_accuracy")


def run_steps(
    training: Training,
    folder: Path,
    seed: int,
    caught: list[int],
    checkpoints: Checkpoints,
) -> None:
    """Trains to the last step, or to a signal; the last state is saved.

    Args:
      training: as its last checkpoint left it.
      folder: for `metrics.jsonl` and TensorBoard.
      seed: draws the order of images and all that a step draws.
      caught: of `interrupts.catch_signals`.
      checkpoints: of everything that changes.

    Raises:
      DivergenceError: the loss or a parameter is not finite.
    """
    first = int(training.step.numpy())
    every = training.config.retrain.checkpoint_every_epochs
    began = time.monotonic() - float(training.seconds.numpy())
    if training.train_step.experimental_get_tracing_count() == 0:
        say("tracing the training step (once per process)")
        training.train_step.get_concrete_function()
    log = MetricsLog(folder / "metrics.jsonl", first)
    board = TensorBoardLog(folder) if training.config.log.tensorboard else None
    progress = Progress(training.num_steps, first, unit="training step")
    shown: dict[str, float] = {}
    try:
        for step, rate, batch in _steps(training, seed, first):
            _one_step(training, seed, step, rate, batch)
            done = step + 1
            if done % training.steps_per_epoch == 0:
                row = _end_epoch(training, done, rate, folder)
                log.append({**row, "seconds": time.monotonic() - began})
                shown = {k: row[k] for k in _SHOWN if k in row}
                if board is not None:
                    board.scalars(done, {**shown, "learning_rate": rate})
            progress.update(done, **shown)
            if (
                caught
                or done == training.num_steps
                or done % (every * training.steps_per_epoch) == 0
            ):
                _check_finite(training, done, folder)
                training.step.assign(done)
                training.seconds.assign(time.monotonic() - began)
                checkpoints.save(done)
            if caught:
                break
    finally:
        progress.close()
        log.close()
        if board is not None:
            board.close()


def _steps(
    training: Training, seed: int, first: int
) -> Iterator[tuple[int, float, np.ndarray]]:
    """Yields (step, learning rate, positions of its images) from `first`."""
    protocol = training.protocol
    for step in range(first, training.num_steps):
        epoch, position = divmod(step, training.steps_per_epoch)
        if position == 0 or step == first:
            batches = epoch_batches(
                len(training.images.images), protocol.batch_size, seed, epoch
            )
            rate = epoch_learning_rate(
                protocol.learning_rate, epoch, protocol.num_epochs
            )
        yield step, rate, batches[position]


def _one_step(
    training: Training, seed: int, step: int, rate: float, batch: np.ndarray
) -> None:
    training.train_step(
        tf.constant(training.images.images[batch]),
        tf.constant(training.images.label_ids[batch]),
        tf.constant(step),
        tf.constant(rate, tf.float32),
        fold(root_seed(seed), Purpose.RETRAINING),
    )


def _end_epoch(
    training: Training, done: int, rate: float, folder: Path
) -> dict[str, float]:
    """Returns the row of an epoch and begins the next one's totals."""
    _check_finite(training, done, folder)
    steps = training.steps_per_epoch
    totals = training.state.totals.numpy() / (
        steps * training.protocol.batch_size
    )
    row = {
        "step": done,
        "epoch": done // steps,
        "learning_rate": rate,
        "training_loss": float(totals[0]),
        "training_accuracy": float(totals[1]),
    }
    if not training.config.retrain.use_validation:
        row["validation_accuracy"] = training.accuracy_of("validation")
    training.state.totals.assign(tf.zeros([2]))
    return row


def _check_finite(training: Training, done: int, folder: Path) -> None:
    """Keeps a diverged network from becoming a checkpoint.

    Raises:
      DivergenceError: the loss or a parameter is not finite.
    """
    state = training.state
    norm = tf.linalg.global_norm(
        [tf.convert_to_tensor(v) for v in state.model.trainable_variables]
    )
    if np.isfinite([*state.totals.numpy(), norm.numpy()]).all():
        return
    raise DivergenceError(
        f"the training loss or a parameter is not finite at step {done}; the "
        f"last good checkpoint stays in {folder / 'checkpoints'}; start again "
        "under another --config.retrain.name with a lower "
        "--config.retrain.learning_rate"
    )
