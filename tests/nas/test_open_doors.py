"""A space, a strategy and an evaluator of a module outside the package."""

import json
import random
import signal
from collections import Counter

import pytest

from gtn_tf.config.choices import SEARCH_STRATEGIES
from gtn_tf.import_paths import choose
from gtn_tf.nas.jobs import Plan
from gtn_tf.nas.loop import Loop
from gtn_tf.nas.proposals import Proposals
from gtn_tf.nas.results import read_search
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.worker import Worker
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.types import InputError
from tests.helpers import search_parts, search_runs, tiny

_MODULE = search_parts.__name__
_N = 40
_PARTS = {
    "space": f"{_MODULE}:Digits",
    "strategy": f"{_MODULE}:Climber",
    "evaluators": (f"{_MODULE}:Distance",),
    "truth": f"{_MODULE}:Largest",
    "truth_num_architectures": 5,
    "num_architectures": _N,
}


def _loop(workdir, **changes):
    config = search_runs.get_config()
    with config.ignore_type():
        config.search.update({**_PARTS, **changes})
    spec = search_spec(config)
    worker = Worker(spec)
    proposals = Proposals(
        choose(spec.strategy, SEARCH_STRATEGIES, "search.strategy")(),
        worker.space,
        spec.seed,
        _N,
    )
    store = JobStore(workdir)
    plan = Plan(spec, worker.evaluators, {})
    return Loop(spec, proposals, plan, store), worker, proposals


def _shuffled(seed):
    """Returns an executor whose jobs end in any order."""
    rng = random.Random(seed)

    def run(do_job, jobs, should_stop):
        while jobs and not should_stop():
            place = rng.randrange(len(jobs))
            key, job = jobs[place]
            del jobs[place]
            try:
                outcome = {**do_job(job), "status": "ok", "reason": None}
            except MemoryError:
                seconds = {"until_failure": 0.0}
                outcome = {"score": None, "seconds": seconds}
                outcome |= {"status": "failed", "reason": "MemoryError"}
            yield key, outcome

    return run


def _never():
    return False


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The proposals of an undisturbed search, in their order."""
    loop, worker, proposals = _loop(tmp_path_factory.mktemp("expected"))
    loop.run(_shuffled(0), worker.do, _never)
    assert len(proposals.made) == _N
    return proposals.made


def test_the_order_in_which_jobs_end_changes_nothing(expected, tmp_path):
    for seed in (1, 2):
        loop, worker, proposals = _loop(tmp_path / str(seed))
        loop.run(_shuffled(seed), worker.do, _never)
        assert proposals.made == expected


def test_stopped_anywhere_it_goes_on_as_if_it_had_not(expected, tmp_path):
    for seed in range(100):
        loop, worker, proposals = _loop(tmp_path)
        num_done = Counter()

        def should_stop(num_done=num_done):
            num_done["jobs"] += 1
            return num_done["jobs"] > 7

        loop.run(_shuffled(seed), worker.do, should_stop)
        assert proposals.made == expected[: len(proposals.made)]
        if None not in loop.results.values() and len(proposals.made) == _N:
            break
    assert proposals.made == expected
    assert seed > 1


def _best(made):
    return max(
        -sum(
            abs(int(digit) - best)
            for digit, best in zip(
                proposal.architecture, search_parts.BEST, strict=True
            )
        )
        for proposal in made
    )


def test_it_adapts_and_random_search_draws_each_once(expected, tmp_path):
    loop, worker, proposals = _loop(tmp_path, strategy="random")
    loop.run(_shuffled(0), worker.do, _never)
    assert len({proposal.key for proposal in proposals.made}) == _N
    assert _best(expected) > _best(proposals.made)


def _search(workdir, *arguments, hook=None, **changes):
    given = [
        f"--config.search.{name}={value}"
        for name, value in {**_PARTS, **changes}.items()
    ]
    return tiny.run_main(
        workdir,
        "--mode=search",
        *given,
        *arguments,
        config=search_runs.__file__,
        hook=hook,
    )


def _scores(workdir):
    folder = workdir / "search" / "results"
    return {
        path.name: json.loads(path.read_text())["score"]
        for path in folder.glob("*.json")
    }


def test_by_the_command_line_killed_or_not(expected, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = _search(whole)
    assert done.code == 0, done
    hook = search_runs.SignalAfter(9, signal.SIGKILL)
    assert _search(killed, hook=hook).code == -signal.SIGKILL
    assert len(_scores(killed)) == 9
    done = _search(killed)
    assert done.code == 0, done
    assert _scores(killed) == _scores(whole)
    keys = {proposal.key for proposal in expected}
    assert len(_scores(whole)) == len(keys) + 5
    found = read_search(whole)
    assert set(found.genotypes) == keys
    assert found.ranking["num_architectures"] == 5
    selected = json.loads((whole / "search" / "selected.json").read_text())
    assert selected["score"] == _best(expected)
    budget = found.ranking["evaluators"][f"{_MODULE}:Distance"]["budget"]
    assert budget["space"] == f"{_MODULE}:Digits"


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"strategy": "annealing"}, ("annealing", "random")),
        ({"strategy": "absent.module:A"}, ("absent.module", "search.strategy")),
        ({"space": "nasbench"}, ("nasbench", "cells")),
        ({"num_shards": 2}, ("num_shards is 2", "executor=ray")),
    ],
)
def test_errors_are_one_line(tmp_path, changes, parts):
    tiny.assert_one_line(_search(tmp_path, **changes), 2, *parts)
    assert not (tmp_path / "search").exists()


class _Lazy(search_parts.Climber):
    """Stops proposing after ten."""

    def __init__(self, num_asked, num_texts):
        self._num_asked, self._num_texts = num_asked, num_texts

    def num_asked(self, num_open, num_left):
        at_least_ten = num_left <= _N - 10
        return self._num_asked if at_least_ten and not num_open else 1

    def ask(self, space, state, history, count):
        state, texts = super().ask(space, state, history, count)
        is_late = len(history) >= 10
        return state, texts[: self._num_texts] if is_late else texts


@pytest.mark.parametrize(
    ("strategy", "part"),
    [
        (_Lazy(0, 1), "asks for 0 proposals, where 0 .* expected 1 to 30;"),
        (_Lazy(31, 1), "asks for 31 proposals"),
        (_Lazy(-1, 1), "asks for -1 proposals"),
        (_Lazy(1, 0), "proposes 0 architectures; expected 1,"),
    ],
)
def test_a_strategy_that_ends_too_early_is_told(strategy, part):
    space = search_parts.Digits(2, ())
    proposals = Proposals(strategy, space, 0, _N)

    def tell_all():
        while not proposals.all_told:
            proposals.tell({p.key: 0.0 for p in proposals.made})

    with pytest.raises(InputError, match=part):
        tell_all()


def test_failures_of_own_code_are_done_again(tmp_path, monkeypatch):
    """It may have been corrected; what has a score is kept."""
    evaluate = search_parts.Distance.evaluate

    def wrong(self, job, session):
        if job.architecture[0] > 4:
            raise MemoryError
        return evaluate(self, job, session)

    changes = {"strategy": "random", "truth_num_architectures": 0}
    monkeypatch.setattr(search_parts.Distance, "evaluate", wrong)
    loop, worker, _ = _loop(tmp_path, **changes)
    loop.run(_shuffled(0), worker.do, _never)
    first = dict(loop.results)
    failed = {key for key, one in first.items() if one["status"] == "failed"}
    assert 0 < len(failed) < _N
    monkeypatch.undo()
    loop, worker, _ = _loop(tmp_path, **changes)
    done = []

    def do(job):
        done.append(job)
        return worker.do(job)

    loop.run(_shuffled(0), do, _never)
    assert len(done) == len(failed)
    assert {one["status"] for one in loop.results.values()} == {"ok"}
    for key in first.keys() - failed:
        assert loop.results[key] == first[key]


def test_what_a_space_lacks_it_says(tmp_path):
    done = _search(tmp_path, evaluators=("params",), num_architectures=1)
    tiny.assert_one_line(done, 2, "'Digits' has no cost", "--config.search")
