import re
import sys

import numpy as np
import pytest

from gtn_tf.retrain.run import retrain
from gtn_tf.runtime.run_log import (
    find_logs,
    kept_run_id,
    rate_scalars,
    tag,
)
from gtn_tf.runtime.tensorboard import TensorBoardLog
from gtn_tf.training.pretrain import pretrain
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.own_log import OwnLog

_OWN = "tests.helpers.own_log:OwnLog"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("final_meta_loss", "meta/final_loss"),
        ("meta_gradient_norm", "meta/gradient_norm"),
        ("steps_per_second", "meta/steps_per_second"),
        ("training_loss", "training/loss"),
    ],
)
def test_every_name_has_its_group(name, expected):
    assert tag(name) == expected


def test_rates_as_scalars():
    rates = {"momentum": np.array([0.5, 0.75, 0.25])}
    assert dict(rate_scalars(rates)) == {
        "inner/momentum_first": 0.5,
        "inner/momentum_last": 0.25,
        "inner/momentum_mean": 0.5,
    }


@pytest.mark.parametrize(
    ("tensorboard", "to", "expected"),
    [
        (False, None, ()),
        (True, None, (TensorBoardLog,)),
        (True, "tensorboard", (TensorBoardLog,)),
        (False, "tensorboard", (TensorBoardLog,)),
        (False, _OWN, (OwnLog,)),
        (True, _OWN, (TensorBoardLog, OwnLog)),
    ],
)
def test_the_logs_that_are_asked_for(tensorboard, to, expected):
    assert find_logs(tensorboard, to) == expected


@pytest.mark.parametrize("mode", [pretrain, retrain])
def test_a_missing_package_is_one_line_before_any_work(
    mode, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as where it is not
    config = tiny.get_config()
    config.log.to = "wandb"
    config.retrain.genotype = "NASNet-A"
    with pytest.raises(InputError, match=tiny.ONE_LINE) as raised:
        mode(config, tmp_path / "run")
    assert "pip install 'gtn_tf[wandb]'" in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_its_id(tmp_path):
    run_id = kept_run_id(tmp_path, "wandb")
    assert re.fullmatch(r"[0-9a-f]{16}", run_id)
    assert kept_run_id(tmp_path, "wandb") == run_id
    (tmp_path / "wandb.json").write_text("[]")
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        kept_run_id(tmp_path, "wandb")
