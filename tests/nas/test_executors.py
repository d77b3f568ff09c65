import collections
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from gtn_tf.nas import executors
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.types import DivergenceError, InputError
from tests.helpers import search_runs, tiny

_NEEDS_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra 'ray' is absent"
)


_SECONDS = {"build": 0.0, "trace": 0.5, "train": 1.0}


def _score(job):
    if job.get("raises"):
        raise job["raises"]
    return {"score": job["score"], "seconds": dict(_SECONDS)}


def _inline(function, jobs, *arguments):
    queue = collections.deque(jobs.items())
    return executors.run_inline(function, queue, *arguments)


def _jobs(*scores):
    return {f"job {i}": {"score": score} for i, score in enumerate(scores)}


def test_inline_yields_each_job_once_in_order():
    found = list(_inline(_score, _jobs(0.5, 1, 0.25)))
    assert [key for key, _ in found] == ["job 0", "job 1", "job 2"]
    assert found[1][1] == {
        "score": 1.0,
        "seconds": _SECONDS,
        "status": "ok",
        "reason": None,
    }


def test_a_result_is_there_before_the_next_job_begins():
    begun = []

    def score(job):
        begun.append(job["score"])
        return _score(job)

    outcomes = _inline(score, _jobs(1, 2, 3))
    next(outcomes)
    assert begun == [1]


def test_jobs_that_are_appended_are_done():
    queue = collections.deque([("first", {"score": 1})])
    found = []
    for key, outcome in executors.run_inline(_score, queue):
        found.append((key, outcome["score"]))
        if len(found) < 3:
            queue.append((f"after {key}", {"score": len(found) + 1}))
    assert found == [("first", 1), ("after first", 2), ("after after first", 3)]


_GRAPH_ERROR = "ValueError: Graph error: bad, b"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "MemoryError"),
        (DivergenceError("step 3\nmore"), "DivergenceError: step 3 more"),
        (ValueError("x" * 1000), "ValueError: " + 300 * "x"),
        (ValueError("Graph error:\n\n{{node a}} bad; b"), _GRAPH_ERROR),
    ],
)
def test_what_a_job_raises_is_its_failure(error, reason):
    jobs = {"bad": {"raises": error}, "good": {"score": 0.5}}
    found = dict(_inline(_score, jobs))
    assert found["good"]["status"] == "ok"
    bad = found["bad"]
    assert (bad["status"], bad["score"]) == ("failed", None)
    assert bad["reason"] == reason
    assert bad["seconds"].keys() == {"until_failure"}


def test_what_a_machine_lacks_is_no_failure():
    jobs = {"good": {"score": 1}, "bad": {"raises": InputError("a; b; c")}}
    outcomes = _inline(_score, jobs)
    assert next(outcomes)[0] == "good"
    with pytest.raises(InputError, match="a; b; c"):
        next(outcomes)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_a_divergence(score):
    outcome = executors.attempt(_score, {"score": score})
    assert outcome["status"] == "failed"
    assert outcome["reason"] == f"DivergenceError: the score is {score}"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupt_is_no_failure(error):
    jobs = {"first": {"score": 1}, "second": {"raises": error}}
    outcomes = _inline(_score, jobs)
    assert next(outcomes)[0] == "first"
    with pytest.raises(type(error)):
        next(outcomes)


@pytest.mark.parametrize(
    "result",
    [
        *(0.7, None, [], {"accuracy": 1.0}, {"score": 0.7}),
        {"score": 0.7, "seconds": 1.0},
        {"score": 0.7, "seconds": {"train": 1.0}},
        {"score": 0.7, "seconds": _SECONDS | {"train": -1.0}},
        {"score": 0.7, "seconds": _SECONDS | {"train": None}},
        {"score": None, "seconds": _SECONDS},
        {"score": "a; b", "seconds": _SECONDS},
    ],
)
def test_what_is_no_result_is_no_failure(result):
    with pytest.raises(InputError, match="'mine:Own' returns") as caught:
        executors.attempt(lambda job: result, {"evaluator": "mine:Own"})
    assert caught.match(tiny.ONE_LINE)
    assert "'seconds', a dict of numbers" in str(caught.value)


def test_numbers_of_a_result_may_be_numpys():
    seconds = {part: np.float32(1) for part in _SECONDS}
    result = {"score": np.float32(0.5), "seconds": seconds}
    outcome = executors.attempt(lambda job: result, {})
    assert outcome["score"] == 0.5
    assert json.dumps(outcome["seconds"])


def test_stops_between_jobs():
    caught = []
    previous = signal.signal(signal.SIGTERM, lambda n, _: caught.append(n))
    try:
        found = []
        for key, _ in _inline(
            _terminated, _jobs(1, 2, 3), lambda: bool(caught)
        ):
            found.append(key)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert found == ["job 0", "job 1"]  # the second was finished
    assert caught == [signal.SIGTERM]


def _terminated(job):
    if job["score"] == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return _score(job)


def test_executors_by_name():
    assert executors.executor("inline") is executors.run_inline
    assert executors.executor("ray") is executors.run_ray
    with pytest.raises(InputError, match="'dask'; expected one of inline, ray"):
        executors.executor("dask")


def test_a_job_that_was_stopped_has_no_outcome():
    def stop(job):
        if job["number"] == 2:
            raise Stopped(143)
        return {"score": 1.0, "seconds": _SECONDS}

    jobs = {f"job {number}": {"number": number} for number in range(4)}
    found = [key for key, _ in _inline(stop, jobs)]
    assert found == ["job 0", "job 1"]


def test_ray_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'gtn_tf\[ray\]'"):
        executors.executor("ray")


def _in_process(home, *arguments):
    """Runs a function of ray_jobs.py; Ray writes a token into HOME."""
    root, file = Path(__file__).parents[2], home / "returned.json"
    # A folder of its own, of a short name: in Ray's, the address of a cluster
    # that was killed lives on, and is asked for minutes.
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        subprocess.run(
            [sys.executable, "-m", "tests.helpers.ray_jobs", file, *arguments],
            env={
                **os.environ,
                "HOME": str(home),
                "PYTHONPATH": str(root),
                "RAY_TMPDIR": folder,
                "RAY_USAGE_STATS_ENABLED": "0",
            },
            cwd=root,
            timeout=300,
            check=True,
        )
    return json.loads(file.read_text())


@_NEEDS_RAY
@pytest.mark.slow
def test_ray_that_loses_workers_equals_inline(tmp_path):
    from tests.helpers import ray_jobs

    marker = tmp_path / "killed once"
    found = _in_process(tmp_path, "lose_workers", str(marker))
    assert marker.exists()
    assert len(found) == 8
    outcomes = dict(found)
    # Job 5 kills every worker: it failed after 4 of them.
    assert outcomes["job 5"]["status"] == "failed"
    assert outcomes["job 5"]["reason"].startswith("WorkerCrashedError")
    expected = dict(
        _inline(ray_jobs.score, ray_jobs.jobs(str(marker), may_kill=False))
    )
    assert outcomes.keys() == expected.keys()
    for key in expected.keys() - {"job 5"}:
        for outcome in (outcomes[key], expected[key]):
            outcome["seconds"].pop("until_failure", None)
        assert outcomes[key] == expected[key]
    assert outcomes["job 3"]["reason"] == "MemoryError: cell too large"


@pytest.mark.slow
@_NEEDS_RAY
def test_ray_stops_while_jobs_run(tmp_path):
    assert _in_process(tmp_path, "stop_by_signal") == [["short"], [15]]


@pytest.mark.slow
@_NEEDS_RAY
def test_search_on_ray_equals_inline_though_workers_die(tmp_path):
    workdirs = [tmp_path / name for name in ("inline", "ray")]
    arguments = [
        f"--config={search_runs.__file__}",
        "--config.search.evaluators=('params', 'real:steps=2')",
        "--config.search.truth=real:steps=4",
    ]
    inline = tiny.run_main(
        workdirs[0], "--mode=search", *arguments, config=None
    )
    assert inline.code == 0, inline
    code, errors, killed_at = _in_process(
        tmp_path, "search_on_two_nodes", str(workdirs[1]), *arguments
    )
    assert code == 0, errors
    assert len(killed_at) == 2
    assert max(killed_at) < 3 * search_runs.NUM_ARCHITECTURES
    assert "its job is begun again" in errors, errors
    inline, ray = (
        {
            key: {k: v for k, v in result.items() if k != "seconds"}
            for key, result in JobStore(workdir / "search" / "results")
            .all()
            .items()
        }
        for workdir in workdirs
    )
    assert len(inline) == 3 * search_runs.NUM_ARCHITECTURES
    assert {result["status"] for result in inline.values()} == {"ok"}
    assert ray == inline
    selected = [
        (workdir / "search" / "selected.json").read_text()
        for workdir in workdirs
    ]
    assert selected[0] == selected[1]


@pytest.mark.slow
@_NEEDS_RAY
def test_a_strategy_that_adapts_is_the_same_on_ray(tmp_path):
    """Told in its own order, whatever order the evaluations end in."""
    arguments = [
        f"--config={search_runs.__file__}",
        "--config.search.space=nb201",
        "--config.search.num_cells=1",
        "--config.search.strategy=evolution",
        "--config.search.evolution.population=4",
        "--config.search.evolution.sample=2",
        "--config.search.evolution.in_flight=3",
        "--config.search.num_architectures=16",
        "--config.search.guide=params",
        "--config.search.truth=flops",
    ]
    workdirs = [tmp_path / name for name in ("inline", "ray")]
    inline = tiny.run_main(
        workdirs[0], "--mode=search", *arguments, config=None
    )
    assert inline.code == 0, inline
    code, errors = _in_process(tmp_path, "search", str(workdirs[1]), *arguments)
    assert code == 0, errors
    inline, ray = (
        {
            key: (result["genotype"], result["score"])
            for key, result in JobStore(workdir / "search" / "results")
            .all()
            .items()
        }
        for workdir in workdirs
    )
    assert len(inline) > 16
    assert ray == inline


@_NEEDS_RAY
def test_ray_machine_without_data_or_no_cluster_at_all(tmp_path):
    message = _in_process(tmp_path, "lack_data")
    assert message == "no data; expected some; bring them"
    message = _in_process(tmp_path, "reach_no_cluster")
    assert message.startswith("no Ray cluster at 'auto'; expected one that")
