"""Trained on one learner, evaluated on others: which GTN transfers?

An arm is a recipe for meta-training, all with the same number of meta-steps,
but for `longer`: twice the inner steps, which its fresh learners take too, and
half the meta-steps. Each trial's data then train fresh learners of every
family, and of the config's own family with other widths, initialisations and
layers. A recipe is to be chosen by `chosen_by`, which reads validation data
only; the table of all learners is of test data.

The official code's GTN is reported not to transfer to learners with global
pooling, nor to deep ones; a GTN that ranks architectures has to.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import config_dict

from gtn_tf.config.families import learner_names, learner_widths
from gtn_tf.datasets.batches import device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.baselines import AS_REAL
from gtn_tf.experiments.trials import (
    changed,
    fresh_accuracies,
    make_trials,
    run_trials,
)
from gtn_tf.layers.registry import INITIALIZERS
from gtn_tf.learners.families import FAMILIES
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.statistics.over_seeds import (
    Value,
    difference,
    of_arm,
)
from gtn_tf.training.assembly import build_learner_family, build_problem
from gtn_tf.training.run import Run
from gtn_tf.types import InputError

#: Families that the recipe `pool` meta-trains on; the others are held out.
POOL = ("conv2_fc", "conv2_pool", "conv3_fc", "conv3_pool", "mlp")
#: Recipes that differ in the source of the data alone.
_GTN_AND_REAL = (("own", "real"), ("pool", "real_pool"))


class Variant(NamedTuple):
    """A learner that synthetic data are tried on.

    Attributes:
      family: of `FAMILIES`.
      widths: of its layers.
      changes: values of dotted config keys.
    """

    family: str
    widths: tuple[int, ...]
    changes: dict[str, Any]


def transfer(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns test accuracy by recipe and learner.

    `chosen_by` has each recipe's mean validation accuracy over the learners
    that no recipe meta-trains on.

    Raises:
      InputError: the config has several families, or draws widths.
    """
    widths = _own_widths(config)
    own = learner_names(config)[0]
    arms = recipes(config, own, widths)
    variants = make_variants(own, widths)

    def measure(run: Run, dataset: Dataset) -> dict[str, Any]:
        names = ("validation", "test")
        splits = [device_split(dataset, split) for split in names]
        found = {f"{split}_accuracies_on": {} for split in names}
        for name, variant in variants.items():
            measured = fresh_accuracies(run, _problem(run, variant), splits)
            for on, accuracies in zip(found.values(), measured, strict=True):
                on[name] = accuracies
        return found

    results = run_trials(make_trials(config, arms), folder, measure)
    test = {name: _mean_on("test", [name]) for name in variants}
    held_out = [name for name in variants if name not in (own, *POOL)]
    chosen_by = _mean_on("validation", held_out)
    return {
        "own": own,
        "pool": POOL,
        "held_out": held_out,
        "chosen_by": {arm: of_arm(results, arm, chosen_by) for arm in arms},
        "chosen_by_minus_own": {
            arm: difference(results, arm, "own", chosen_by)
            for arm in arms
            if arm != "own"
        },
        "arms": {
            arm: {name: of_arm(results, arm, on) for name, on in test.items()}
            for arm in arms
        },
        "differences": {
            f"{arm} - {other}": {
                name: difference(results, arm, other, on)
                for name, on in test.items()
            }
            for arm, other in (
                *((arm, "own") for arm in arms if arm != "own"),
                *(pair for pair in _GTN_AND_REAL if set(pair) <= arms.keys()),
            )
        },
        "results": results,
    }


def recipes(
    config: config_dict.ConfigDict, own: str, widths: tuple[int, ...]
) -> dict[str, dict[str, Any]]:
    """Returns the arms: what each changes in the config."""
    pool = {
        "learner.name": ",".join(POOL),
        "learner.widths": tuple(_scaled(n, own, widths) for n in POOL),
    }
    # The rate that `evaluate` gives to real data: the GTN's is far too low.
    rates = config.evaluation.meta_learning_rates
    rate = rates[0] if rates else config.meta.learning_rate
    real = {**AS_REAL, "meta.learning_rate": rate}
    return {
        "own": {},
        "pool": pool,
        "soft_labels": {"curriculum.learn_labels": True},
        "drawn_widths": {
            "learner.widths": tuple((max(1, w // 2), w) for w in widths)
        },
        "longer": {
            "inner.num_steps": 2 * config.inner.num_steps,
            "meta.num_steps": -(-config.meta.num_steps // 2),
        },
        "pool_soft_labels": {**pool, "curriculum.learn_labels": True},
        "real": real,
        "real_pool": {**real, **pool},
    }


def make_variants(own: str, widths: tuple[int, ...]) -> dict[str, Variant]:
    """Returns the learners that every recipe is tried on."""
    half, double = (
        tuple(max(1, round(w * factor)) for w in widths) for factor in (0.5, 2)
    )
    return {
        **{
            name: Variant(name, _scaled(name, own, widths), {})
            for name in FAMILIES
        },
        "half as wide": Variant(own, half, {}),
        "twice as wide": Variant(own, double, {}),
        **{
            name: Variant(own, widths, {"learner.initializer": name})
            for name in list(INITIALIZERS)[1:]
        },
        "plain layers": Variant(own, widths, {"learner.weight_norm": False}),
        "full batch norm": Variant(
            own, widths, {"learner.normalization": "batch"}
        ),
    }


def _own_widths(config: config_dict.ConfigDict) -> tuple[int, ...]:
    names, widths = learner_names(config), learner_widths(config)[0]
    if len(names) == 1 and names[0] in FAMILIES:
        widths = FAMILIES[names[0]].widths if widths is None else widths
        if all(isinstance(width, int) for width in widths):
            return tuple(widths)
    raise InputError(
        f"experiment 'transfer' with learner.name '{config.learner.name}' and "
        f"learner.widths {config.learner.widths}; expected one family of "
        f"{', '.join(FAMILIES)} and fixed widths; set --config.learner.name"
    )


def _scaled(name: str, own: str, widths: tuple[int, ...]) -> tuple[int, ...]:
    """Returns a family's widths, scaled as the config scales its own."""
    if name == own:
        return widths
    scale = widths[0] / FAMILIES[own].widths[0]
    return tuple(max(1, round(w * scale)) for w in FAMILIES[name].widths)


def _problem(run: Run, variant: Variant) -> InnerProblem:
    config = changed(run.config, variant.changes)
    learners = build_learner_family(config, variant.family, variant.widths)
    problem = build_problem(run.config, device_split(run.dataset, "train"))
    return problem._replace(learners=learners)


def _mean_on(split: str, names: list[str]) -> Value:
    """Returns what averages a trial's accuracy over these learners."""

    def value(result: dict) -> float | None:
        of_variants = result.get(f"{split}_accuracies_on")
        if of_variants is None:
            return None
        return float(np.mean([np.mean(of_variants[name]) for name in names]))

    return value
