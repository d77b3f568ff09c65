"""Trains and tests fresh learners on what a source of data gives them.

Learner i starts from the same weights whatever the source, so that two
sources can be compared in pairs. Its test data are the caller's to give.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import RealData
from gtn_tf.evaluation.sources import Setting, Source
from gtn_tf.learners.functional import own_digests
from gtn_tf.meta.evaluation import (
    fresh_learner_accuracies,
    fresh_learner_accuracy_on,
    train_fresh_learner,
)
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.files import to_json
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.types import SyntheticData


class Trained(NamedTuple):
    """One fresh learner: test accuracy after every inner step, seconds."""

    accuracies: list[float]
    seconds: float


class FreshLearners:
    """The fresh learners of one problem; traced once per shape of the data.

    Args:
      setting: whose seed and facts a digest holds.
      problem: the learners, of which each seed draws one, and their optimizer.
      real: the split that they are tested on.
    """

    def __init__(
        self,
        setting: Setting,
        problem: InnerProblem,
        real: RealData,
    ) -> None:
        self._root = fold(root_seed(setting.seed), Purpose.EVALUATION)
        names = [learner.name for learner in problem.learners]
        digests = own_digests(problem.learners)
        self._facts = [*setting.facts, names, *([digests] if digests else [])]
        self._is_warm = False

        @tf.function(autograph=False)
        def test(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
            return fresh_learner_accuracies(problem, data, real, seed)

        @tf.function(autograph=False)
        def train(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
            return train_fresh_learner(problem, data, seed)

        self._test, self._train = test, train

    def digest(self, source: Source) -> str:
        """Returns a digest of all that this source's results depend on."""
        digest = hashlib.sha256(json.dumps(to_json(self._facts)).encode())
        for tensor in tf.nest.flatten(source.synthesize(self._root)):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()[:16]

    def test_every_step(self, source: Source, index: int) -> list[float]:
        """Returns test accuracies [T] of learner number `index`."""
        seed = fold(self._root, index)
        return self._test(source.synthesize(seed), seed).numpy().tolist()

    def train_and_test(self, source: Source, index: int) -> Trained:
        """Does that and times a training; no source's name enters the seed."""
        seed = fold(self._root, index)
        if not self._is_warm:  # the first call traces
            self._train(source.synthesize(seed), seed).numpy()
            self._is_warm = True
        began = time.monotonic()
        data = source.synthesize(seed)
        self._train(data, seed).numpy()
        seconds = time.monotonic() - began
        return Trained(self._test(data, seed).numpy().tolist(), seconds)


class FinalTest:
    """Accuracies of those learners after the last inner step alone.

    Traced once per shape of the data.

    Args:
      seed: of the GTN's config.
      problem: the learners, of which each seed draws one, and their optimizer.
      splits: what each learner is asked about.
    """

    def __init__(
        self, seed: int, problem: InnerProblem, splits: Sequence[RealData]
    ) -> None:
        self._root = fold(root_seed(seed), Purpose.EVALUATION)

        @tf.function(autograph=False)
        def test(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
            return fresh_learner_accuracy_on(problem, data, splits, seed)

        self._test = test

    def accuracies(self, source: Source, number: int) -> list[list[float]]:
        """Returns, for every split, one accuracy of learners 0, 1, .. each.

        Raises:
          Stopped: by a signal.
        """
        found = []
        with stoppable() as check_signals:
            for index in range(number):
                check_signals()
                seed = fold(self._root, index)
                found.append(self._test(source.synthesize(seed), seed).numpy())
        return np.transpose(found).tolist()
