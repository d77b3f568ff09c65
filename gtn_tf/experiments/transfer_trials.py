"""Recipes of `transfer`, and the learners that each one's data train."""

from typing import Any, NamedTuple

from ml_collections import config_dict

from gtn_tf.config.families import learner_names, learner_widths
from gtn_tf.datasets.batches import device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.baselines import AS_REAL, changed
from gtn_tf.experiments.trials import Measure, fresh_accuracies
from gtn_tf.layers.registry import INITIALIZERS
from gtn_tf.learners.registry import FAMILIES
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.training.assembly import build_learner_family, build_problem
from gtn_tf.training.run import Run
from gtn_tf.types import InputError

#: Families that the recipe `pool` meta-trains on; the others are held out.
POOL = ("conv2_fc", "conv2_pool", "conv3_fc", "conv3_pool", "mlp")


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


def own_widths(config: config_dict.ConfigDict) -> tuple[int, ...]:
    """Returns the widths of the config's one family.

    Raises:
      InputError: it has several, or draws widths.
    """
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


def _scaled(name: str, own: str, widths: tuple[int, ...]) -> tuple[int, ...]:
    """Returns a family's widths, scaled as the config scales its own."""
    if name == own:
        return widths
    scale = widths[0] / FAMILIES[own].widths[0]
    return tuple(max(1, round(w * scale)) for w in FAMILIES[name].widths)


def make_measure(variants: dict[str, Variant]) -> Measure:
    """Returns what tests a run's data on each of these learners."""

    def measure(
        config: config_dict.ConfigDict, run: Run, dataset: Dataset
    ) -> dict[str, Any]:
        names = ("validation", "test")
        splits = [device_split(dataset, split) for split in names]
        found = {f"{split}_accuracies_on": {} for split in names}
        for name, variant in variants.items():
            measured = fresh_accuracies(
                config, run, _problem(config, run, variant), splits
            )
            for on, accuracies in zip(found.values(), measured, strict=True):
                on[name] = accuracies
        return found

    return measure


def _problem(
    config: config_dict.ConfigDict, run: Run, variant: Variant
) -> InnerProblem:
    learners = build_learner_family(
        changed(config, variant.changes),
        variant.family,
        variant.widths,
        run.dataset.image_shape,
        run.dataset.num_classes,
    )
    problem = build_problem(config, device_split(run.dataset, "train"))
    return problem._replace(learners=learners)
