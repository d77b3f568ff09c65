"""Searches that are charged for what they ask, and their experiment."""

import csv
import json
import os
import signal

import pytest

from gtn_tf.experiments import search_methods_trials as trials
from gtn_tf.experiments.charged_search import run_search
from gtn_tf.experiments.method_prices import measure_prices
from gtn_tf.experiments.method_scores import Scores
from gtn_tf.experiments.search_methods import EXPERIMENT
from gtn_tf.export.load import load
from gtn_tf.nas.evaluators.zero_cost import ZeroCost
from gtn_tf.nas.jobs import teacher_source
from gtn_tf.nas.strategies.random import Random
from gtn_tf.search_spaces.nb201.space import NB201
from gtn_tf.types import DivergenceError, InputError
from tests.helpers import nb201_search, tiny
from tests.helpers.experiment_results import is_drawn

_COMMAND = (
    f"--config={nb201_search.__file__}",
    "--mode=evaluate",
    "--config.evaluation.experiment=search_methods",
    "--config.evaluation.num_seeds=2",
    "--config.search.num_architectures=6",
    "--config.search.evolution.population=2",
    "--config.search.evolution.sample=2",
    "--config.search.truth=params",
)

PRICE = {"setup": 10.0, "price": 2.0}


class _Scores:
    """The number of 3x3 convolutions as score; the truth is its contrary."""

    space, is_looked_up = NB201(), True

    def __init__(self):
        self.asked = []

    def get(self, evaluator, proposal):
        self.asked.append((evaluator, proposal.key))
        number = proposal.architecture.count("nor_conv_3x3")
        return -number if evaluator == "table" else number

    def true_score(self, proposal):
        return self.get("table", proposal)


def _search(most_seconds, most_proposals, is_looked_up=True):
    scores = _Scores()
    scores.is_looked_up = is_looked_up
    found = run_search(
        *(Random(), "params", 0, scores, PRICE),
        *(most_seconds, most_proposals, 10),
    )
    return scores, found


def test_a_search_is_charged_its_setup_and_each_different_cell():
    scores, found = _search(10 + 2 * 30 + 1, 300)
    assert found["num_different"] == 30
    assert found["seconds"] == [12 + 2 * number for number in range(30)]
    asked = [key for name, key in scores.asked if name == "params"]
    assert sorted(asked) == sorted(set(found["keys"]))
    # Of the ten best by the evaluator, the best by the truth.
    numbers = sorted(
        (-scores.get("table", proposal) for proposal in _cells(found["keys"])),
        reverse=True,
    )
    assert found["pick"] == -numbers[9]
    assert found["truths"][-1] == found["pick"]


def test_a_dear_truth_is_asked_of_the_best_alone():
    scores, found = _search(10 + 2 * 30 + 1, 300, is_looked_up=False)
    assert sum(name == "table" for name, _ in scores.asked) == 10
    _, looked_up = _search(10 + 2 * 30 + 1, 300)
    assert found["pick"] == looked_up["pick"]
    assert found["seconds"] == looked_up["seconds"][-1:]
    assert found["truths"] == [found["pick"]]


def _cells(keys):
    from gtn_tf.nas.proposals import Proposals

    made = Proposals(Random(), NB201(), 0, 300).made
    return list({p.key: p for p in made if p.key in set(keys)}.values())


def test_a_search_ends_with_its_proposals_and_may_not_begin():
    assert _search(1e9, 25)[1]["num_different"] == 25
    assert _search(11.0, 25)[1]["pick"] is None


def test_what_fails_by_the_truth_is_no_pick(monkeypatch):
    plain = _search(1e9, 25)[1]
    best = plain["pick"]

    def get(scores, evaluator, proposal):
        number = proposal.architecture.count("nor_conv_3x3")
        if evaluator != "table":
            return number
        return None if -number == best else -number

    monkeypatch.setattr(_Scores, "get", get)
    assert _search(1e9, 25)[1]["pick"] < best < 0
    monkeypatch.setattr(_Scores, "true_score", lambda *_: None)
    failed = _search(1e9, 25)[1]
    assert failed["pick"] is None
    assert set(failed["truths"]) == {None}


def test_prices_are_measured_again_for_another_gtn(monkeypatch, tmp_path):
    measured = []

    def measure_prices(scores, names):
        measured.append(names)
        return {name: {"price": 1.0, "setup": 0.0} for name in names}

    monkeypatch.setattr(trials, "measure_prices", measure_prices)
    config = nb201_search.get_config()
    config.search.evaluators = ("gtn",)
    config.search.gtn = "gtn:digits"
    scores = Scores(config, tmp_path, [])
    path = tmp_path / "prices.json"
    trials._prices(scores, path)
    trials._prices(Scores(config, tmp_path, []), path)
    assert len(measured) == 1
    monkeypatch.setattr(
        Scores, "taught_by", lambda *_: {"gtn": ["another", 3.0]}
    )
    trials._prices(scores, path)
    assert len(measured) == 2


def test_what_fails_on_some_cells_has_a_price(monkeypatch, tmp_path):
    config = nb201_search.get_config()
    config.search.evaluators = ("flops", "naswot")
    scores = Scores(config, tmp_path / "experiments" / "search_methods", [])
    evaluate, tried = ZeroCost.evaluate, []

    def evaluate_some(self, job, session):
        tried.append(job)
        if len(tried) % 3 == 1:
            raise DivergenceError("not finite")
        return evaluate(self, job, session)

    monkeypatch.setattr(ZeroCost, "evaluate", evaluate_some)
    prices = measure_prices(scores, config.search.evaluators)
    assert prices["naswot"]["price"] > prices["flops"]["price"] > 0

    def fail(self, job, session):
        raise DivergenceError("not finite")

    monkeypatch.setattr(ZeroCost, "evaluate", fail)
    with pytest.raises(InputError, match="'naswot' fails on all"):
        measure_prices(scores, config.search.evaluators)


def test_the_workdirs_own_gtn_is_taken(tmp_path):
    assert tiny.run_main(tmp_path).code == 0
    config = tiny.get_config()
    config.search.evaluators = ("gtn",)
    folder = tmp_path / "experiments" / "search_methods"
    scores = Scores(config, folder, [])
    digest, seconds = scores.taught_by(("gtn",))["gtn"]
    assert digest == teacher_source(load(tmp_path)).digest
    assert seconds > 0
    assert not list(folder.rglob("checkpoints"))


def _killed_at_the_fifth_score():
    from gtn_tf.experiments import method_scores as module

    put, kept = module.JobStore.put, []

    def put_and_die(store, *arguments):
        put(store, *arguments)
        kept.append(arguments)
        if len(kept) == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    module.JobStore.put = put_and_die


def _result(workdir):
    path = workdir / "experiments" / "search_methods" / "result.json"
    return json.loads(path.read_text())


def _check_scores(path, searches):
    """All that was asked for is in it: of the truth, of the best alone."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    truths = {float(row["score"]) for row in rows if row["score"]}
    assert truths >= {row["pick"] for row in searches}
    network = nb201_search.session().network("search")
    for row in rows:
        assert row["flops"] or row["naswot"]
        cost = NB201().cost(NB201().from_text(row["genotype"]), network)
        flops = f"{cost.multiply_adds:.6g}"
        assert row["flops"] in ("", flops)
        assert row["score"] in ("", f"{cost.params:.6g}")


def test_free_evaluators_lead_searches_and_a_kill_loses_nothing(tmp_path):
    command = (
        *_COMMAND,
        "--config.evaluation.strategies=('random', 'evolution')",
        "--config.search.evaluators=('flops', 'naswot')",
    )
    run = {"config": None}
    once = tiny.run_main(tmp_path / "once", *command, **run)
    assert once.code == 0, once
    killed = tmp_path / "killed"
    hook = _killed_at_the_fifth_score
    done = tiny.run_main(killed, *command, **run, hook=hook)
    assert done.code == -signal.SIGKILL, done
    kept = sorted((killed / "experiments").rglob("results/*.json"))
    written = [path.stat().st_mtime_ns for path in kept]
    done = tiny.run_main(killed, *command, **run)
    assert done.code == 0, done
    assert [path.stat().st_mtime_ns for path in kept] == written
    result, other = _result(tmp_path / "once"), _result(killed)
    for one, again in zip(result["searches"], other["searches"], strict=True):
        del one["seconds"], again["seconds"]  # prices are measured anew
        assert one == again
    assert len(result["searches"]) == 2 * 2 * 2
    for row in result["searches"]:
        assert row["truths"] == [row["pick"]]  # of the last best alone
        assert 2 <= row["num_different"] <= 6
    assert EXPERIMENT.table(other) in done.errors
    folder = killed / "experiments" / "search_methods"
    assert is_drawn(folder / "figure.png")
    _check_scores(folder / "scores.csv", other["searches"])
    prices = json.loads((folder / "prices.json").read_text())["prices"]
    assert prices == other["prices"]
    done = tiny.run_main(killed, *command, "--config.search.channels=3", **run)
    assert done.code == 0, done
    assert "prices are measured again" in done.errors
    assert _result(killed)["prices"] != prices
    assert prices["flops"]["price"] < prices["naswot"]["price"]
    assert not result["ranking"]  # of a table alone


@pytest.mark.slow
def test_weights_of_their_own_and_shared_ones(tmp_path):
    command = (
        *_COMMAND,
        "--config.evaluation.num_seeds=1",
        "--config.evaluation.strategies=('random', 'darts', 'enas')",
        "--config.search.evaluators=('supernet','supernet:readout=accuracy')",
        "--config.search.darts.num_epochs=1",
        "--config.search.enas.num_epochs=1",
        "--config.search.enas.num_updates=1",
    )
    done = tiny.run_main(tmp_path, *command, config=None)
    assert done.code == 0, done
    result = _result(tmp_path)
    first, second, *_ = result["searches"]
    assert (first["strategy"], first["evaluator"]) == ("random", "supernet")
    assert second["evaluator"] == "supernet:readout=accuracy"
    by_strategy = {row["strategy"]: row for row in result["searches"]}
    for name in ("darts", "enas"):
        row = by_strategy[name]
        assert row["evaluator"] is None
        assert row["seconds"][0] > 0
        assert row["pick"] == max(row["truths"])
        assert row["num_different"] == len(row["cells"])
    # Its set-up is its steps by the price of one: two epochs of few steps.
    first, second = result["prices"].values()
    assert first["setup"] > first["price"] > 0
    assert second["setup"] == first["setup"]  # each alone would trace
    # What the supernet of ENAS has scored is not scored again.
    (draws,) = tmp_path.glob("experiments/*/search/enas/*/draws.json")
    kept = json.loads(draws.read_text())
    draws.write_text(json.dumps({**kept, "seconds": kept["seconds"] + 1e6}))
    done = tiny.run_main(tmp_path, *command, config=None)
    assert done.code == 0, done
    again = {row["strategy"]: row for row in _result(tmp_path)["searches"]}
    assert again["enas"]["cells"] == by_strategy["enas"]["cells"]
    assert again["enas"]["seconds"][0] > 1e6


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("search.evaluators=('rank_mean:naswot+flops',)", "whose score"),
        ("search.evaluators=('flops', 'params')", "'params' is one of"),
        ("search.guide=flops", "expected None"),
        ("evaluation.strategies=('chance',)", "different ones of random"),
        ("evaluation.search_seconds=0", "expected a number > 0"),
        ("search.select_top=0", "expected at least 1"),
    ],
)
def test_what_cannot_be_compared_is_one_line(tmp_path, flag, part):
    done = tiny.run_main(tmp_path, *_COMMAND, f"--config.{flag}", config=None)
    assert done.code == 2, done
    assert part in done.errors
    assert not list(tmp_path.iterdir())
