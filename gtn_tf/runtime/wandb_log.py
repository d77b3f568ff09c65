"""A run in Weights & Biases; needs `pip install 'gtn_tf[wandb]'`."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gtn_tf.runtime.run_log import HParams, kept_run_id, rate_scalars, tag
from gtn_tf.types import InputError, one_line


class WandbLog:
    """One run of wandb, which a resumed run goes on with.

    wandb's own variables hold: WANDB_MODE=offline keeps all in
    `<folder>/wandb`, for `wandb sync`; WANDB_PROJECT, or else `gtn_tf`, names
    the project.

    Args:
      folder: of the run; the id is in its `wandb.json`.
      hparams: the run's config there.

    Raises:
      InputError: wandb refuses the run, as where nobody is logged in.
    """

    def __init__(self, folder: Path, hparams: HParams) -> None:
        # Here, for it takes a second and other logs need none of it.
        import wandb

        self._wandb = wandb
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "gtn_tf"),
                id=kept_run_id(Path(folder), "wandb"),
                resume="allow",
                reinit="create_new",  # the caller's own run goes on
                name=str(folder),
                dir=str(folder),
                config=dict(hparams),
                # Lines and bars on the terminal stay this program's.
                settings=wandb.Settings(console="off"),
            )
        except wandb.errors.Error as error:
            raise InputError(
                f"wandb refuses the run ({one_line(error)}); expected a login "
                "and a server that can be reached; run `wandb login`, or set "
                "WANDB_MODE=offline"
            ) from error
        # Not wandb's own steps: those must rise, and a resumed run repeats
        # some.
        self._run.define_metric("*", step_metric="step")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs a row's scalars of one step, each in its group."""
        self._log(step, {tag(name): value for name, value in values.items()})

    def inner_rates(self, step: int, rates: Mapping[str, np.ndarray]) -> None:
        """Logs the rates [T] of the inner optimizer, by name.

        Each as a histogram, and its first, last and mean value as scalars.
        """
        histograms = {
            f"inner/{name}": self._wandb.Histogram(values)
            for name, values in rates.items()
        }
        self._log(step, histograms | dict(rate_scalars(rates)))

    def image(self, step: int, name: str, picture: np.ndarray) -> None:
        """Logs one picture, uint8 [H, W, C] of 1 to 4 channels."""
        self._log(step, {f"inner/{name}": self._wandb.Image(picture)})

    def _log(self, step: int, values: dict) -> None:
        self._run.log({"step": step, **values})

    def close(self) -> None:
        """Ends the run's part in this process; waits for the upload."""
        self._run.finish()
