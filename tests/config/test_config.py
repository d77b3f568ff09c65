from pathlib import Path

import pytest

from gtn_tf.config import (
    FIELDS,
    choices,
    default_config,
    validate,
)
from gtn_tf.config import validation as config_module
from gtn_tf.config.reference import describe
from gtn_tf.import_paths import import_attribute, is_import_path
from gtn_tf.layers import registry as layers_registry
from gtn_tf.teachers import registry as teachers_registry
from gtn_tf.types import InputError

_OBJECT = object()
#: Of every kind of value at least one; keys of text take none of them.
_TEXTS = {key for key, f in FIELDS.items() if isinstance(f.default, str)}
_CANDIDATES = (
    *(-1, 0, 1, 2, 4, 2**62, 0.5, 1.0, -0.5, 1.5),
    *(float("nan"), float("inf"), True, None, "", "no such", "1"),
    *((), (0,), (2, 1), (1.5, 2), ((3, 2),), ((1, 2, 3),), (None, 3), [[0]]),
    *(("conv1x1", "identity"), ("gtn",), ("random",)),
    *({}, b"bytes", _OBJECT),
)
#: What each kind of key must refuse, whatever its range.
_WRONG_TYPES = {
    bool: (0, 1, None, "True", 0.5),
    int: (True, None, "1", 1.0, (1,), float("nan")),
    float: (None, "1", (1,), float("nan"), float("inf"), -0.5),
    str: (0, True, None, "", "no such", ("mnist",)),
    tuple: (0, 1, None, "1", (-1,), ("no such",), (True, True), [[0]]),
}
_WRONG_IF_NONE = {
    "search.num_validation_images": (0, True, 1.5, "2"),
    "evaluation.num_validation_images": (0, True, 1.5, "2"),
    "search.supernet.learning_rate": (0, -1.0, True, "0.1"),
    "dataset.data_dir": ("", 1, True, b"bytes"),
    "dataset.image_size": (0, True, "8", (8,), (8, 0), (8, 8, 3), 1.5),
    "dataset.max_images": (0, 1, True, 1.5, "2"),
    "learner.pool": ("", "mlp", 1, True),
    "learner.genotype": ("", 1, True),
    "learner.num_genotypes": (0, True, 1.5, "2"),
    "inner.truncation_window": (0, True, 1.5, "2"),
    "learner.widths": (5, 0.5, "1", (), (0,), (1.5, 2), ((3, 2), 4), (None, 3)),
    "meta.global_clipnorm": (0, -0.5, True, "1", float("inf"), float("nan")),
    "num_logical_devices": (0, -1, True, 1.5, "2"),
    "search.truth_num_architectures": (-1, True, 1.5, "2"),
    "search.real_batch_size": (1, True, 1.5, "2"),
    "evaluation.experiment": ("", "few", 1, True),
    "log.to": ("", "wand", "package:", 1, True),
    "search.guide": ("ralph", "", 1, True),
    "search.table": ("", 1, True),
    "search.supernet.path": ("", 1, True),
    "search.ghn.path": ("", 1, True),
    "search.gtn": ("", 1, True),
    "search.distillation": ("", 1, True),
    "evaluation.learners": ("mlp", ("mlp", "mlp"), ("nothing",)),
    "evaluation.widths": (5, "1", (1,), ((0,),), ((1.5, 2),), (((3, 2),),)),
    "retrain.genotype": ("", 1, True, b"bytes"),
    "retrain.name": ("", "a/b", "..", ".hidden", 1, True, b"bytes"),
}
_OUT_OF_RANGE = {
    "seed": (-1, 2**62),
    "generator.dense_widths": ((0,), (1.5, 2)),
    "generator.channels": ((1,), (1, 2, 3), (1.5, 2)),
    "learner.num_cells": (-1,),
    "learner.ops": ((), (1,), ([],), ("conv9x9",), ("conv1x1", "conv1x1")),
    "learner.name": ("mlp,", "mlp,cells", ","),
    "learner.pool_size": (1, 4),
    "learner.pool_num_networks": (0,),
    "warm_start.num_images": (-1,),
    "warm_start.fit_steps": (0,),
    "warm_start.fit_learning_rate": (0,),
    "inner.num_steps": (0,),
    "inner.batch_size": (1,),
    "inner.learning_rate": (0, 0.0, 1e-7),
    "inner.momentum": (1, 1.0),
    "inner.meta_loss_every": (-1,),
    "meta.num_steps": (0,),
    "meta.num_learners": (0,),
    "meta.batch_size": (0,),
    "meta.learning_rate": (0,),
    "meta.noise_rate_ratio": (0,),
    "meta.final_learning_rate_ratio": (1.01,),
    "meta.adam_beta_1": (1,),
    "meta.adam_beta_2": (1,),
    "meta.adam_epsilon": (0,),
    "evaluation.num_learners": (0,),
    "evaluation.num_seeds": (0,),
    "evaluation.num_draws": (0,),
    "evaluation.arms": (("a=1", "a=1"), (1,), "a=1"),
    "evaluation.sources": ("gtn", ("gtn", "gtm")),
    "evaluation.meta_learning_rates": ((0.1, 0.0),),
    "evaluation.tuning_learning_rates": ((), (0.1, float("nan"))),
    "evaluation.tuning_momenta": ((), (0.5, 1.0)),
    "evaluation.tuning_num_learners": (0,),
    "search.num_architectures": (0,),
    "search.strategy": ("annealing", "module:"),
    "search.space": ("nasbench", None),
    "search.num_nodes": (0,),
    "search.num_cells": (-1,),
    "search.channels": (0,),
    "evaluation.strategies": ((), "random", ("random", "random"), ("chance",)),
    "search.ops": ((), "conv1x1", ("conv1x1", "conv1x1"), ("conv9x9",)),
    "search.evaluators": ((), "gtn", ("gtn", "gtn"), ("gtn", "real:steps=0")),
    "search.truth": ("real:steps=0", "gtn:steps=1"),
    "search.truth_learning_rate": (0,),
    "search.truth_batch_size": (1,),
    "search.real_learning_rate": (0,),
    "search.real_momentum": (1,),
    "search.shard": (-1,),
    "search.num_shards": (0,),
    "retrain.num_seeds": (0,),
    "retrain.num_epochs": (0,),
    "retrain.batch_size": (0,),
    "retrain.num_cells": (-1,),
    "retrain.channels": (0,),
    "retrain.learning_rate": (0,),
    "retrain.momentum": (1,),
    "retrain.weight_decay": (-1e-4,),
    "retrain.global_clipnorm": (0,),
    "retrain.dropout_keep": (0, 1.01),
    "retrain.drop_path_keep": (0, 1.01),
    "retrain.auxiliary_weight": (-0.1,),
    "retrain.cutout": (-1,),
    "retrain.checkpoint_every_epochs": (0,),
    "checkpoint.every_steps": (0,),
    "checkpoint.max_to_keep": (0,),
    "jit_compile": ("yes",),
}


def _wrong_values():
    for key, field in FIELDS.items():
        if key == "jit_compile":
            wrong = (0, 1, None, "", 0.5)
        elif field.default is None:
            wrong = _WRONG_IF_NONE[key]
        else:
            wrong = _WRONG_TYPES[type(field.default)]
        for value in (*wrong, *_OUT_OF_RANGE.get(key, ())):
            yield pytest.param(key, value, id=f"{key}={value!r}")


def _config_with(**values):
    config = default_config()
    for key, value in values.items():
        _set(config, key, value)
    return config


def _set(config, key, value):
    """Sets a dotted key past the type check of ConfigDict."""
    *groups, name = key.split(".")
    for group in groups:
        config = config[group]
    with config.ignore_type():
        config[name] = value


def test_defaults_are_valid():
    validate(default_config())
    assert set(dict(config_module.flatten(default_config().to_dict()))) == set(
        FIELDS
    )


@pytest.mark.parametrize(("key", "value"), list(_wrong_values()))
def test_wrong_value_is_named(key, value):
    config = _config_with(**{key: value})
    # ConfigDict makes floats of whole numbers and tuples of inner lists.
    stored = dict(config_module.flatten(config.to_dict()))[key]
    with pytest.raises(InputError) as caught:
        validate(config)
    assert str(caught.value) == (
        f"{key} is {stored!r}; expected {FIELDS[key].expected}; "
        f"set --config.{key}"
    )


@pytest.mark.parametrize("key", FIELDS)
def test_any_value_is_answered_with_yes_or_no(key):
    answers = [FIELDS[key].is_valid(value) for value in _CANDIDATES]
    # Some of the candidates are values of most keys; none is such a text.
    is_text = key in _TEXTS - {"jit_compile"}
    assert set(answers) == ({False} if is_text else {True, False})


def test_true_is_no_number():
    for field in FIELDS.values():
        if isinstance(field.default, int | float) and not isinstance(
            field.default, bool
        ):
            assert not field.is_valid(True)


def test_good_values_pass():
    good = {
        "seed": 2**62 - 1,
        "dataset.data_dir": "/data",
        "generator.dense_widths": (),
        "learner.name": "conv2_fc, mlp",
        "learner.widths": (((1, 2), 3, 4), None),
        "inner.learning_rate": 1,
        "meta.global_clipnorm": 0.5,
        "evaluation.sources": ("gtn",),
        "evaluation.learners": ("mlp", "conv2_fc"),
        "evaluation.widths": (None, ((1, 2), 3, 4)),
        "evaluation.meta_learning_rates": (1, 0.1),
        "evaluation.tuning_momenta": (0,),
        "num_logical_devices": 2,
        "jit_compile": True,
    }
    validate(_config_with(**good))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("inner.num_step", "inner.num_steps"),
        ("meta.leaning_rate", "meta.learning_rate"),
        ("sed", "seed"),
    ],
)
def test_unknown_key_suggests_the_nearest(key, meant):
    with pytest.raises(InputError, match=rf"'{key}' is unknown; .*'{meant}'"):
        validate(_config_with(**{key: 1}))


def test_unknown_key_like_no_other():
    with pytest.raises(InputError, match=r"'zzzzzz' is unknown; not a config"):
        validate(_config_with(zzzzzz=1))


@pytest.mark.parametrize("key", FIELDS)
def test_missing_key(key):
    config = default_config()
    *groups, name = key.split(".")
    node = config
    for group in groups:
        node = node[group]
    del node[name]
    with pytest.raises(InputError, match=f"'{key}' is missing; expected"):
        validate(config)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (
            {"source": "real", "warm_start.num_images": 10},
            ("warm_start.num_images 10", "source 'real'"),
        ),
        (
            {"curriculum.name": "none", "warm_start.num_images": 10},
            ("warm_start.num_images 10", "curriculum 'none'"),
        ),
        (
            {"learner.pool": "ordinary", "learner.widths": (1, 2, 3)},
            ("learner.widths (1, 2, 3)", "learner.pool 'ordinary'"),
        ),
        (
            {"learner.convolution": "patches", "learner.weight_norm": False},
            ("learner.convolution 'patches'", "learner.weight_norm False"),
        ),
        (
            {"meta.num_learners": 3, "meta.learner_batch_size": 2},
            ("meta.num_learners 3", "meta.learner_batch_size 2"),
        ),
        *(
            (
                {"meta.num_learners": 2, "meta.learner_batch_size": 2} | more,
                ("meta.learner_batch_size 2",),
            )
            for more in (
                {"learner.name": "cell"},
                {"learner.name": "conv2_fc,mlp"},
                {"inner.truncation_window": 4},
                {"inner.learning_rate_spread": 0.5},
                {"inner.rematerialize": False},
            )
        ),
        (
            {"source": "distillation", "curriculum.name": "none"},
            ("source 'distillation'", "curriculum 'none'"),
        ),
        (
            {"source": "distillation", "curriculum.name": "fixed_noise"},
            ("source 'distillation'", "curriculum 'fixed_noise'"),
        ),
        (
            {"curriculum.name": "none", "curriculum.learn_labels": True},
            ("curriculum 'none'", "learn_labels"),
        ),
        (
            {"strategy": "multi_worker", "num_logical_devices": 2},
            ("strategy 'multi_worker'", "num_logical_devices 2"),
        ),
        (
            {"learner.initializer": "orthogonal", "learner.name": "cell"},
            ("learner.initializer 'orthogonal'", "'cell'"),
        ),
        (
            {
                "learner.initializer": "glorot_normal",
                "learner.name": "mlp",
                "learner.widths": ((2, 4), 3),
            },
            ("learner.initializer 'glorot_normal'", "((2, 4), 3)"),
        ),
        (
            {
                "learner.initializer": "orthogonal",
                "evaluation.learners": ("cell",),
            },
            ("learner.initializer 'orthogonal'", "('cell',)"),
        ),
        (
            {
                "learner.initializer": "orthogonal",
                "evaluation.learners": ("mlp",),
                "evaluation.widths": (((2, 4), 3),),
            },
            ("learner.initializer 'orthogonal'", "(((2, 4), 3),)"),
        ),
        (
            {"learner.space": "nb201", "evaluation.learners": ("cell",)},
            ("learner.space 'nb201'", "num_genotypes None"),
        ),
        (
            {"learner.name": "conv2_pool", "learner.widths": (None, None)},
            ("learner.widths (None, None)", "'conv2_pool'"),
        ),
        (
            {"learner.name": "mlp", "learner.widths": ((8, 8), (4, 4, 4))},
            ("learner.widths ((8, 8), (4, 4, 4))", "'mlp'"),
        ),
        (
            {"inner.num_steps": 3, "inner.meta_loss_every": 4},
            ("inner.meta_loss_every 4", "inner.num_steps 3"),
        ),
        (
            {"inner.num_steps": 3, "inner.truncation_window": 4},
            ("inner.truncation_window 4", "inner.num_steps 3"),
        ),
        (
            {"inner.truncation_window": 4, "inner.rematerialize": False},
            ("inner.truncation_window 4", "inner.rematerialize False"),
        ),
        (
            {"learner.name": "conv2_pool,mlp", "learner.widths": (2, 3)},
            ("learner.widths (2, 3)", "'conv2_pool,mlp'"),
        ),
        (
            {"learner.name": "mlp,mlp", "learner.widths": (None,)},
            ("learner.widths (None,)", "'mlp,mlp'"),
        ),
        (
            {"source": "real", "inner.learn_hyperparameters": False},
            ("source 'real'", "inner.learn_hyperparameters False"),
        ),
        (
            {"learner.genotype": "ENAS", "learner.num_genotypes": 2},
            ("learner.num_genotypes 2", "learner.genotype 'ENAS'"),
        ),
        (
            {"search.truth": "gtn"},
            ("search.truth 'gtn' is one of search.evaluators",),
        ),
        (
            {"search.shard": 2, "search.num_shards": 2},
            ("search.shard 2 with search.num_shards 2",),
        ),
    ],
)
def test_impossible_pair(values, parts):
    with pytest.raises(InputError) as caught:
        validate(_config_with(**values))
    message = str(caught.value)
    assert message.count(";") == 2
    assert "--config." in message
    for part in parts:
        assert part in message.split(";")[0]


@pytest.mark.parametrize(
    "values",
    [
        {"source": "distillation", "curriculum.name": "all_shuffled"},
        {"curriculum.name": "fixed_noise", "curriculum.learn_labels": True},
        {"strategy": "multi_worker", "num_logical_devices": 1},
        {"inner.num_steps": 3, "inner.meta_loss_every": 3},
        {"learner.initializer": "orthogonal", "learner.name": "mlp"},
        {"inner.num_steps": 3, "inner.truncation_window": 3},
    ],
)
def test_possible_pair(values):
    validate(_config_with(**values))


def test_docs_are_up_to_date():
    path = Path(__file__).parents[2] / "docs" / "config.md"
    assert path.read_text() == describe(), "run `make docs`"


def test_docs_name_every_key():
    assert all(f"| `{key}`" in describe() for key in FIELDS)


def test_every_choice_is_where_its_dict_says():
    modules = (choices, layers_registry, teachers_registry)
    for module in modules:
        for name, found in vars(module).items():
            for path in found.values() if isinstance(found, dict) else ():
                if is_import_path(path):
                    assert import_attribute(path, name) is not None
