"""ENAS on NAS-Bench-201, by one command; its controller."""

import json

import numpy as np
import pytest

from gtn_tf.nas import enas_training, mixed_training, nao_ws_training
from gtn_tf.nas.enas_training import Controller
from gtn_tf.nas.search import make_strategy
from gtn_tf.nas.strategies.enas import Enas
from gtn_tf.runtime.row_log import read_rows
from tests.helpers import nb201_search, tiny


@pytest.mark.slow
def test_what_it_ends_in_is_scored_by_its_supernet(tmp_path):
    given = (
        "--mode=search",
        "--config.search.strategy=enas",
        "--config.search.enas.num_epochs=2",
        "--config.search.enas.num_updates=2",
        "--config.search.enas.policy=logits",
        "--config.search.enas.batch=2",
        "--config.search.num_architectures=3",
    )
    done = tiny.run_main(tmp_path, *given, config=nb201_search.__file__)
    assert done.code == 0, done
    (folder,) = (tmp_path / "search" / "enas").iterdir()
    rows = read_rows(folder / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert not (tmp_path / "search" / "supernet").exists()
    ranking = json.loads((tmp_path / "search" / "ranking.json").read_text())
    own = json.loads((folder / "supernet" / "metadata.json").read_text())
    assert ranking["found_seconds"] > 0
    scored = ranking["evaluators"]["supernet"]
    assert scored["gtn_digest"] == own["digest"]
    state = json.loads((folder / "metadata.json").read_text())["controller"]
    assert state["num_updates"] == 4
    assert state["num_asked"] == 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["enas", "nao_ws"])
def test_a_training_that_was_killed_goes_on(tmp_path, name):
    """In the second epoch: what was learned after the first is kept."""
    own = {
        "enas": {"num_epochs": 2, "num_updates": 2, "policy": "logits"},
        "nao_ws": {
            **{"num_rounds": 2, "num_epochs": 1, "pool": 12, "num_new": 5},
            "num_network_epochs": 3,
        },
    }
    changes = {f"search__{name}__{key}": v for key, v in own[name].items()}
    session = nb201_search.session(search__strategy=name, **changes)
    strategy = make_strategy(session.spec)
    whole = strategy.find(session, tmp_path / "whole")
    with (
        nb201_search.killed_in_second_epoch(session),
        pytest.raises(nb201_search.Killed),
    ):
        strategy.find(session, tmp_path / "killed")
    resumed = strategy.find(session, tmp_path / "killed")
    assert resumed.architectures == whole.architectures
    digests = [
        json.loads((found.supernet / "metadata.json").read_text())["digest"]
        for found in (whole, resumed)
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("strategy", "module", "is_of_supernet"),
    [
        ("enas", enas_training, True),
        ("nao_ws", nao_ws_training, True),
        ("darts", mixed_training, False),
    ],
)
def test_another_rate_is_another_training(
    tmp_path, monkeypatch, strategy, module, is_of_supernet
):
    """Both rates may be changed in a workdir; each strategy takes one."""

    class Asked(Exception):
        pass

    def train_strategy(*arguments):
        raise Asked(arguments[4])

    monkeypatch.setattr(module, "train_strategy", train_strategy)

    def rate(**changes):
        session = nb201_search.session(
            search__strategy=strategy, search__real_learning_rate=0.2, **changes
        )
        with pytest.raises(Asked) as caught:
            make_strategy(session.spec).find(session, tmp_path)
        return caught.value.args[0].learning_rate

    assert rate() == 0.2
    own = rate(search__supernet__learning_rate=0.3)
    assert own == (0.3 if is_of_supernet else 0.2)


class Rewarding:
    """A supernet that likes 3x3 convolutions."""

    def reward(self, architecture, batch):
        return architecture.count("nor_conv_3x3") / 6


def test_the_controller_learns_what_is_rewarded():
    enas = Enas(
        num_epochs=1,
        num_updates=60,
        policy="logits",
        learning_rate=0.1,
        baseline_decay=0.9,
        batch=4,
    )
    controller = Controller(enas, nb201_search.session(), Rewarding())
    first = [controller.draw(step) for step in range(40)]
    controller.learn(1)
    last = [controller.draw(step) for step in range(40)]
    before, after = (
        np.mean([cell.count("nor_conv_3x3") for cell in cells])
        for cells in (first, last)
    )
    assert before < 2
    assert after > 4.5
    resumed = Controller(enas, nb201_search.session(), Rewarding())
    resumed.saved.assign(controller.saved)
    assert [resumed.draw(step) for step in range(40)] == last
