"""Trainings that a search does first: once each, resumably.

Each has its folder, `search/NAME/HASH/` of the workdir, HASH of all that it
depends on: checkpoints, `metrics.jsonl`, and `metadata.json` once it is done.
"""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import RealTraining, SearchSpec
from gtn_tf.nas.strategies.strategy import Coupled
from gtn_tf.runtime.checkpoints import Checkpoints
from gtn_tf.runtime.devices import one_device
from gtn_tf.runtime.files import to_json, write_json
from gtn_tf.runtime.host_loop import (
    HostLoop,
    LoopSpec,
    LoopState,
    stop_message,
)
from gtn_tf.runtime.interrupts import Stopped, catch_signals, exit_code
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.workdir import claim_workdir
from gtn_tf.types import DivergenceError

METADATA = "metadata.json"
#: Steps between checkpoints: an epoch may take half an hour.
_SAVE_EVERY = 100
#: What is trained -> the key of its rate, where that is no supernet's.
_RATE_KEYS = {
    "ghn": "search.ghn.learning_rate",
    "darts": "search.real_learning_rate",
}
#: Step, from 1 -> a row, None for a step without.
TakeStep = Callable[[int], dict[str, Any] | None]


def train_once(
    workdir: Path,
    name: str,
    settings: Mapping[str, Any],
    train: Callable[[Path], None],
) -> Path:
    """Trains, unless that is done; returns the folder, absolute.

    Args:
      workdir: of the search.
      name: of the kind of training.
      settings: all that it depends on, as JSON.
      train: folder -> None, having called `finish`.
    """
    text = json.dumps(settings, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    folder = (workdir / "search" / name / digest).absolute()
    if not (folder / METADATA).exists():
        with claim_workdir(folder):
            train(folder)
    return folder


def of_networks(spec: SearchSpec) -> dict[str, Any]:
    """Returns what the networks of a search and their data are, as JSON."""
    of_space = {"num_nodes": spec.num_nodes, "ops": spec.ops}
    facts = {
        "space": spec.space,
        **(of_space if spec.space != "nb201" else {}),  # it has its own
        "num_cells": spec.num_cells,
        "channels": spec.channels,
        "dataset": spec.dataset,
        "split_seed": spec.split_seed,
        "image_size": spec.image_size,
        "max_images": spec.max_images,
        "precision": spec.precision,
    }
    return to_json(facts)


def train_strategy(
    strategy: Coupled,
    name: str,
    session: Session,
    workdir: Path,
    weights: RealTraining,
    train: Callable[[Any, Session, dict[str, Any], Path], None],
) -> Path:
    """Trains the weights of a strategy's own; see `train_once`.

    Args:
      strategy: its options.
      name: of it.
      session: of the search.
      workdir: of it.
      weights: how they are trained, but for a cosine.
      train: (strategy, session, settings, folder) -> None, with `finish`.
    """
    settings = {  # all that the training depends on
        **of_networks(session.spec),
        "seed": session.spec.seed,
        **dataclasses.asdict(strategy),
        "weights": dataclasses.asdict(weights) | {"schedule": "cosine"},
    }
    own = functools.partial(train, strategy, session, settings)
    return train_once(workdir, name, settings, own)


def steps_per_epoch(session: Session, num_images: int) -> int:
    """Returns the steps that draw as many images as there are."""
    return max(1, math.ceil(num_images / session.spec.training.batch_size))


class FirstTraining:
    """What changes in a training, as its folder holds it.

    Args:
      folder: of it.
      objects: by name: all that its steps change.

    Attributes:
      num_done: steps so far.
    """

    def __init__(self, folder: Path, objects: Mapping[str, Any]) -> None:
        self._folder = folder
        self._step = tf.Variable(0, dtype=tf.int64)
        self._seconds = tf.Variable(0.0, dtype=tf.float64)
        self._checkpoints = Checkpoints(
            folder / "checkpoints",
            {**objects, "step": self._step, "seconds": self._seconds},
            max_to_keep=1,
        )
        self._checkpoints.restore_latest()

    @property
    def num_done(self) -> int:
        """Steps so far."""
        return int(self._step.numpy())

    def save(self, num_steps: int, seconds: float) -> None:
        """Saves what other steps have changed."""
        self._step.assign(num_steps)
        self._seconds.assign(seconds)
        self._checkpoints.save(num_steps)

    def run(
        self,
        what: str,
        num_steps: int,
        take_step: TakeStep,
        is_finite: Callable[[], bool],
        shown: str,
    ) -> float:
        """Takes the steps that are left.

        Args:
          what: it is called, in messages.
          num_steps: in all.
          take_step: see there.
          is_finite: whether what it changed may be saved.
          shown: the value of a row that progress shows.

        Returns:
          The seconds of all steps.

        Raises:
          Stopped: a signal stopped it; it is saved.
          DivergenceError: a number is not finite.
        """
        if self.num_done:
            say(f"{what}: resumed at step {self.num_done} of {num_steps}")
        else:
            say(f"{what}: trained first, {num_steps} steps")

        key = _RATE_KEYS.get(what, "search.supernet.learning_rate")

        def check(step: int) -> None:
            if not is_finite():
                raise DivergenceError(
                    f"{what}: a weight is not finite at step {step}; the last "
                    f"good checkpoint stays in {self._folder / 'checkpoints'}; "
                    f"set a lower --config.{key}"
                )

        loop = HostLoop(
            LoopSpec(num_steps, _SAVE_EVERY, (), f"{what} step", (shown,)),
            LoopState(self._step, self._seconds, self._checkpoints),
            self._folder,
            one_device(),
        )
        with catch_signals() as caught:
            stopped_by = loop.run(take_step, caught, check)
        if stopped_by:
            say(stop_message(stopped_by, f"{what} at step {self.num_done}"))
            raise Stopped(exit_code([stopped_by]))
        return float(self._seconds.numpy())


def finish(folder: Path, settings: Mapping[str, Any], **found: Any) -> None:
    """Writes `metadata.json`: the settings, and what was found."""
    write_json(folder / METADATA, {**settings, **found})
