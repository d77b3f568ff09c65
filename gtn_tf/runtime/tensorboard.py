"""What TensorBoard shows of a run."""

from pathlib import Path

import numpy as np
import tensorflow as tf


class TensorBoardLog:
    """TensorBoard events under `<workdir>/tensorboard`.

    A resumed run adds an event file and repeats the steps since its
    checkpoint; TensorBoard shows the later ones over the earlier.
    """

    def __init__(self, workdir: Path) -> None:
        self._writer = tf.summary.create_file_writer(
            str(Path(workdir) / "tensorboard"), flush_millis=10_000
        )

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes named scalars of one meta-step."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def image(self, step: int, name: str, picture: np.ndarray) -> None:
        """Writes one picture, uint8 [H, W, 3] or [H, W, 1]."""
        with self._writer.as_default(step=step):
            tf.summary.image(name, picture[np.newaxis])

    def close(self) -> None:
        """Flushes and closes the event file."""
        self._writer.close()
