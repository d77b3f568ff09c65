"""The commands that pages of results print, against the kept configs."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from gtn_tf.config import FIELDS, flatten
from gtn_tf.runtime.files import to_json
from tools import commands

# ml_collections' own.
pytestmark = pytest.mark.filterwarnings(
    "ignore:the load_module:DeprecationWarning"
)

_KEPT = Path(__file__).parents[2] / "docs" / "results"
#: Keys whose default is newer than the results that lack them: those of
#: searches are as a config of today says, since it was kept as they were.
_EXPLAINED = {
    "search.readout",
    "search.common_random_numbers",
    *commands.BEFORE,
}


def _results():
    """Yields (path, what prints its commands, which keys may differ)."""
    for path in sorted(_KEPT.glob("*/*.json")):
        kept, changed = json.loads(path.read_text()), set()
        if path.stem == "evaluation":
            make, changed = commands.of_evaluation, {"evaluation.sources"}
        elif path.stem == "search":
            make = commands.of_search
        elif isinstance(kept, dict) and kept.get("results"):
            make, changed = commands.of_experiment, {"evaluation.arms"}
        else:
            continue
        name = str(path.relative_to(_KEPT))
        yield pytest.param(path, kept, make, changed, id=name)


def _parsed(text, monkeypatch):
    """Returns the config of each command, and its other flags."""
    monkeypatch.chdir(_KEPT.parents[1])
    for command in re.findall(
        r"^    python -m gtn_tf.main (.*)$",
        re.sub(r" \\\n *", " ", text),
        re.MULTILINE,
    ):
        arguments = ["main", *shlex.split(command)]
        monkeypatch.setattr(sys, "argv", arguments)  # config_flags reads it
        values = flags.FlagValues()
        config = config_flags.DEFINE_config_file(
            "config", lock_config=True, flag_values=values
        )
        for name in ("mode", "workdir"):
            flags.DEFINE_string(name, None, "", flag_values=values)
        assert values(arguments) == ["main"]
        yield dict(flatten(to_json(config.value.to_dict()))), values


@pytest.mark.parametrize(("path", "kept", "make", "changed"), [*_results()])
def test_a_command_gives_the_config_that_is_kept(
    path, kept, make, changed, monkeypatch
):
    folder = path.parent
    expected = json.loads((folder / "config.json").read_text())
    if path.stem == "search":
        expected = kept["config"]
    expected.pop("environment", None)
    expected = dict(flatten(expected))
    *_, (config, values) = _parsed(make(folder, kept), monkeypatch)
    if "experiment" in kept:
        assert config["evaluation.experiment"] == kept["experiment"]
    may_differ = {*commands.UNTOLD, *changed, "evaluation.experiment"}
    for key in expected.keys() - may_differ:
        assert config[key] == expected[key], key
    for key in config.keys() - expected.keys():
        if key in commands.BEFORE:
            assert config[key] == commands.BEFORE[key]
        is_default = config[key] == to_json(FIELDS[key].default)
        assert is_default or key in _EXPLAINED, key
    assert values["mode"].value == (
        "search" if path.stem == "search" else "evaluate"
    )


def test_a_command_is_of_the_nearest_config(monkeypatch):
    folder = _KEPT / "mnist_cpu_t32_seed1"
    evaluation = {"sources": {"gtn": {}, "noise": {}}}
    text = commands.of_evaluation(folder, evaluation)
    (first, before), (second, after) = _parsed(text, monkeypatch)
    assert "--config=configs/mnist_cpu_t32.py" in text
    assert before["workdir"].value == "runs/mnist_cpu_t32_seed1"
    assert before["mode"].value is None
    assert after["mode"].value == "evaluate"
    assert first.pop("seed") == second.pop("seed") == 1
    assert second.pop("evaluation.sources") == ["gtn", "noise"]
    first.pop("evaluation.sources")
    assert first == second


def test_arms_that_later_commands_added_are_told(monkeypatch):
    folder = _KEPT / "mnist_any_network"
    kept = json.loads((folder / "any_network.json").read_text())
    ((config, _),) = _parsed(commands.of_experiment(folder, kept), monkeypatch)
    arms = {trial["arm"] for trial in kept["results"]} - {"plain"}
    assert len(arms) == 1
    assert {*config["evaluation.arms"]} == arms
    assert commands.of_experiment(folder, kept | {"results": []}) == ""


def test_trainings_leave_open_what_their_rows_say(monkeypatch):
    text = commands.of_trainings(_KEPT / "cifar10_16_retrain")
    ((config, values),) = _parsed(text, monkeypatch)
    assert values["mode"].value == "retrain"
    assert config["retrain.num_epochs"] == 2
    assert config["dataset.name"] == "cifar10_16"
    assert "--config.retrain.cutout" not in text
