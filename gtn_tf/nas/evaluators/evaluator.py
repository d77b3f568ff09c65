"""What all evaluators have in common: one job in, one score out.

Scores of trained networks are validation accuracies; test data are never read.
What trains for ranking is in search form, as in the official code. The truth
is in training form, the network of the final training: that is what a ranking
is for. It is trained by SGD with momentum and a cosine schedule, without the
final training's regularisation (weight decay, cutout, drop path).
"""

import abc
import time
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from gtn_tf.config.evaluator_names import EvaluatorName
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.search_spaces.protocol import Architecture, Space

#: `score`, a number, higher is better; and `seconds` by part: `build`, `trace`,
#: `train`; where validation images are read, `validate`; and `setup`, of what
#: serves all jobs of the process, where there is such a thing.
Evaluation = dict[str, Any]


class Job(NamedTuple):
    """One architecture to score.

    Attributes:
      architecture: of the search's space.
      text: the same, as text.
      seed: [2], of this architecture or of all.
      teacher_path: of what is made first, if the evaluator needs it.
    """

    architecture: Architecture
    text: str
    seed: tf.Tensor
    teacher_path: str | None = None


class Evaluator(abc.ABC):
    """One way to score architectures.

    Args:
      name: as the config has it.
      spec: of the search.
      space: of its architectures.

    Attributes:
      name, spec, space: as given.
      is_truth: whether its scores are what others are compared with.
      teacher: what it needs that is made first: the config key in `search` of
        the export that it trains on, or a name of `weight_training.SOURCES`.
      is_random: whether scores depend on a job's seed.
    """

    teacher: ClassVar[str | None] = None
    is_random: ClassVar[bool] = True

    def __init__(
        self, name: EvaluatorName, spec: SearchSpec, space: Space
    ) -> None:
        self.name, self.spec, self.space = name, spec, space
        self.is_truth = name.text == spec.truth

    @property
    def follows_teacher(self) -> bool:
        """Whether it takes as many steps of as many images as the teacher."""
        return False

    @property
    def form(self) -> str:
        """Of the networks; see `NetworkSpec`."""
        return "training" if self.is_truth else "search"

    @property
    def has_common_seed(self) -> bool:
        """Whether all architectures are scored from the same seed.

        The truth is not: a guide's luck with it would count as its merit.
        """
        wanted = self.is_random and self.spec.common_random_numbers
        return wanted and not self.is_truth

    def own_budget(self) -> dict[str, Any]:
        """Returns what only this kind of evaluator depends on, as JSON."""
        return {}

    def budget(self) -> dict[str, Any]:
        """Returns all that a score depends on but job and teacher, as JSON.

        Its hash names results on disk, in words that are older than ours.
        """
        spec = self.spec
        of_space = {} if spec.space == "cells" else {"space": spec.space}
        of_images = {
            key: getattr(spec, key)
            for key in ("image_size", "max_images")
            if getattr(spec, key) is not None
        }
        return self.own_budget() | {
            "num_cells": spec.num_cells,
            "channels": spec.channels,
            "dress": "train" if self.is_truth else "search",
            "dataset": spec.dataset,
            "split_seed": spec.split_seed,
            "precision": spec.precision,
            **of_space,
            **of_images,
            **({"common_seed": True} if self.has_common_seed else {}),
        }

    @abc.abstractmethod
    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """Scores an architecture.

        Raises:
          Stopped: the session's `should_stop` said so.
          Exception: whatever stands in the way of a score.
        """


def untrained(score: float, began: float, build: float = 0.0) -> Evaluation:
    """Returns the evaluation of what trains nothing.

    Args:
      score: of the architecture.
      began: when it was begun to be found, by `time.perf_counter`.
      build: seconds before that.
    """
    took = time.perf_counter() - began
    return {
        "score": float(score),
        "seconds": {"build": build, "trace": 0.0, "train": took},
    }
