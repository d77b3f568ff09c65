"""What TensorBoard shows of a run, in groups, and its hyperparameters."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from gtn_tf.runtime.run_log import HParams, rate_scalars, tag


class TensorBoardLog:
    """TensorBoard events under `<folder>/tensorboard`.

    A resumed run adds an event file and repeats the steps since its
    checkpoint; TensorBoard shows the later ones over the earlier.

    Args:
      folder: of the run.
      hparams: by which runs are compared; none of them: no page of them.
    """

    def __init__(self, folder: Path, hparams: HParams) -> None:
        self._writer = tf.summary.create_file_writer(
            str(Path(folder) / "tensorboard"), flush_millis=10_000
        )
        self._hparams, self._trial = dict(hparams), str(folder)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes a row's scalars of one meta-step, each in its group."""
        self._write_hparams()
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(tag(name), value)

    def _write_hparams(self) -> None:
        if not self._hparams:
            return
        # Not before the first meta-step, which is waited for.
        from tensorboard.plugins.hparams import api

        with self._writer.as_default(step=0):
            # The folder, not its values: two seeds are two runs.
            api.hparams(self._hparams, trial_id=self._trial)
        self._hparams = {}

    def inner_rates(self, step: int, rates: Mapping[str, np.ndarray]) -> None:
        """Writes the rates [T] of the inner optimizer, by name.

        Each as a histogram, and its first, last and mean value as scalars.
        """
        with self._writer.as_default(step=step):
            for name, values in rates.items():
                tf.summary.histogram(f"inner/{name}", values)
            for name, value in rate_scalars(rates):
                tf.summary.scalar(name, value)

    def image(self, step: int, name: str, picture: np.ndarray) -> None:
        """Writes one picture, uint8 [H, W, C] of 1 to 4 channels."""
        with self._writer.as_default(step=step):
            tf.summary.image(f"inner/{name}", picture[np.newaxis])

    def close(self) -> None:
        """Flushes and closes the event file."""
        self._writer.close()
