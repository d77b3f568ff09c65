"""What a meta-training writes at every meta-step: rows, curves, pictures."""

import contextlib
import time
from pathlib import Path

import numpy as np

from gtn_tf.figures import curriculum as plots
from gtn_tf.figures import training as figures
from gtn_tf.runtime.progress import Progress
from gtn_tf.runtime.row_log import MetricsLog, read_rows
from gtn_tf.runtime.tensorboard import TensorBoardLog
from gtn_tf.training.run import Run


class RunRecord:
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
        if is_last or is_due(step, config.meta.validation_every):
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
        if is_last or is_due(step, config.log.samples_every):
            _draw_samples(self._run, self._workdir, step, self._board)

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
        self._open.close()


def is_due(step: int, every: int) -> bool:
    """Whether something is due that is done every so many steps, or never."""
    return every > 0 and step % every == 0


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
