"""What a strategy took long to propose is asked for once."""

import dataclasses
import itertools
import json
from typing import ClassVar

import pytest

from gtn_tf.nas import kept_proposals as module
from gtn_tf.nas.kept_proposals import kept_proposals
from gtn_tf.nas.proposals import Proposals
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.strategies.evolution import Evolution
from gtn_tf.nas.strategies.random import Random
from gtn_tf.search_spaces.nb201.space import NB201
from tests.helpers import nb201_search

SPACE = NB201()
SPEC = dataclasses.replace(
    search_spec(nb201_search.get_config()),
    strategy="evolution",
    strategy_options={"population": 3},
)


class Counted(Evolution):
    """Counts how often it is asked, and proposes otherwise after `moved`."""

    asked: ClassVar[list[int]] = []
    moved: ClassVar[bool] = False

    def ask(self, space, state, history, count):
        self.asked.append(count)
        if self.moved:
            state = {**state, "seed": state["seed"] + 1}
        return super().ask(space, state, history, count)


@pytest.fixture
def strategy(monkeypatch):
    monkeypatch.setattr(Counted, "asked", [])
    monkeypatch.setattr(Counted, "moved", False)
    return Counted(3, 2, 1)


@pytest.fixture
def all_take_long(monkeypatch):
    monkeypatch.setattr(module, "_LONG_SECONDS", 0.0)


def _run(strategy, seed=0, factor=1.0):
    proposals = Proposals(strategy, SPACE, seed, 12)
    while not proposals.all_told:
        proposals.tell(
            {
                proposal.key: factor * proposal.architecture.count("3x3")
                for proposal in proposals.made
            }
        )
    return proposals.made


@pytest.mark.usefixtures("all_take_long")
def test_a_replay_does_not_ask_and_goes_as_it_went(
    strategy, monkeypatch, tmp_path
):
    expected = _run(strategy)
    del strategy.asked[:]
    assert _run(kept_proposals(strategy, SPEC, tmp_path)) == expected
    num_asked = len(strategy.asked)
    assert num_asked > 3
    # As a training does on another number of threads.
    monkeypatch.setattr(Counted, "moved", True)
    assert _run(kept_proposals(strategy, SPEC, tmp_path)) == expected
    assert len(strategy.asked) == num_asked
    assert _run(strategy) != expected


def test_seconds_are_of_all_proposals_whoever_found_them(
    strategy, monkeypatch, tmp_path
):
    clock = itertools.count()  # a second at each look
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    first = kept_proposals(strategy, SPEC, tmp_path)
    _run(first)
    assert first.seconds == len(strategy.asked) > 3
    again = kept_proposals(strategy, SPEC, tmp_path)
    one, *_ = (tmp_path / "search" / "proposals").iterdir()
    kept = json.loads(one.read_text())
    del kept["seconds"]  # as of earlier versions
    one.write_text(json.dumps(kept))
    _run(again)
    assert again.seconds == first.seconds - 1


@pytest.mark.usefixtures("all_take_long")
@pytest.mark.parametrize("what", ["scores", "seed", "options", "space"])
def test_another_search_asks(strategy, tmp_path, what):
    _run(kept_proposals(strategy, SPEC, tmp_path))
    num_asked = len(strategy.asked)
    changed = {
        "options": {"strategy_options": {"population": 4}},
        "space": {"ops": ("nor_conv_3x3",)},
    }
    spec = dataclasses.replace(SPEC, **changed.get(what, {}))
    _run(
        kept_proposals(strategy, spec, tmp_path),
        seed=int(what == "seed"),
        factor=-1.0 if what == "scores" else 1.0,
    )
    assert len(strategy.asked) > num_asked


def test_what_is_quick_is_not_kept(strategy, tmp_path):
    _run(kept_proposals(strategy, SPEC, tmp_path))
    assert not list((tmp_path / "search" / "proposals").iterdir())
    random = Random()
    assert kept_proposals(random, SPEC, tmp_path) is random


@pytest.mark.parametrize("key", ["strategy", "space"])
def test_what_a_person_may_change_is_asked(strategy, tmp_path, key):
    spec = dataclasses.replace(SPEC, **{key: "mine.strategies:Own"})
    assert kept_proposals(strategy, spec, tmp_path) is strategy


@pytest.mark.usefixtures("all_take_long")
def test_damaged_proposals_are_asked_for_again(strategy, tmp_path):
    expected = _run(kept_proposals(strategy, SPEC, tmp_path))
    num_asked = len(strategy.asked)
    files = sorted((tmp_path / "search" / "proposals").iterdir())
    for file, text in zip(
        files, ("", "[1]", '{"state": {}}', "{"), strict=False
    ):
        file.write_text(text)
    assert _run(kept_proposals(strategy, SPEC, tmp_path)) == expected
    assert len(strategy.asked) == num_asked + 4
    for file in files[:4]:
        assert json.loads(file.read_text())["architectures"]
