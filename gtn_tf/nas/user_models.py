"""Ranks a user's own Keras models by a few steps on a GTN's data.

    teacher = gtn_tf.load("runs/digits")
    scores = gtn_tf.nas.rank({"small": build_a, "wide": build_b}, teacher)
    print(scores)  # a table
    scores.best, scores["wide"], scores[1]

The learned rates fit the learners that they were learned with. So each network
is trained by several rules, and the one by which it learns best counts; what
that costs is among its seconds.
"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from gtn_tf.config.evaluator_names import ALONG, READOUTS
from gtn_tf.datasets.batches import RealData
from gtn_tf.export.load import Teacher, load
from gtn_tf.learners.batch_statistics import (
    batch_measure,
    change_momenta,
    moving_statistics,
    normalizing_by_the_batch,
    settle_statistics,
)
from gtn_tf.learners.functional import from_keras
from gtn_tf.learners.own_networks import (
    build_own_network,
    check_keras_settings,
)
from gtn_tf.learners.undoing import changes_undone
from gtn_tf.nas.model_scores import ModelScore, ModelScores
from gtn_tf.nas.rate_rules import DEFAULT, RateRule, rate_rules
from gtn_tf.nas.training import Trainer
from gtn_tf.nas.validation_data import Given, validation_data
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.graph_memory import TracedGraphs, older_objects_kept
from gtn_tf.runtime.graph_rewriting import repeatable_graphs
from gtn_tf.statistics.intervals import mean_interval
from gtn_tf.types import PERSONS_ERRORS, DivergenceError, InputError, one_line

Builder = Callable[[], keras.Model]

STATISTICS = ("synthetic", "validation")


@older_objects_kept()
def rank(
    builders: Iterable[Builder] | Mapping[str, Builder],
    gtn: Teacher | Path | str,
    validation: Given | None = None,
    seed: int = 0,
    *,
    data: Given | None = None,
    data_dir: Path | str | None = None,
    seeds: int = 1,
    readout: str = "accuracy",
    statistics: str = "synthetic",
    rates: Sequence[str] = DEFAULT,
) -> ModelScores:
    """Trains each model on a GTN's batches; returns how good they become.

    Args:
      builders: each makes a Keras model, images [B, H, W, C] to logits [B, K];
        a list, or a dict by name. Its initial values are not used, its
        initializers are, but for frozen layers. What
        `gtn_tf.learners.own_networks` says is put right or refused. The
        momentum of batch normalisation does not matter: see `statistics`.
      gtn: from `gtn_tf.load`, or what that takes.
      validation: another name of `data`.
      seed: of the initial weights, a whole number in [0, 2**62); equal seeds
        give equal scores.
      data: (images, label_ids), raw real images that the models are asked
        about, which the GTN was not meta-trained on: [N, H, W, C], or [N, H, W]
        where C is 1, uint8 or float in 0 .. 1, and whole numbers [N] in
        0 .. K - 1; a `tf.data.Dataset` of such pairs, batched or not; or a
        dict that has either as `validation`. None: the
        validation split of the GTN's own data set.
      data_dir: where that is, if it is one of TFDS.
      seeds: how many times each model is trained, from other initial weights;
        the mean counts.
      readout: `accuracy`, `log_likelihood` or `log_likelihood_along` (of those
        images), or `training_loss_sum`, as of `search.readout`.
      statistics: what batch normalisation goes by: `synthetic`, the mean
        statistics of the GTN's batches, or `validation`, those of the images
        asked about, 500 at a time, which needs no labels. On the way it is
        always the latter.
      rates: the rules that each model is trained by, of which the best one
        counts, or one rule; see `gtn_tf.nas.rate_rules`. The learned rates
        alone are "learned:1".

    Returns:
      One score per builder, in their order, higher is better, as a list which
      prints as a table; NaN, with a warning that gives its position, where the
      model cannot be built or is refused, or its training diverged.

    Raises:
      InputError: no such export, bad data or another argument out of range, no
        builder; or none whose model can be trained, such as the only one:
        then the first one's reason.
    """
    _check_numbers(seed, seeds)
    _check_choice("readout", readout, READOUTS)
    _check_choice("statistics", statistics, STATISTICS)
    if validation is not None and data is not None:
        raise InputError(
            "validation and data are both given; expected one of them, as they "
            "are the same; leave one out"
        )
    check_keras_settings()
    named = _named(builders)
    teacher = load(gtn)
    real = validation_data(
        teacher, validation if data is None else data, data_dir
    )
    rules = rate_rules(teacher, rates)
    initial = fold(root_seed(seed), Purpose.SEARCH)
    initials = [
        fold(initial, Purpose.INITIALIZATION, number) if number else initial
        for number in range(seeds)
    ]
    rows, graphs = [], TracedGraphs()
    # Of all errors: an error holds the model that it is about.
    num_refused, first_refused = 0, None
    for name, build in named.items():
        began = time.perf_counter()
        try:
            with repeatable_graphs(), graphs.collected(), changes_undone():
                row = _score(
                    *(name, build, teacher, rules, real, initials),
                    *(readout, statistics),
                )
        except PERSONS_ERRORS as raised:
            error = _in_one_line(raised)
            logging.warning("Builder %s has no score: %s.", name, str(error))
            if isinstance(error, InputError):
                num_refused += 1
                first_refused = first_refused or (name, error)
            spent = time.perf_counter() - began
            row = ModelScore(
                name, float("nan"), seconds=spent, refusal=str(error)
            )
        graphs.release()
        rows.append(row)
    if num_refused == len(rows):
        name, error = first_refused
        raise InputError(f"builder {name}: {error}") from error
    title = (
        f"{readout} after {len(teacher)} steps on {teacher.path}, {seeds} "
        f"initialisation(s), the best of {len(rules)}: "
        + ", ".join(rule.text for rule in rules)
    )
    return ModelScores(rows, title)


def _in_one_line(error: BaseException) -> InputError | DivergenceError:
    if isinstance(error, InputError | DivergenceError):
        return error
    reason = f"{type(error).__name__}: {one_line(error)}"
    return InputError(
        f"its training raised {reason}; expected a network that trains; "
        "correct it"
    )


def _check_numbers(seed: int, seeds: int) -> None:
    if not _is_whole(seed) or not 0 <= seed < 2**62:
        raise InputError(
            f"seed is {seed!r}; expected a whole number in [0, 2**62); give "
            "another seed"
        )
    if not _is_whole(seeds) or seeds < 1:
        raise InputError(
            f"seeds is {seeds!r}; expected a whole number, at least 1; it says "
            "how often each model is trained, `seed` from what"
        )


def _check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise InputError(
            f"{name} is {value!r}; expected one of {', '.join(choices)}; give "
            "one of them"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _named(
    builders: Iterable[Builder] | Mapping[str, Builder],
) -> dict[str, Builder]:
    """Returns the builders by name: their keys, or places in the list."""
    if callable(builders) or not isinstance(builders, Iterable):
        raise InputError(
            f"builders is a {type(builders).__name__}; expected a list or a "
            "dict of functions that make a Keras model; put it in a list"
        )
    pairs = (
        builders.items()
        if isinstance(builders, Mapping)
        else enumerate(builders)
    )
    named: dict[str, Builder] = {}
    for name, build in pairs:
        if str(name) in named:
            raise InputError(
                f"builders has two networks named {str(name)!r}; expected "
                "keys that differ as texts; rename one"
            )
        named[str(name)] = build
    if not named:
        raise InputError(
            "builders is empty; expected at least one function that makes a "
            "Keras model; give some"
        )
    return named


def _score(
    name: str,
    build: Builder,
    teacher: Teacher,
    rules: Sequence[RateRule],
    real: RealData,
    seeds: Sequence[tf.Tensor],
    readout: str,
    statistics: str,
) -> ModelScore:
    """Trains one model by all rules from `seeds`; the best rule counts.

    Raises:
      InputError: the model is refused.
      DivergenceError: it diverged by every rule.
    """
    began = time.perf_counter()
    metadata = teacher.metadata
    model = build_own_network(
        build, tuple(metadata["image_shape"]), metadata["num_classes"]
    )
    change_momenta(model)
    learner = from_keras(lambda: model, second_order=False)
    moving = moving_statistics(model, rules[0].steps[0].images)
    optimizers = {rule.kind: rule.optimizer for rule in rules}
    first = Trainer(
        *(lambda: learner, rules[0].optimizer, real),
        functools.partial(normalizing_by_the_batch, moving=moving),
    )
    looks = ("validation",) if readout == ALONG else ()
    trainers = dict(
        zip(optimizers, first.sharing_traces(optimizers.values()), strict=True)
    )
    measure = batch_measure(learner, moving)

    def read(rule: RateRule, seed: tf.Tensor) -> float:
        trainer = trainers[rule.kind]
        state = trainer.initial_state(seed)
        trained = trainer.train(state, rule.steps, looks)
        if readout == ALONG or statistics == "validation":
            value = trainer.read(trained, readout, "validation")
        else:
            settled = settle_statistics(
                learner, moving, trained.state, rule.steps, measure
            )
            value = trainer.read(trained._replace(state=settled), readout)
        if not np.isfinite(value):
            raise DivergenceError(f"{readout} is {value} after the training")
        return value

    found, failures = [], []
    for rule in rules:
        try:
            values = [read(rule, seed) for seed in seeds]
            found.append((mean_interval(values), rule.text))
        except DivergenceError as error:
            failures.append(error)
    if not found:
        raise failures[0]
    best, rates = max(found, key=lambda pair: pair[0].mean)
    return ModelScore.of(name, best, rates, time.perf_counter() - began)
