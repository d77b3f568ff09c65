import runpy
from pathlib import Path

import numpy as np
import pytest

from gtn_tf.config import validate
from gtn_tf.config.families import learner_names, learner_widths
from gtn_tf.runtime.row_log import read_rows
from tests.helpers import tiny

_FOLDER = Path(__file__).parents[2] / "configs"
_NAMES = sorted(p.stem for p in _FOLDER.glob("*.py") if p.stem != "__init__")

_SHAPES = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "cifar10_16": (16, 16, 3),
}


def _load(name):
    return runpy.run_path(str(_FOLDER / f"{name}.py"))


def test_there_are_configs():
    assert "digits" in _NAMES


@pytest.mark.parametrize("name", _NAMES)
def test_config_is_valid_and_documented(name):
    module = _load(name)
    validate(module["get_config"]())
    command = f"python -m gtn_tf.main --config=configs/{name}.py"
    assert command in (module["__doc__"] or "")


def _few(name, widths):
    """Returns a family's widths, made small; ranges stay ranges."""
    from gtn_tf.learners.registry import FAMILIES

    if name not in FAMILIES:
        return widths
    widths = FAMILIES[name].widths if widths is None else widths
    return tuple(2 if isinstance(width, int) else (1, 3) for width in widths)


def _shrink(config):
    sizes = {
        **tiny.SIZES,
        "meta.num_steps": 2,
        "meta.num_learners": 1,
        "meta.validation_every": 0,
        "meta.validation_num_learners": 1,
        "warm_start.fit_steps": 2,
        "learner.pool_num_networks": 1,
        "inner.meta_loss_every": min(2, config.inner.meta_loss_every),
        "strategy": "one_device",
    }
    config.update_from_flattened_dict(sizes)
    names, widths = learner_names(config), learner_widths(config)
    few = tuple(map(_few, names, widths))
    with config.ignore_type():
        config.learner.widths = few[0] if len(few) == 1 else few
        config.jit_compile = False


def _fake_load(spec, *_):
    from gtn_tf.datasets import loading as data

    image_shape, num_classes = _SHAPES[spec.name], 10
    rng = np.random.default_rng(0)
    train, validation = (
        data.Split(
            rng.integers(0, 256, (number, *image_shape), np.uint8),
            np.arange(number, dtype=np.int32) % num_classes,
        )
        for number in (40, 20)
    )
    channels = image_shape[-1]
    return data.Dataset(
        name=spec.name,
        num_classes=num_classes,
        image_shape=image_shape,
        mean=(0.5,) * channels,
        std=(0.3,) * channels,
        augment=spec.name == "cifar10",
        train=train,
        validation=validation,
        test=None,
    )


def _train(name, workdir):
    from gtn_tf.datasets import loading as data
    from gtn_tf.training import pretrain

    config = _load(name)["get_config"]()
    _shrink(config)
    data.load_spec = _fake_load
    assert pretrain.pretrain(config, workdir) == 0


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name != "digits" else [])
        for name in _NAMES
    ],
)
def test_config_trains(name, tmp_path):
    done = tiny.run_forked(_train, name, tmp_path)
    assert done.code == 0, done.errors
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["meta_loss"] > 0 for row in rows)
