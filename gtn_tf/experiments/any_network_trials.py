"""Held-out networks, trained on a GTN's data and on real ones."""

import dataclasses
import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.config.choices import BASELINES
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.evaluation.baselines import changed
from gtn_tf.evaluation.sources import Setting, Source, source_of_run
from gtn_tf.experiments.any_network import (
    BEST_MULTIPLE,
    OF_GTN,
    OWN_RATES,
    RANK_RULES,
    REAL,
    REAL_EITHER,
)
from gtn_tf.experiments.trials import Measure
from gtn_tf.import_paths import choose
from gtn_tf.learners.held_out import HELD_OUT, held_out_learner
from gtn_tf.meta.inner_optimizers import normalized
from gtn_tf.nas.rate_rules import DEFAULT, parse_rule
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.progress import say
from gtn_tf.training.run import Run
from gtn_tf.types import SyntheticData

#: One of which is chosen for each network.
RULES = {
    # The lowest for deep networks with batch normalisation.
    BEST_MULTIPLE: tuple(
        f"learned:{x}" for x in (0.0625, 0.125, 0.25, 0.5, 1, 2, 4)
    ),
    RANK_RULES: DEFAULT,
}
#: Learners per rule, times those of the grid of real data's rates: as
#: many as for the finalists there.
_TIMES_LEARNERS = 4

#: A setting with a network and an optimizer, and what it trains on.
_Way = tuple[Setting, Source]


def make_measure(plain: config_dict.ConfigDict, folder: Path) -> Measure:
    """Returns what tests a run's data on every held-out network.

    Args:
      plain: the config without an arm's changes: beside its data alone are
        networks trained on real ones.
      folder: of the experiment; tunings of rates go to `tuning/` in it.
    """

    def measure(
        config: config_dict.ConfigDict, run: Run, dataset: Dataset
    ) -> dict[str, Any]:
        with_real = config == changed(plain, {"seed": config.seed})
        columns = [*OF_GTN, *((*REAL, *REAL_EITHER) if with_real else ())]
        found: dict[str, dict[str, Any]] = {
            key: {column: {} for column in columns}
            for key in ("accuracies_on", "how", "setup_seconds_on")
        }
        setting = build_setting(config, folder, dataset)
        data = source_of_run(config.source, run)
        for number, name in enumerate(HELD_OUT, start=1):
            say(f"network {number} of {len(HELD_OUT)}: {name}")
            by_kind = _by_kind(_with_network(setting, name))
            tried = _try_rules(by_kind, data)
            own = by_kind["learned"], data._replace(how="multiple 1")
            ways = {OWN_RATES: own}
            ways |= {key: _best_of(tried, RULES[key]) for key in RULES}
            ways |= _on_real(by_kind) if with_real else {}
            for column in columns:
                trained, source = ways[column]
                accuracies = _accuracies(
                    *(trained, source, range(setting.num_learners)),
                    Purpose.EVALUATION,
                )
                for key, value in (
                    ("accuracies_on", accuracies),
                    ("how", source.how),
                    ("setup_seconds_on", source.setup_seconds),
                ):
                    found[key][column][name] = value
        return {**found, "rules": {k: list(v) for k, v in RULES.items()}}

    return measure


def _with_network(setting: Setting, name: str) -> Setting:
    """Returns the setting with a held-out network as its learner."""
    learner = held_out_learner(
        name, setting.dataset.image_shape, setting.dataset.num_classes
    )
    tuning = setting.tuning
    return dataclasses.replace(
        setting,
        problem=setting.problem._replace(learners=(learner,)),
        workdir=setting.workdir / "tuning" / str(setting.seed) / name,
        tuning=tuning._replace(asked={**tuning.asked, "network": name}),
    )


def _by_kind(setting: Setting) -> dict[str, Setting]:
    """Returns the setting by kind of rule; none of `RULES` is Adam's.

    Both are traced by the first data of a shape, whatever these are.
    """
    problem, tuning = setting.problem, setting.tuning
    by_norm = dataclasses.replace(
        setting,
        problem=problem._replace(optimizer=normalized(problem.optimizer)),
        workdir=setting.workdir / "normalized",
        tuning=tuning._replace(asked={**tuning.asked, "updates": "normalized"}),
    )
    return {"learned": setting, "normalized": by_norm}


def _on_real(by_kind: Mapping[str, Setting]) -> dict[str, _Way]:
    """Returns what trains on real images, at rates tuned for the network."""
    found = {}
    plain, by_norm = by_kind["learned"], by_kind["normalized"]
    for name, either in zip(REAL, REAL_EITHER, strict=True):
        make = choose(name, BASELINES, "evaluation.sources")
        found[name] = plain, make(plain)
        source = make(by_norm)
        source = source._replace(how=f"normalised updates, {source.how}")
        ways = [found[name], (by_norm, source)]
        setting, best = max(ways, key=lambda way: way[1].tuned_accuracy)
        seconds = sum(source.setup_seconds for _, source in ways)
        found[either] = setting, best._replace(setup_seconds=seconds)
    return found


class _Tried(NamedTuple):
    """A rule of `nas.rate_rules` on one network.

    Attributes:
      setting, source: what trains by it.
      accuracy: mean of the learners that choose; its seconds are the source's.
    """

    setting: Setting
    source: Source
    accuracy: float


def _try_rules(
    by_kind: Mapping[str, Setting], data: Source
) -> dict[str, _Tried]:
    """Tries each rule of `RULES` once."""
    for own in by_kind.values():  # traced here, which is in no rule's seconds
        _accuracies(own, data, [0], Purpose.TUNING)
    num_learners = by_kind["learned"].tuning.num_learners
    learners = range(_TIMES_LEARNERS * num_learners)
    tried = {}
    for rule in dict.fromkeys(itertools.chain(*RULES.values())):
        kind, number = parse_rule(rule)
        source = _times(number, data)
        if kind == "normalized":
            source = source._replace(how=f"normalised updates, {source.how}")
        began = time.monotonic()
        values = _accuracies(by_kind[kind], source, learners, Purpose.TUNING)
        seconds = time.monotonic() - began
        source = source._replace(setup_seconds=seconds)
        tried[rule] = _Tried(by_kind[kind], source, float(np.mean(values)))
    return tried


def _best_of(tried: Mapping[str, _Tried], rules: Sequence[str]) -> _Way:
    """Returns what trains by the best of some rules, of all their seconds."""
    best = max((tried[rule] for rule in rules), key=lambda one: one.accuracy)
    seconds = sum(tried[rule].source.setup_seconds for rule in rules)
    return best.setting, best.source._replace(setup_seconds=seconds)


def _times(multiple: float, data: Source) -> Source:
    @tf.function(autograph=False)
    def synthesize(seed: tf.Tensor) -> SyntheticData:
        made = data.synthesize(seed)
        rates = made.hyperparameters
        scaled = {**rates, "learning_rate": multiple * rates["learning_rate"]}
        return made._replace(hyperparameters=scaled)

    return data._replace(synthesize=synthesize, how=f"multiple {multiple:g}")


def _accuracies(
    setting: Setting, source: Source, learners: Iterable[int], purpose: Purpose
) -> list[float]:
    """Returns validation accuracies of fresh networks; raises Stopped."""
    found = []
    with stoppable() as check_signals:
        for index in learners:
            check_signals()
            seed = fold(root_seed(setting.seed), purpose, index)
            made = source.synthesize(seed)
            found.append(float(setting.accuracy_of(made, seed)))
    return found
