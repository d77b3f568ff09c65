"""The steps of a training: what one does, and the row at an epoch's end.

Everything random derives from (seed, step) and (seed, epoch), so that a
resumed training goes on bit for bit as if it had not been stopped.
"""

from collections.abc import Callable
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
from gtn_tf.runtime.host_loop import HostLoop, LoopSpec, LoopState
from gtn_tf.runtime.tracing import trace
from gtn_tf.types import DivergenceError


def run_steps(
    training: Training,
    folder: Path,
    seed: int,
    caught: list[int],
    checkpoints: Checkpoints,
) -> int:
    """Trains to the last step, or to a signal; the last state is saved.

    Args:
      training: as its last checkpoint left it.
      folder: for `metrics.jsonl` and logs.
      seed: draws the order of images and all that a step draws.
      caught: of `interrupts.catch_signals`.
      checkpoints: of everything that changes.

    Returns:
      The number of the signal that stopped it, or 0.

    Raises:
      DivergenceError: the loss or a parameter is not finite.
    """
    spec = training.spec
    loop = HostLoop(
        LoopSpec(
            num_steps=training.num_steps,
            save_every=spec.checkpoint_every_epochs * training.steps_per_epoch,
            logs=spec.logs,
            unit="training step",
            shown=("training_loss", "training_accuracy", "validation_accuracy"),
        ),
        LoopState(training.step, training.seconds, checkpoints),
        folder,
        training.devices,
    )
    if training.train_step.experimental_get_tracing_count() == 0:
        # One for all seeds, each of which has a folder in the training's.
        of_training, num_replicas = folder.parent, training.devices.num_replicas
        trace("training step", training.train_step, of_training, num_replicas)
    return loop.run(
        _stepper(training, seed, folder),
        caught,
        check=lambda step: _check_finite(training, step, folder),
    )


def _stepper(
    training: Training, seed: int, folder: Path
) -> Callable[[int], dict[str, float] | None]:
    """Returns step, from 1 -> the row of the epoch that it ends, or None."""
    protocol = training.protocol
    drawn: dict[int, np.ndarray] = {}  # the epoch's batches

    def take_step(step: int) -> dict[str, float] | None:
        epoch, position = divmod(step - 1, training.steps_per_epoch)
        if epoch not in drawn:
            drawn.clear()
            drawn[epoch] = epoch_batches(
                len(training.images.images), protocol.batch_size, seed, epoch
            )
        rate = epoch_learning_rate(
            protocol.learning_rate, epoch, protocol.num_epochs
        )
        batch = drawn[epoch][position]
        _one_step(training, seed, step - 1, rate, batch)
        if step % training.steps_per_epoch:
            return None
        return _end_epoch(training, step, rate, folder)

    return take_step


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
        "epoch": done // steps,
        "learning_rate": rate,
        "training_loss": float(totals[0]),
        "training_accuracy": float(totals[1]),
    }
    if not training.spec.use_validation:
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
