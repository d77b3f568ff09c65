"""Meta-trains a teacher from Python.

    teacher = gtn_tf.fit((images, label_ids), learner=build, workdir="runs/a")

The same run as the command line's: its files, its bits, its resuming.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.config import (
    FIELDS,
    default_config,
    unknown_key_error,
    validate,
)
from gtn_tf.config.families import learner_names as learner_names_of
from gtn_tf.config.named import named_config
from gtn_tf.export import write as export
from gtn_tf.export.load import Teacher, load
from gtn_tf.front.data_argument import dataset_name
from gtn_tf.front.learner_argument import (
    LearnerArguments,
    learner_names,
    listed_learners,
)
from gtn_tf.import_paths import is_import_path
from gtn_tf.learners.functional import own_digests
from gtn_tf.learners.own_networks import from_import_path
from gtn_tf.runtime.bucket_workdir import opened_workdir
from gtn_tf.runtime.global_switches import without_lasting_determinism
from gtn_tf.runtime.graph_rewriting import repeatable_graphs
from gtn_tf.training.assembly import load_dataset
from gtn_tf.training.own_data import check_own_data, is_own_data
from gtn_tf.training.pretrain import pretrain
from gtn_tf.training.run import check_networks
from gtn_tf.types import DivergenceError, InputError

#: Argument of `fit` -> the key that it sets.
_KEYS = {
    "inner_steps": "inner.num_steps",
    "inner_batch_size": "inner.batch_size",
    "meta_steps": "meta.num_steps",
    "seed": "seed",
}
#: Argument -> the keys that are its own where it is given.
_SET_BY = {name: (key,) for name, key in _KEYS.items()} | {
    "data": ("dataset.name",),
    "learner": ("learner.name", "learner.pool"),
}


def fit(
    data: Any,
    *,
    workdir: Path | str,
    learner: LearnerArguments | None = None,
    inner_steps: int | None = None,
    inner_batch_size: int | None = None,
    meta_steps: int | None = None,
    seed: int | None = None,
    config: str | Path | config_dict.ConfigDict = "digits",
    **overrides: Any,
) -> Teacher:
    """Meta-trains a GTN on data and learners of your own; resumes.

    Called again with the same arguments it goes on where the workdir stands,
    bit for bit as if it had not been stopped, and returns at once where it is
    done. Ctrl-C saves first.

    Args:
      data: (images, label_ids), images uint8, or float in 0 .. 1, [N, H, W,
        C] or [N, H, W], and label_ids whole numbers [N] in 0 .. K - 1; a
        `tf.data.Dataset` of such pairs, in the same order each time; a dict of
        such splits and their class names (see `gtn_tf.datasets.arrays`); or
        what `dataset.name` takes, such as "mnist" or "folder:~/pets".
      workdir: of all files, here or in a bucket (`gs://..`); the export is in
        its folder `export`.
      learner: what learns from the synthetic data: a function of no arguments,
        or of (image_shape, num_classes), that makes a Keras model of images
        [B, H, W, C] in normalised units to logits [B, K]; a name, such as
        "conv2_fc"; or a list, of which every learner draws one. None: the
        config's.
      inner_steps: T, of a learner on synthetic data.
      inner_batch_size: B, synthetic images per inner step.
      meta_steps: of meta-training.
      seed: of all random numbers, a whole number in [0, 2**62).
      config: where all other keys come from: a name or path of a config file,
        or a config. The default is small, for two CPU cores.
      **overrides: keys of docs/config.md, with `__` for the dot:
        `meta__learning_rate=0.005`.

    Returns:
      The export, as `gtn_tf.load(workdir)` gives it.

    Raises:
      InputError: bad data, learner or key, a key that an argument gives as
        well, `source="real"`, which has nothing to export, or a workdir that
        was begun with others.
      DivergenceError: the meta-loss or its gradient is not finite.
      KeyboardInterrupt: it was stopped by Ctrl-C, and saved; SIGTERM ends the
        process likewise.
    """
    named = {
        "inner_steps": inner_steps,
        "inner_batch_size": inner_batch_size,
        "meta_steps": meta_steps,
        "seed": seed,
    }
    keys = {_KEYS[k]: v for k, v in named.items() if v is not None}
    given = {"data": data, "learner": learner, **named}
    try:
        for name, value in overrides.items():
            key = name.replace("__", ".")
            _refuse_twice(name, key, given)
            keys[key] = value
        filled = _config(config, keys, dataset_name(data), learner)
        with (
            opened_workdir(workdir, "workdir") as folder,
            without_lasting_determinism(),
            repeatable_graphs(),
        ):
            code = _train_and_export(filled, folder)
    except (InputError, DivergenceError) as error:
        raise type(error)(in_python(str(error))) from error
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise SystemExit(code)
    return load(folder)


def _refuse_twice(name: str, key: str, given: Mapping[str, Any]) -> None:
    """Refuses an override of what an argument says as well."""
    for argument, value in given.items():
        if key in _SET_BY[argument] and value is not None:
            raise InputError(
                f"{argument} and {name} are both given; expected one of them, "
                "as both say the same; leave one out"
            )


def _config(
    given: str | Path | config_dict.ConfigDict,
    keys: Mapping[str, Any],
    dataset: str,
    learner: LearnerArguments | None,
) -> config_dict.ConfigDict:
    """Returns the whole config; reads the data, as learners fit them."""
    if not isinstance(given, str | Path | config_dict.ConfigDict):
        raise InputError(
            f"config is a {type(given).__name__}; expected a name or path of a "
            "config file, or an ml_collections ConfigDict of all keys; give "
            "single keys as keywords of fit, such as meta__learning_rate=0.005"
        )
    is_config = isinstance(given, config_dict.ConfigDict)
    config = config_dict.ConfigDict(given if is_config else named_config(given))
    for key in keys:
        if key not in FIELDS:
            raise unknown_key_error(key)
    with config.ignore_type():  # `validate` says what is wrong
        try:
            _fill(config, keys, dataset, learner)
        except (AttributeError, KeyError, TypeError):  # it lacks a group
            validate(config)
            raise
        validate(config)
        if config.source == "real":
            raise InputError(
                "source is 'real', which makes no synthetic data; expected "
                "'gtn' or 'distillation'; leave it out, or meta-train the "
                "rates of real data by the command line"
            )
        if learner is not None:
            found = load_dataset(config)
            config.learner.name = learner_names(
                learner, tuple(found.image_shape), found.num_classes
            )
    return config


def _fill(
    config: config_dict.ConfigDict,
    keys: Mapping[str, Any],
    dataset: str,
    learner: LearnerArguments | None,
) -> None:
    config.dataset.name = dataset
    if learner is not None:
        config.learner.widths = config.learner.pool = None
        listed = listed_learners(learner)
        if not any(isinstance(one, str) for one in listed):
            # Keys of our own layers would only be said to do nothing.
            config.learner = default_config().learner
    for key, value in keys.items():
        *groups, name = key.split(".")
        node = config
        for group in groups:
            node = node[group]
        node[name] = value


def _train_and_export(config: config_dict.ConfigDict, workdir: Path) -> int:
    if not export.is_current(config, workdir):
        return pretrain(config, workdir) or export.export(config, workdir)
    own = [*filter(is_import_path, learner_names_of(config))]
    if own or is_own_data(config.dataset.name):  # else why read the data
        dataset = load_dataset(config)
        check_own_data(dataset, workdir)
        shape = tuple(dataset.image_shape), dataset.num_classes
        learners = [from_import_path(name, *shape) for name in own]
        check_networks(own_digests(learners), workdir)
    return 0


def in_python(message: str) -> str:
    """Returns a message with flags in a Python caller's words."""
    arguments = {key: name for name, key in _KEYS.items()} | {
        "dataset.name": "data",
        "learner.name": "learner",
    }

    def argument(found: re.Match) -> str:
        key = found[1]
        return arguments.get(key, key.replace(".", "__"))

    message = re.sub(r"dataset\.name 'gtn_tf\.given:\w+'", "data", message)
    message = re.sub(r"--config\.([a-z_0-9.]*[a-z_0-9])", argument, message)
    message = message.replace("--workdir", "workdir")
    message = re.sub(r"gtn_tf\.given:(\w+?)_[0-9a-f]{12}", r"\1", message)
    return re.sub(r"(run )?--mode=\w+", "gtn_tf.fit", message)
