"""KerasTuner's searches by a GTN's scores; needs `pip install 'gtn_tf[tuner]'`.

    tuner = gtn_tf.keras_tuner.RandomSearch(
        build, "gtn:digits_any", max_trials=50
    )
    tuner.search()                                   # seconds a trial
    best = tuner.train_best(3, images, labels, epochs=10, validation_split=0.1)

Any hypermodel does. A trial is a few steps on synthetic data in place of
epochs; the best few are then trained as the hypermodel says, as Hyperband has
short trainings of many and long ones of few. How well the former order ordinary
networks: docs/results/any_ranking.md.

What does not change the network, such as the rate that it is compiled with, no
GTN can score: `search` warns of it.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from gtn_tf.export.load import Teacher, load
from gtn_tf.learners.identity import network_digest
from gtn_tf.nas import rank
from gtn_tf.nas.jobs import teacher_source
from gtn_tf.nas.rate_rules import rate_rules
from gtn_tf.nas.validation_data import validation_data
from gtn_tf.types import PERSONS_ERRORS, InputError, one_line

try:
    import keras_tuner
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "keras_tuner is not installed; expected it for gtn_tf.keras_tuner; pip "
        "install 'gtn_tf[tuner]'"
    ) from error

#: What a tuner makes as large as it can.
OBJECTIVE = "gtn_score"
#: As KerasTuner takes it: hyperparameters to a model, or an object that does.
HyperModel = Callable[..., keras.Model] | keras_tuner.HyperModel


class Trained(NamedTuple):
    """One of the best, trained on real data.

    Attributes:
      hyperparameters: of the network.
      gtn_score: by which it was chosen.
      model: after its training.
      fitted: what the hypermodel's `fit` returns: Keras' `History`.
    """

    hyperparameters: keras_tuner.HyperParameters
    gtn_score: float
    model: keras.Model
    fitted: Any


class _FatalInputError(InputError, keras_tuner.errors.FatalError):
    """Bad input that no other trial would mend: it ends the search."""


class _ByTeacher(keras_tuner.Tuner):
    """A tuner whose trials are scored by a GTN.

    Args:
      hypermodel: (hyperparameters) -> a Keras model, images [B, H, W, C] in
        normalised units to logits or probabilities [B, K]; or a `HyperModel`.
      teacher: from `gtn_tf.load`, or what it takes.
      **tuner_arguments: of the class of KerasTuner, but `objective`, which is
        `gtn_score`.

    Raises:
      InputError: no teacher, or an objective.
    """

    def __init__(
        self,
        hypermodel: HyperModel,
        teacher: Teacher | Path | str,
        **tuner_arguments: Any,
    ) -> None:
        if "objective" in tuner_arguments:
            raise InputError(
                f"objective is {tuner_arguments['objective']!r}; expected "
                f"none, as a trial's score is {OBJECTIVE!r}; leave it out"
            )
        self.teacher = load(teacher)
        objective = keras_tuner.Objective(OBJECTIVE, "max")
        super().__init__(hypermodel, objective=objective, **tuner_arguments)

    def search(
        self, *images: Any, verbose: int = 1, **rank_arguments: Any
    ) -> None:
        """Runs the trials; goes on where `directory` holds some.

        Args:
          *images: none: a trial trains on the GTN's; see `train_best`.
          verbose: 0: print nothing.
          **rank_arguments: of `gtn_tf.nas.rank`, such as its `data`.

        Raises:
          InputError: bad arguments, or `directory` holds trials that another
            teacher, other data or other arguments have scored.
        """
        _check_keywords(len(images), rank_arguments)
        self._check_kept_trials(rank_arguments)
        unscored = self._without_effect()
        if unscored:
            logging.warning(
                "%s: the network is the same whatever the value is, so that "
                "its score tells nothing of it.",
                ", ".join(map(repr, unscored)),
            )
        self.oracle.verbose = verbose
        super().search(**rank_arguments)

    def _check_kept_trials(self, rank_arguments: Mapping[str, Any]) -> None:
        """Refuses to go on with other scores; keeps what these are of."""
        if self._is_worker():  # the chief of a distributed search does it
            return
        path = f"{self.project_dir}/scored_by.json"  # which may be in a bucket
        scored_by = _scored_by(self.teacher, rank_arguments)
        if self.oracle.trials:
            kept = {}
            if tf.io.gfile.exists(path):
                with tf.io.gfile.GFile(path) as file:
                    kept = json.load(file)
            other = [k for k in scored_by if kept.get(k) != scored_by[k]]
            if other:
                others = f"other {' and '.join(other)}"
                raise InputError(
                    f"the trials in {self.project_dir!r} are of "
                    f"{others if kept else 'an unknown GTN'}; expected "
                    "the same, as scores are compared; give another directory "
                    "or project_name, or overwrite=True"
                )
        with tf.io.gfile.GFile(f"{path}.new", "w") as file:
            json.dump(scored_by, file)
        tf.io.gfile.rename(f"{path}.new", path, overwrite=True)

    def run_trial(
        self, trial: keras_tuner.engine.trial.Trial, **rank_arguments: Any
    ) -> dict[str, float]:
        """Scores one network."""

        def build() -> keras.Model:
            return self.hypermodel.build(trial.hyperparameters)

        try:
            (score,) = rank([build], self.teacher, **rank_arguments)
        except InputError as error:
            if str(error).startswith("builder "):
                raise keras_tuner.errors.FailedTrialError(str(error)) from error
            raise _FatalInputError(str(error)) from error
        if not np.isfinite(score):
            raise keras_tuner.errors.FailedTrialError("its training diverged")
        return {OBJECTIVE: float(score)}

    def _without_effect(self) -> list[str]:
        """Returns the hyperparameters that leave the network as it is."""
        space = self.oracle.get_space()
        plain = self._digest(space)
        found = []
        for parameter in space.space:
            if parameter.conditions:
                continue
            others = [
                value
                for value in _some_values(parameter)
                if value != space.values[parameter.name]
            ]
            changed = self.oracle.get_space()
            digests = []
            for value in others:
                changed.values[parameter.name] = value
                digests.append(self._digest(changed))
            if others and set(digests) == {plain}:
                found.append(parameter.name)
        return found

    def _digest(self, hyperparameters: keras_tuner.HyperParameters) -> str:
        try:
            return network_digest(self.hypermodel.build(hyperparameters.copy()))
        except PERSONS_ERRORS as error:
            return one_line(error)  # the trial will tell

    def train_best(
        self, num_models: int, *fit_arguments: Any, **fit_keywords: Any
    ) -> list[Trained]:
        """Trains the best few for real, as the hypermodel compiles them.

        Args:
          num_models: how many.
          *fit_arguments: of the hypermodel's `fit`, which is Keras'. Images in
            the units in which the networks were scored are
            `self.teacher.prepare(images, label_ids)[0]` (`[1]` are the labels,
            one-hot); raw pixels do for networks that scale them themselves.
          **fit_keywords: likewise.

        Returns:
          They, the highest GTN score first.
        """
        trained = []
        for trial in self.oracle.get_best_trials(num_models):
            hyperparameters = trial.hyperparameters
            model = self.hypermodel.build(hyperparameters)
            fitted = self.hypermodel.fit(
                hyperparameters, model, *fit_arguments, **fit_keywords
            )
            trained.append(Trained(hyperparameters, trial.score, model, fitted))
        return trained

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """Refused: the trials keep no weights.

        Raises:
          InputError: always.
        """
        raise InputError(
            "the trials have scores and no weights; expected the best to be "
            f"trained; call train_best({num_models}, ...)"
        )


def _scored_by(
    teacher: Teacher, rank_arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what scores depend on beside the network, as JSON."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(rank).parameters.items()
    }
    given = defaults | dict(rank_arguments)
    images = given["validation"] if given["data"] is None else given["data"]
    real = validation_data(teacher, images, given["data_dir"])
    rules = rate_rules(teacher, given["rates"])
    # In any order, as a shuffled tf.data.Dataset has another each time.
    rows = sorted(
        hashlib.sha256(image.tobytes() + label_id.tobytes()).digest()
        for image, label_id in zip(
            real.images.numpy(), real.label_ids.numpy(), strict=True
        )
    )
    return {
        "teacher": teacher_source(teacher).digest,
        "data": hashlib.sha256(b"".join(rows)).hexdigest(),
        "arguments": {
            **{
                name: str(given[name])
                for name in ("seed", "seeds", "readout", "statistics")
            },
            "rates": [rule.text for rule in rules],
        },
    }


def _check_keywords(num_images: int, given: Mapping[str, Any]) -> None:
    """Refuses what `search` cannot hand to `rank`.

    Raises:
      InputError: it is of another function's arguments.
    """
    _, _, *known = inspect.signature(rank).parameters
    unknown = [repr(name) for name in given if name not in known]
    if num_images or unknown:
        wrong = f"{num_images} by position" if num_images else unknown[0]
        raise InputError(
            f"search has the argument(s) {wrong}; expected keywords of "
            f"gtn_tf.nas.rank, {', '.join(known)}, as a trial trains on the "
            "GTN's data; give what trains on real data to train_best"
        )


def _some_values(parameter: Any) -> list[Any]:
    """Returns a few values of a hyperparameter, from end to end."""
    drawn = [parameter.random_sample(seed) for seed in range(4)]
    return list(dict.fromkeys([parameter.default, *drawn]))


class RandomSearch(_ByTeacher, keras_tuner.RandomSearch):
    """KerasTuner's `RandomSearch`."""


class BayesianOptimization(_ByTeacher, keras_tuner.BayesianOptimization):
    """KerasTuner's `BayesianOptimization`."""


class GridSearch(_ByTeacher, keras_tuner.GridSearch):
    """KerasTuner's `GridSearch`."""
