"""A supernet, trained in alternation with what a strategy learns."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from gtn_tf.nas.first_training import (
    FirstTraining,
    TakeStep,
    finish,
    steps_per_epoch,
)
from gtn_tf.nas.session import Session
from gtn_tf.nas.weight_training import Stepper, open_source
from gtn_tf.search_spaces.protocol import Architecture


class AlternatingTraining:
    """A supernet that is trained along with what a strategy learns.

    Both are saved together, and the supernet once more when it is finished.

    Args:
      session: of the search.
      settings: all that the training depends on, as JSON.
      folder: of the training; the supernet has its own in there.

    Attributes:
      supernet: as it was saved last.
      per_epoch: steps.
    """

    def __init__(
        self, session: Session, settings: dict[str, Any], folder: Path
    ) -> None:
        self._session, self._settings, self._folder = session, settings, folder
        self.supernet, self._finished = open_source(
            "supernet", session, folder / "supernet"
        )
        num_images = len(session.data.train.images)
        self.per_epoch = steps_per_epoch(session, num_images)

    def stepper(
        self, num_steps: int, choose: Callable[[int], Architecture]
    ) -> Stepper:
        """Takes steps of the supernet; arguments as of `Stepper`."""
        return Stepper(
            self._session, self.supernet, num_steps, self.per_epoch, choose
        )

    def run(
        self,
        what: str,
        learned: Mapping[str, tf.Variable],
        num_steps: int,
        take_step: TakeStep,
        shown: str,
    ) -> float:
        """Takes the steps that are left; finishes the supernet.

        Args:
          what: it is called, in messages.
          learned: by the strategy, by name.
          num_steps: in all.
          take_step: see there; of both.
          shown: the value of a row that progress shows.

        Returns:
          The seconds of all steps.

        Raises:
          Stopped: a signal stopped it; it is saved.
          DivergenceError: a weight is not finite.
        """
        supernet, folder = self.supernet, self._folder
        objects = {"params": supernet.params, "slots": supernet.slots}
        seconds = FirstTraining(folder, {**objects, **learned}).run(
            what,
            num_steps,
            take_step,
            supernet.is_finite,
            shown,
        )
        self._finished.save(num_steps, seconds)
        finish(
            folder / "supernet",
            self._settings,
            digest=supernet.digest(),
            seconds=seconds,
        )
        return seconds
