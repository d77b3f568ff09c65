"""From a config to what is compared, and on what."""

import functools
from pathlib import Path

import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.config import FIELDS, flatten
from gtn_tf.config.families import transfer_widths
from gtn_tf.datasets.batches import device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.baselines import meta_train
from gtn_tf.evaluation.sources import Setting, Tuning
from gtn_tf.learners.functional import own_digests
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.runtime.files import to_json
from gtn_tf.training.assembly import build_learner_family, build_problem
from gtn_tf.training.memory import check_memory, transfer_parts
from gtn_tf.training.own_data import is_own_data, split_digest

#: Keys that results which are kept know nothing of: absent at their default.
_LATER_DATA = ("dataset.image_size", "dataset.max_images")
_LATER_KEYS = (
    *_LATER_DATA,
    "learner.pool",
    "learner.pool_num_networks",
    "inner.learning_rate_spread",
)
_JUDGED_BY = "evaluation.num_validation_images"  # likewise


def build_setting(
    config: config_dict.ConfigDict, workdir: Path, dataset: Dataset
) -> Setting:
    """Puts the data into tensors and builds the learners."""
    train = device_split(dataset, "train")
    problem = build_problem(config, train)
    return Setting(
        source=config.source,
        seed=config.seed,
        sequence_shape=(config.inner.num_steps, config.inner.batch_size),
        num_learners=config.evaluation.num_learners,
        workdir=workdir,
        dataset=dataset,
        problem=problem,
        train=train,
        validation=device_split(dataset, "validation").first(
            config.evaluation.num_validation_images
        ),
        tuning=_tuning(config, own_digests(problem.learners)),
        meta_train=functools.partial(
            meta_train, config=config, workdir=workdir
        ),
        facts=_facts(config, dataset),
    )


def transfer_problems(
    config: config_dict.ConfigDict, dataset: Dataset, problem: InnerProblem
) -> dict[str, InnerProblem]:
    """Returns the problem with each of `evaluation.learners`, by its name."""
    names = config.evaluation.learners
    shape = dataset.image_shape, dataset.num_classes
    pairs = list(zip(names, transfer_widths(config), strict=True))
    for name, widths in pairs:
        check_memory(config, transfer_parts(config, name, widths, *shape))
    return {
        name: problem._replace(
            learners=build_learner_family(config, name, widths, *shape)
        )
        for name, widths in pairs
    }


def _tuning(config: config_dict.ConfigDict, networks: dict[str, str]) -> Tuning:
    numbers = {
        key: config.evaluation[key]
        for key in (
            "tuning_learning_rates",
            "tuning_momenta",
            "tuning_num_learners",
        )
    }
    asked = {
        key: value
        for key, value in config.to_dict().items()
        if key in ("seed", "dataset", "learner", "inner", "precision")
    }
    for key in _LATER_KEYS:
        group, name = key.split(".")
        if asked[group][name] == FIELDS[key].default:
            del asked[group][name]
    asked |= numbers
    number = config.evaluation.num_validation_images
    if number is not None:
        asked["num_validation_images"] = number
    if networks:
        asked["networks"] = networks
    return Tuning(*numbers.values(), to_json(asked))


def _facts(config: config_dict.ConfigDict, dataset: Dataset) -> list:
    facts = [
        tf.__version__,
        config.seed,
        config.dataset.name,
        config.dataset.split_seed,
        # Without those at their default: a key may come to be.
        {
            key: value
            for key, value in flatten(config.to_dict())
            if (key.startswith("learner.") or key in (*_LATER_DATA, _JUDGED_BY))
            and value != FIELDS[key].default
        },
        config.evaluation.widths,
        config.inner.optimizer,
        config.precision,
    ]
    if config.evaluation.widths is not None:  # each is of the family beside it
        facts.append(config.evaluation.learners)
    if is_own_data(dataset.name) and dataset.test is not None:
        facts.append(split_digest(dataset.test))
    return facts
