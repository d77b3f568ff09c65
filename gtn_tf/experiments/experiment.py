"""What an experiment is, and where one is found by name. No TensorFlow here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.config.choices import EXPERIMENTS
from gtn_tf.import_paths import choose
from gtn_tf.types import InputError


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A question that meta-trainings and fresh learners answer.

    Attributes:
      question: one sentence, for reports.
      run: (config, its folder) -> what result.json holds of its own; it goes
        on where it was stopped, and raises `interrupts.Stopped` by a signal.
      table: result.json -> lines for a terminal.
      figure: result.json -> a figure.
    """

    question: str
    run: Callable[[config_dict.ConfigDict, Path], dict[str, Any]]
    table: Callable[[dict], str]
    figure: Callable[[dict], Figure]


def find_experiment(name: str) -> Experiment:
    """Returns the experiment that `evaluation.experiment` names.

    Raises:
      InputError: there is none of this name.
    """
    key = "evaluation.experiment"
    found = choose(name, EXPERIMENTS, key)
    if not isinstance(found, Experiment):
        raise InputError(
            f"{key} is {name!r}, which is a {type(found).__name__}; expected "
            "a gtn_tf.experiments.experiment.Experiment; name one that the "
            "module defines"
        )
    return found
