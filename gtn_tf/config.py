"""Every config key: its default, its range, what it means.

`configs/<name>.py` starts from `default_config()` and overrides; `validate`
refuses a config before any device work.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ml_collections import config_dict

from gtn_tf.nas.evaluator_names import CHOICES, parse_evaluator
from gtn_tf.nas.operations import OPS
from gtn_tf.types import InputError

#: Dataset -> (image shape, number of classes).
DATASETS = {
    "digits": ((8, 8, 1), 10),
    "mnist": ((28, 28, 1), 10),
    "fashion_mnist": ((28, 28, 1), 10),
    "cifar10": ((32, 32, 3), 10),
    "cifar10_16": ((16, 16, 3), 10),
}
SOURCES = ("gtn", "distillation", "real")
#: What `evaluate` compares the workdir's own source with.
BASELINES = ("real", "real_tuned", "real_subset", "distillation", "noise")
CURRICULA = ("full", "shuffled_batch", "all_shuffled", "none", "fixed_noise")
LEARNERS = (
    "conv2_fc",
    "conv2_pool",
    "conv5_pool",
    "conv3_fc",
    "conv3_pool",
    "conv7_fc",
    "conv7_pool",
    "mlp",
    "cell",
)
NORMALIZATIONS = ("mean_only", "batch", "none")
INNER_OPTIMIZERS = ("sgd", "adam", "rmsprop")
INITIALIZERS = (
    "he_normal",
    "glorot_normal",
    "orthogonal",
    "he_normal_half",
    "he_normal_double",
)
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")
PRECISIONS = ("float32", "mixed_bfloat16")
EXECUTORS = ("inline", "ray")
SCHEDULES = ("constant", "cosine")
EXPERIMENTS = (
    "few_step",
    "curricula",
    "weight_norm",
    "transfer",
    "more_data",
)


class Field(NamedTuple):
    """One key.

    Attributes:
      default: its type is the key's type, unless None is allowed.
      expected: the range, in words.
      is_valid: whether a value is in range.
      meaning: what the key does, with its unit.
      may_change: whether a resumed run may have another value.
    """

    default: Any
    expected: str
    is_valid: Callable[[Any], bool]
    meaning: str
    may_change: bool = False


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(default: int | None, low: int, meaning: str, **more: Any) -> Field:
    def is_valid(value: object) -> bool:
        if value is None:
            return default is None
        return _is_int(value) and value >= low

    none = "None or " if default is None else ""
    return Field(
        default, f"{none}a whole number >= {low}", is_valid, meaning, **more
    )


def _real(
    default: float | None,
    expected: str,
    is_valid: Callable[[float], bool],
    meaning: str,
    **more: Any,
) -> Field:
    def check(value: object) -> bool:
        if value is None:
            return default is None
        return _is_number(value) and is_valid(value)

    none = "None or " if default is None else ""
    return Field(default, none + expected, check, meaning, **more)


def _choice(default: str, choices: tuple, meaning: str, **more: Any) -> Field:
    listed = f"one of {', '.join(str(c) for c in choices)}"
    return Field(default, listed, lambda v: v in choices, meaning, **more)


def _switch(default: bool, meaning: str, **more: Any) -> Field:
    return Field(
        default, "True or False", lambda v: isinstance(v, bool), meaning, **more
    )


def _is_width(value: object) -> bool:
    if _is_int(value):
        return value >= 1
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    return is_pair and all(map(_is_int, value)) and 1 <= value[0] <= value[1]


def _are_widths(value: object) -> bool:
    """Widths of one family, or None for its own."""
    return value is None or (
        isinstance(value, tuple | list)
        and len(value) > 0
        and all(map(_is_width, value))
    )


def _are_families_widths(value: object) -> bool:
    """One entry as above per family."""
    return isinstance(value, tuple | list) and all(map(_are_widths, value))


def _is_name(value: object) -> bool:
    """Whether a value, or None, can name a folder."""
    return value is None or (
        isinstance(value, str) and bool(re.fullmatch(r"[\w+-][\w.+-]*", value))
    )


def _are_counts(value: object) -> bool:
    return isinstance(value, tuple | list) and all(
        _is_int(v) and v >= 1 for v in value
    )


def _is_number(value: object) -> bool:
    return (_is_int(value) or isinstance(value, float)) and math.isfinite(value)


def _are_positive(value: object) -> bool:
    return isinstance(value, tuple | list) and all(
        _is_number(v) and v > 0 for v in value
    )


def _is_evaluator(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_evaluator(value))
    except InputError:
        return False


def _are_different(
    is_valid: Callable[[Any], bool],
) -> Callable[[object], bool]:
    """Returns the test for tuples of different valid values, at least one."""
    return lambda values: (
        isinstance(values, tuple | list)
        and all(map(is_valid, values))
        and 0 < len(set(values)) == len(values)
    )


def _is_op(value: object) -> bool:
    return isinstance(value, str) and value in OPS


def _is_path(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(value))


def learner_names(config: config_dict.ConfigDict) -> list[str]:
    """Returns the families of `learner.name`, one or several."""
    return [name.strip() for name in config.learner.name.split(",")]


def learner_widths(config: config_dict.ConfigDict) -> list[tuple | None]:
    """Returns the widths of each family of `learner.name`."""
    num_families = len(learner_names(config))
    if num_families == 1:
        return [config.learner.widths]
    return list(config.learner.widths or [None] * num_families)


def has_drawn_widths(config: config_dict.ConfigDict) -> bool:
    """Returns whether a family's widths are drawn per learner."""
    return any(
        not _is_int(width)
        for widths in learner_widths(config)
        for width in widths or ()
    )


def transfer_widths(config: config_dict.ConfigDict) -> list[tuple | None]:
    """Returns the widths of each family of `evaluation.learners`."""
    num_families = len(config.evaluation.learners)
    return list(config.evaluation.widths or [None] * num_families)


FIELDS = {
    "seed": Field(
        0,
        "a whole number in [0, 2**62)",
        lambda v: _is_int(v) and 0 <= v < 2**62,
        "root of all random numbers",
    ),
    "dataset.name": _choice("mnist", tuple(DATASETS), "real images"),
    "dataset.data_dir": Field(
        None,
        "None or a directory",
        _is_path,
        "where TFDS' data are; None: TFDS_DATA_DIR or TFDS' default",
        may_change=True,
    ),
    "dataset.split_seed": _whole(0, 0, "draws the train / validation split"),
    "source": _choice(
        "gtn",
        SOURCES,
        "a generator; dataset distillation: the images themselves are the "
        "meta-parameters; real images, of which only the inner rates are "
        "learned (a baseline)",
    ),
    "generator.noise_dim": _whole(128, 1, "Z"),
    "generator.dense_widths": Field(
        (1024,),
        "a tuple of whole numbers >= 1",
        _are_counts,
        "units of the hidden dense layers",
    ),
    "generator.channels": Field(
        (128, 64),
        "two whole numbers >= 1",
        lambda v: _are_counts(v) and len(v) == 2,
        "channels before the first and before the second convolution",
    ),
    "generator.rematerialize": _switch(
        False,
        "recompute its activations batch by batch instead of keeping those of "
        "all T batches: a third more work, T times less memory",
    ),
    "curriculum.name": _choice(
        "full",
        CURRICULA,
        "learned noise in a learned order; batches shuffled; all examples "
        "shuffled; fresh noise; fixed random noise",
    ),
    "curriculum.learn_labels": _switch(False, "soft labels, learned"),
    "learner.name": Field(
        "conv2_fc",
        f"one or several (comma-separated) of {', '.join(LEARNERS)}",
        lambda v: (
            isinstance(v, str)
            and all(n.strip() in LEARNERS for n in v.split(","))
        ),
        "family; of several, each learner draws one",
    ),
    "learner.widths": Field(
        None,
        "None, or a width or (low, high) per layer; one such tuple or None "
        "per family if there are several",
        lambda v: _are_widths(v) or (_are_families_widths(v) and len(v) > 0),
        "units per layer, fixed or drawn per learner, ends included; None: "
        "the official ones",
    ),
    "learner.weight_norm": _switch(True, "W = g V / ||V||, or plain layers"),
    "learner.normalization": _choice(
        "mean_only", NORMALIZATIONS, "batch normalisation of the learner"
    ),
    "learner.initializer": _choice(
        "he_normal",
        INITIALIZERS,
        "of the kernels of a fresh learner; half and double: times 0.5, 2; "
        "drawn widths and family cell have he_normal",
    ),
    "learner.pool_size": Field(
        3,
        "2 or 3",
        lambda v: _is_int(v) and v in (2, 3),
        "pixels of the max-pools; 3 officially, 2 is cheaper on CPU and "
        "better on 8x8 images",
    ),
    "learner.genotype": Field(
        None,
        "None or a genotype",
        lambda v: v is None or (isinstance(v, str) and bool(v)),
        "of family cell: a published name or the text form; None: each "
        "learner draws one from the space",
    ),
    "learner.num_cells": _whole(
        1, 0, "N of family cell: normal cells between reductions"
    ),
    "learner.channels": _whole(
        32, 1, "F of family cell: before the first reduction"
    ),
    "learner.num_nodes": _whole(5, 1, "per cell that is drawn"),
    "learner.ops": Field(
        tuple(OPS)[:11],
        f"a tuple of different ones of {', '.join(OPS)}",
        lambda v: (
            isinstance(v, tuple | list)
            and bool(v)
            and all(isinstance(name, str) for name in v)
            and set(v) <= set(OPS)
            and len(set(v)) == len(v)
        ),
        "operations of the cells that are drawn",
    ),
    "inner.num_steps": _whole(32, 1, "T"),
    "inner.batch_size": _whole(128, 2, "B, synthetic images per inner step"),
    "inner.optimizer": _choice("sgd", INNER_OPTIMIZERS, "of the learner"),
    "inner.learning_rate": _real(
        0.02, "a number > 0", lambda v: v > 0, "initial, at every inner step"
    ),
    "inner.momentum": _real(
        0.5,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "initial, at every inner step; adam: beta_1",
    ),
    "inner.learn_hyperparameters": _switch(
        True, "learn a rate and a momentum for each inner step"
    ),
    "inner.rematerialize": _switch(
        True,
        "keep states only and recompute activations, step by step; False: "
        "keep all (faster below a few steps, memory and tracing grow with T)",
    ),
    "inner.truncation_window": _whole(
        None,
        1,
        "M: every learner stops after a random number of steps in [M, T], and "
        "gradients flow through its last M steps only; None: all T",
    ),
    "inner.meta_loss_every": _whole(
        0, 0, "k: a meta-loss every k inner steps; 0: after the last only"
    ),
    "meta.num_steps": _whole(2000, 1, "meta-steps in all", may_change=True),
    "meta.num_learners": _whole(
        1, 1, "learners per meta-step, on all replicas together"
    ),
    "meta.batch_size": _whole(128, 1, "real images per meta-loss"),
    "meta.learning_rate": _real(
        0.01, "a number > 0", lambda v: v > 0, "of Adam, initial"
    ),
    "meta.final_learning_rate_ratio": _real(
        0.1,
        "a number in [0, 1]",
        lambda v: 0 <= v <= 1,
        "end of the cosine decay over meta.num_steps, as a share",
    ),
    "meta.adam_beta_1": _real(0.9, "in [0, 1)", lambda v: 0 <= v < 1, "Adam's"),
    "meta.adam_beta_2": _real(
        0.999, "in [0, 1)", lambda v: 0 <= v < 1, "Adam's"
    ),
    "meta.adam_epsilon": _real(1e-8, "a number > 0", lambda v: v > 0, "Adam's"),
    "meta.global_clipnorm": _real(
        None,
        "a number > 0",
        lambda v: v > 0,
        "largest norm of the mean meta-gradient",
    ),
    "meta.validation_every": _whole(
        50,
        0,
        "meta-steps between validations; 0: at the end only",
    ),
    "meta.validation_num_learners": _whole(
        5, 1, "fresh learners whose validation accuracies are averaged"
    ),
    "evaluation.num_learners": _whole(
        20, 1, "fresh learners per source", may_change=True
    ),
    "evaluation.sources": Field(
        ("gtn", *BASELINES),
        f"a tuple of gtn, {', '.join(BASELINES)}",
        lambda v: (
            isinstance(v, tuple | list)
            and all(source in ("gtn", *BASELINES) for source in v)
        ),
        "what is compared; the workdir's own source always is",
        may_change=True,
    ),
    "evaluation.experiment": Field(
        None,
        f"None or one of {', '.join(EXPERIMENTS)}",
        lambda v: v is None or v in EXPERIMENTS,
        "what --mode=evaluate does: None compares the sources; else the "
        "experiment, in experiments/NAME in the workdir",
        may_change=True,
    ),
    "evaluation.num_seeds": _whole(
        3,
        1,
        "of experiments: GTNs per arm, of seed, seed + 1, ..",
        may_change=True,
    ),
    "evaluation.num_draws": _whole(
        20,
        1,
        "of experiment weight_norm: draws of hyperparameters",
        may_change=True,
    ),
    "evaluation.learners": Field(
        (),
        f"a tuple of {', '.join(LEARNERS)}",
        lambda v: isinstance(v, tuple | list) and all(n in LEARNERS for n in v),
        "other families that the data are tried on (transfer)",
        may_change=True,
    ),
    "evaluation.widths": Field(
        None,
        "None, or a tuple of widths (or None) per family",
        lambda v: v is None or _are_families_widths(v),
        "widths of those families, as learner.widths; None: the official ones",
        may_change=True,
    ),
    "evaluation.meta_learning_rates": Field(
        (),
        "a tuple of numbers > 0",
        _are_positive,
        "one meta-training each of real and of distillation, the best by "
        "validation is taken; (): meta.learning_rate",
        may_change=True,
    ),
    "evaluation.tuning_learning_rates": Field(
        (0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8),
        "a tuple of numbers > 0",
        lambda v: _are_positive(v) and len(v) > 0,
        "constant inner rates tried for real_tuned, real_subset and noise",
        may_change=True,
    ),
    "evaluation.tuning_momenta": Field(
        (0.0, 0.3, 0.5, 0.7, 0.9),
        "a tuple of numbers in [0, 1)",
        lambda v: (
            isinstance(v, tuple | list)
            and len(v) > 0
            and all(_is_number(m) and 0 <= m < 1 for m in v)
        ),
        "momenta tried with each of them",
        may_change=True,
    ),
    "evaluation.tuning_num_learners": _whole(
        5, 1, "validation learners per such pair", may_change=True
    ),
    "search.num_architectures": _whole(
        128, 1, "different genotypes that are drawn", may_change=True
    ),
    "search.num_nodes": _whole(5, 1, "nodes per cell", may_change=True),
    "search.num_cells": _whole(
        3,
        0,
        "N, normal cells between reductions; 3N + 2 cells in all",
        may_change=True,
    ),
    "search.channels": _whole(
        32,
        1,
        "F, channels of a state before the first reduction",
        may_change=True,
    ),
    "search.ops": Field(
        tuple(OPS)[:11],
        f"a tuple of different ones of {', '.join(OPS)}",
        _are_different(_is_op),
        "operations of the space",
        may_change=True,
    ),
    "search.evaluators": Field(
        ("gtn", "real", "params", "flops"),
        f"a tuple of different ones of {CHOICES}",
        _are_different(_is_evaluator),
        "what scores each architecture; the first one selects",
        may_change=True,
    ),
    "search.truth": Field(
        "real:epochs=100",
        f"one of {CHOICES}",
        _is_evaluator,
        "the accuracy that the scores are compared with; `real` trains the "
        "network in its final form here (plain convolutions, running "
        "statistics) and by a cosine schedule",
        may_change=True,
    ),
    "search.truth_num_architectures": _whole(
        None,
        0,
        "architectures, the first drawn, that the truth is found of; None: all",
        may_change=True,
    ),
    "search.truth_learning_rate": _real(
        0.025, "a number > 0", lambda v: v > 0, "of SGD", may_change=True
    ),
    "search.truth_batch_size": _whole(
        128, 2, "real images per step", may_change=True
    ),
    "search.real_learning_rate": _real(
        0.025,
        "a number > 0",
        lambda v: v > 0,
        "of SGD, for the evaluators `real` and `real_subset`",
        may_change=True,
    ),
    "search.real_momentum": _real(
        0.9,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "of SGD, for them and the truth",
        may_change=True,
    ),
    "search.real_schedule": _choice(
        "cosine",
        SCHEDULES,
        "of their rate, over the steps, epochs or seconds given",
        may_change=True,
    ),
    "search.real_batch_size": _whole(
        None,
        2,
        "real images per step for them; None: inner.batch_size",
        may_change=True,
    ),
    "search.gtn": Field(
        None,
        "None, a workdir or an export",
        _is_path,
        "the GTN; None: the workdir's, which is meta-trained first where it "
        "has none",
        may_change=True,
    ),
    "search.distillation": Field(
        None,
        "None, a workdir or an export",
        _is_path,
        "distilled images; None: baselines/distillation in the workdir, which "
        "is meta-trained first where there is none",
        may_change=True,
    ),
    "search.interpret": _switch(
        True,
        "one graph runs any genotype, for the evaluators: tracing it takes a "
        "minute or more, once per process, and its steps are slower; False: "
        "each network is built and traced, as for the truth",
        may_change=True,
    ),
    "search.executor": _choice(
        "inline",
        EXECUTORS,
        "where evaluations run: this process, or a Ray cluster",
        may_change=True,
    ),
    "search.shard": _whole(
        0,
        0,
        "which share of the evaluations this process does",
        may_change=True,
    ),
    "search.num_shards": _whole(
        1, 1, "processes that share the workdir", may_change=True
    ),
    "retrain.genotype": Field(
        None,
        "None, a published name, a genotype file or search:WORKDIR",
        lambda v: v is None or (isinstance(v, str) and bool(v)),
        "what is trained: a name of docs/architectures.md; a file with a "
        "genotype as JSON or text; or what a search selected",
        may_change=True,
    ),
    "retrain.name": Field(
        None,
        "None or a file name of letters, digits, _ . + and -",
        _is_name,
        "folder of the results below retrain/; None: of genotype, N, F and "
        "cutout",
        may_change=True,
    ),
    "retrain.num_seeds": _whole(
        5, 1, "trainings, of seed, seed + 1, ...", may_change=True
    ),
    "retrain.num_epochs": _whole(600, 1, "of each training", may_change=True),
    "retrain.batch_size": _whole(
        128, 1, "real images per step, on all replicas", may_change=True
    ),
    "retrain.num_cells": _whole(
        6, 0, "N, normal cells between reductions", may_change=True
    ),
    "retrain.channels": _whole(
        36, 1, "F, channels before the first reduction", may_change=True
    ),
    "retrain.learning_rate": _real(
        0.025,
        "a number > 0",
        lambda v: v > 0,
        "of the first epoch; a cosine to 0 in steps of one epoch follows",
        may_change=True,
    ),
    "retrain.momentum": _real(
        0.9,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "of SGD, without Nesterov's",
        may_change=True,
    ),
    "retrain.weight_decay": _real(
        3e-4,
        "a number >= 0",
        lambda v: v >= 0,
        "times every parameter is added to its gradient",
        may_change=True,
    ),
    "retrain.global_clipnorm": _real(
        5.0,
        "a number > 0",
        lambda v: v > 0,
        "largest norm of the gradient, before weight decay",
        may_change=True,
    ),
    "retrain.dropout_keep": _real(
        0.6,
        "a number in (0, 1]",
        lambda v: 0 < v <= 1,
        "share kept before the classifier",
        may_change=True,
    ),
    "retrain.drop_path_keep": _real(
        0.8,
        "a number in (0, 1]",
        lambda v: 0 < v <= 1,
        "share kept of an operation's outputs, per image, in the last cell at "
        "the end; less is dropped before",
        may_change=True,
    ),
    "retrain.auxiliary_weight": _real(
        0.4,
        "a number >= 0",
        lambda v: v >= 0,
        "of the loss of the auxiliary head; 0: no such head",
        may_change=True,
    ),
    "retrain.cutout": _whole(
        16, 0, "pixels of the side of Cutout's square; 0: none", may_change=True
    ),
    "retrain.use_validation": _switch(
        True,
        "train on the validation images too, as nothing is chosen any more; "
        "False: measure on them after every epoch",
        may_change=True,
    ),
    "retrain.checkpoint_every_epochs": _whole(
        1, 1, "epochs between checkpoints", may_change=True
    ),
    "checkpoint.every_steps": _whole(
        100, 1, "meta-steps between checkpoints", may_change=True
    ),
    "checkpoint.max_to_keep": _whole(3, 1, "checkpoints kept", may_change=True),
    "log.samples_every": _whole(
        500,
        0,
        "meta-steps between pictures of the curriculum; 0: at the end only",
        may_change=True,
    ),
    "log.tensorboard": _switch(
        True, "write TensorBoard events", may_change=True
    ),
    "strategy": _choice(
        "auto", STRATEGIES, "how devices share a meta-step", may_change=True
    ),
    "num_logical_devices": _whole(
        None, 1, "CPU devices to split the machine into", may_change=True
    ),
    "precision": _choice("float32", PRECISIONS, "Keras dtype policy"),
    "tensor_float_32": _switch(
        False, "let GPUs round the factors of float32 products to 10 bits"
    ),
    "jit_compile": Field(
        "auto",
        "auto, True or False",
        lambda v: v == "auto" or isinstance(v, bool),
        "compile the meta-step with XLA; auto: not on CPU, where XLA's "
        "convolutions are many times slower; TPUs compile it in any case. "
        "Random numbers are others than without",
    ),
}

#: Keys that hold more than one type: ConfigDict must not fix the first one.
_ANY_TYPE = {"jit_compile"}


def default_config() -> config_dict.ConfigDict:
    """Returns the config with every key at its default."""
    config = config_dict.ConfigDict()
    for key, field in FIELDS.items():
        *groups, name = key.split(".")
        node = config
        for group in groups:
            if group not in node:
                node[group] = config_dict.ConfigDict()
            node = node[group]
        if field.default is None or key in _ANY_TYPE:
            node[name] = config_dict.FieldReference(
                field.default, field_type=object
            )
        else:
            node[name] = field.default
    return config


def flatten(values: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted key, value) of nested dicts; empty ones yield none."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def unknown_key_error(key: str) -> InputError:
    """Returns the error for a key that no config has."""
    close = difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.5)
    expected = f"did you mean '{close[0]}'?" if close else "not a config key"
    return InputError(
        f"config key '{key}' is unknown; {expected}; docs/config.md lists all"
    )


def validate(config: config_dict.ConfigDict) -> None:
    """Refuses a config with unknown, missing or impossible values.

    Raises:
      InputError: naming the first such key, its value, what is expected.
    """
    values = dict(flatten(config.to_dict()))
    for key in values:
        if key not in FIELDS:
            raise unknown_key_error(key)
    for key, field in FIELDS.items():
        if key not in values:
            raise InputError(
                f"config key '{key}' is missing; expected {field.expected}; "
                "begin the config file with gtn_tf.config.default_config()"
            )
        if not field.is_valid(values[key]):
            raise InputError(
                f"{key} is {values[key]!r}; expected {field.expected}; "
                f"set --config.{key}"
            )
    for is_impossible, received, expected, remedy in _PAIRS:
        if is_impossible(config):
            raise InputError(
                f"{received.format(c=config)}; {expected.format(c=config)}; "
                f"{remedy.format(c=config)}"
            )


_PAIRS = (
    (
        lambda c: (
            c.strategy == "multi_worker" and (c.num_logical_devices or 1) > 1
        ),
        "strategy 'multi_worker' with num_logical_devices "
        "{c.num_logical_devices}",
        "a worker uses its GPUs or one CPU device",
        "set --config.num_logical_devices=None, and start more workers",
    ),
    (
        lambda c: (
            c.source == "distillation"
            and c.curriculum.name in ("none", "fixed_noise")
        ),
        "source 'distillation' with curriculum '{c.curriculum.name}'",
        "images that are learned themselves have no noise",
        "set --config.curriculum.name=full, shuffled_batch or all_shuffled",
    ),
    (
        lambda c: c.source == "real" and c.curriculum.learn_labels,
        "source 'real' with curriculum.learn_labels",
        "real images keep their labels",
        "set --config.curriculum.learn_labels=False",
    ),
    (
        lambda c: (
            c.evaluation.widths is not None
            and len(c.evaluation.widths) != len(c.evaluation.learners)
        ),
        "evaluation.widths {c.evaluation.widths} with evaluation.learners "
        "{c.evaluation.learners}",
        "expected one tuple of widths, or None, per family",
        "set --config.evaluation.widths=None for the official widths",
    ),
    (
        lambda c: c.curriculum.name == "none" and c.curriculum.learn_labels,
        "curriculum 'none' with learn_labels",
        "labels that are drawn afresh cannot be learned",
        "set --config.curriculum.learn_labels=False or another curriculum",
    ),
    (
        lambda c: (
            c.learner.initializer != "he_normal"
            and ("cell" in learner_names(c) or has_drawn_widths(c))
        ),
        "learner.initializer '{c.learner.initializer}' with learner.name "
        "'{c.learner.name}' and learner.widths {c.learner.widths}",
        "drawn widths and family cell have he_normal",
        "set --config.learner.initializer=he_normal",
    ),
    (
        lambda c: c.inner.meta_loss_every > c.inner.num_steps,
        "inner.meta_loss_every {c.inner.meta_loss_every} with "
        "inner.num_steps {c.inner.num_steps}",
        "expected at most the number of inner steps",
        "set --config.inner.meta_loss_every=0 for the last step only",
    ),
    (
        lambda c: (c.inner.truncation_window or 0) > c.inner.num_steps,
        "inner.truncation_window {c.inner.truncation_window} with "
        "inner.num_steps {c.inner.num_steps}",
        "expected at most the number of inner steps",
        "set --config.inner.truncation_window=None for all of them",
    ),
    (
        lambda c: (
            c.inner.truncation_window is not None and not c.inner.rematerialize
        ),
        "inner.truncation_window {c.inner.truncation_window} with "
        "inner.rematerialize False",
        "a form that stores everything has no window",
        "set --config.inner.rematerialize=True or "
        "--config.inner.truncation_window=None",
    ),
    (
        lambda c: (
            c.learner.widths is not None
            and len(learner_names(c)) != 1
            and (
                len(c.learner.widths) != len(learner_names(c))
                or not all(
                    w is None or isinstance(w, tuple | list)
                    for w in c.learner.widths
                )
            )
        ),
        "learner.widths {c.learner.widths} with learner.name "
        "'{c.learner.name}'",
        "expected one tuple of widths, or None, per family",
        "set --config.learner.widths=None for the official widths",
    ),
    (
        lambda c: c.search.truth in c.search.evaluators,
        "search.truth '{c.search.truth}' is one of search.evaluators",
        "expected something else to compare them with",
        "set --config.search.truth to a longer training",
    ),
    (
        lambda c: c.search.shard >= c.search.num_shards,
        "search.shard {c.search.shard} with search.num_shards "
        "{c.search.num_shards}",
        "expected 0 <= shard < num_shards",
        "set --config.search.shard and --config.search.num_shards",
    ),
)
