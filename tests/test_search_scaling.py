import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import search_scaling
from benchmarks.job_times import (
    JobTimes,
    read_benchmark,
    read_workdir,
    resample,
)
from benchmarks.search_scaling import (
    Spent,
    Workers,
    efficiency,
    run_ray,
    run_shards,
    saturation,
)
from gtn_tf.nas.job_results import job_key, problem_of
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.types import InputError

_NEVER = 1e9
_RUNS = (run_ray, run_shards)


@pytest.mark.parametrize("run", _RUNS)
def test_equal_jobs(run):
    workers = Workers(4, setup_seconds=5.0)
    spent = run([10.0] * 8, workers)
    # Each worker: 5 + 10 + 10.
    assert spent == Spent(25, paid=100, work=80, setup=20, redone=0, idle=0)
    assert efficiency(spent, workers) == (5 + 80) / (4 * 25)


@pytest.mark.parametrize(
    ("jobs", "makespan", "idle"),
    [
        # Six short jobs are done at 30, then the long one by one of two.
        ([10.0] * 6 + [60.0], 90, 60),
        ([60.0] + [10.0] * 6, 60, 0),
    ],
)
def test_one_long_job_on_ray(jobs, makespan, idle):
    spent = run_ray(jobs, Workers(2, setup_seconds=0.0))
    assert spent == Spent(makespan, 120 + idle, 120, 0, 0, idle)


def test_one_long_job_in_a_shard():
    spent = run_shards([60.0] + [10.0] * 6, Workers(2, setup_seconds=0.0))
    # Dealt out blindly, three short jobs wait for the long one.
    assert spent == Spent(90, paid=120, work=120, setup=0, redone=0, idle=0)


@pytest.mark.parametrize("run", _RUNS)
def test_set_up_dominates(run):
    workers = Workers(256, setup_seconds=99.0)
    spent = run([1.0] * 256, workers)
    assert spent.makespan == 100
    assert spent.setup / spent.paid == 0.99
    assert efficiency(spent, workers) == (99 + 256) / 25600


def test_more_workers_than_jobs():
    workers = Workers(3, setup_seconds=2.0)
    # On Ray all are paid until the end.
    assert run_ray([10.0], workers) == Spent(12, 36, 10, 6, 0, 20)
    assert run_shards([10.0], workers) == Spent(12, 16, 10, 6, 0, 0)


class _Lives:
    """Times to failure, in the order in which they are asked for."""

    def __init__(self, *seconds):
        self._left = list(seconds)

    def exponential(self, scale):
        return self._left.pop(0) if self._left else _NEVER


def _failing(monkeypatch, *seconds):
    monkeypatch.setattr(
        search_scaling.np.random, "default_rng", lambda seed: _Lives(*seconds)
    )


def test_a_lost_job_is_done_again_first(monkeypatch):
    # Two set-ups, then the first worker's job.
    _failing(monkeypatch, _NEVER, _NEVER, 4.0)
    spent = run_ray([10.0] * 3, Workers(2, 5.0, failure_probability=0.5))
    # One: set-up 0-5, lost 5-9, set-up 9-14, that job again 14-24.
    # Other: set-up 0-5, jobs 5-15 and 15-25.
    assert spent == Spent(25, paid=50, work=30, setup=15, redone=4, idle=1)


def test_a_waiting_worker_takes_a_lost_job(monkeypatch):
    _failing(monkeypatch, _NEVER, _NEVER, 4.0)
    spent = run_ray([10.0], Workers(2, 5.0, failure_probability=0.5))
    # One loses it at 9 and is being set up until 14; the other: 9-19.
    assert spent == Spent(19, paid=38, work=10, setup=15, redone=4, idle=9)


def test_a_shard_waits_for_its_own_worker(monkeypatch):
    # The first set-up fails after 2 seconds, the first try after 3.
    _failing(monkeypatch, 2.0, _NEVER, 3.0)
    spent = run_shards([10.0], Workers(1, 5.0, failure_probability=0.5))
    # 0-2 and 2-7, lost 7-10, 10-15, done 15-25.
    assert spent == Spent(25, paid=25, work=10, setup=12, redone=3, idle=0)


@pytest.mark.parametrize("run", _RUNS)
def test_failures_happen_as_often_as_said(run):
    jobs = [36.0] * 20000
    spent = run(jobs, Workers(50, 0.0, failure_probability=0.5, seed=1))
    assert spent == run(jobs, Workers(50, 0.0, 0.5, seed=1))
    assert spent.work == sum(jobs)
    # 200 hours of work, ln 2 failures in each, half a job lost by each.
    assert spent.redone == pytest.approx(200 * 0.693 * 18, rel=0.2)
    assert spent.makespan > 200 * 3600 / 50


def test_saturation():
    found = saturation([10.0] * 6 + [20.0], setup_seconds=40.0)
    assert list(found.items()) == [
        ("set-up", 2.0),
        ("longest job", 4.0),
        ("number of jobs", 7.0),
    ]
    assert next(iter(saturation([10.0] * 8, 0.0))) == "number of jobs"


def _put(store, genotype, evaluator, **seconds):
    job = {
        "genotype_key": genotype,
        "evaluator": evaluator,
        "budget": {},
        "seed": 0,
        "gtn_digest": None,
    }
    key = job_key(**job)
    store.put(
        key,
        {
            "key": key,
            **job,
            "genotype": genotype,
            "score": 0.5,
            "seconds": {"build": 0.0, "trace": 0.0, **seconds},
            "status": "ok",
            "reason": None,
            "versions": {},
        },
    )


@pytest.fixture
def workdir(tmp_path):
    store = JobStore(tmp_path / "search" / "results", problem_of)
    for genotype, seconds in (("a", 1.0), ("b", 3.0)):
        _put(store, genotype, "gtn", train=seconds, validate=0.5, setup=50.0)
        _put(store, genotype, "real", train=2 * seconds, setup=50.0)
        _put(store, genotype, "real:steps=9", train=10 * seconds)
    _put(store, "c", "gtn", train=9.0, setup=50.0)
    (tmp_path / "search" / "results" / "damaged.json").write_text("{")
    return tmp_path


def test_times_of_a_workdir(workdir):
    # What two evaluators share is counted once. c is not complete.
    assert read_workdir(workdir, []) == JobTimes(
        [(1.5, 2.0, 10.0), (3.5, 6.0, 30.0)], trace_seconds=50.0
    )
    assert read_workdir(workdir, ["real:steps=9", "real"]) == JobTimes(
        [(10.0, 2.0), (30.0, 6.0)], trace_seconds=50.0
    )
    assert read_workdir(workdir, ["gtn"]).architectures[2] == (9.0,)
    with pytest.raises(InputError, match=r"results of \['params'\]; expected"):
        read_workdir(workdir, ["params"])
    with pytest.raises(InputError, match="expected a search that did them"):
        read_workdir(workdir / "nowhere", [])
    assert not (workdir / "nowhere").exists()
    assert (workdir / "search" / "results" / "damaged.json").exists()


def test_times_of_a_benchmark(tmp_path):
    path = tmp_path / "found.json"
    rows = [
        {"parts": {"train": 1.0, "validate": 0.5, "setup": 30.0}},
        {"parts": {"train": 2.0, "validate": 0.5, "setup": 30.0}},
    ]
    path.write_text(json.dumps({"interpreted": {"rows": rows}}))
    assert read_benchmark(path, "interpreted") == JobTimes([(1.5,), (2.5,)], 30)
    with pytest.raises(InputError, match="KeyError: 'built'"):
        read_benchmark(path, "built")


def test_jobs_of_an_architecture_stay_together():
    times = JobTimes([(1.0, 10.0), (2.0, 20.0)], 0.0)
    jobs = resample(times, 50, seed=3)
    assert jobs == resample(times, 50, seed=3) != resample(times, 50, seed=4)
    assert len(jobs) == 100
    assert set(zip(jobs[::2], jobs[1::2], strict=True)) == {
        *times.architectures
    }


def _run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.search_scaling", *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_command_line(workdir, tmp_path):
    path = tmp_path / "scaling.json"
    done = _run(
        *(f"--measured={workdir}", "--evaluators=real", f"--json={path}"),
        *("--num_architectures=16", "--max_workers=4", "--start_seconds=10"),
        "--price=0.5",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert found["setup_seconds"] == 60
    assert found["saturates_first"] == "set-up"
    rows = found["rows"]
    assert [(r["assignment"], r["num_workers"]) for r in rows] == [
        (name, n) for name in ("ray", "shard") for n in (1, 2, 4)
    ]
    work = rows[0]["makespan_seconds"] - 60
    assert 16 * 2 <= work <= 16 * 6
    for row in rows:
        hours = row["worker_hours"]
        assert row["cost"] == 0.5 * hours
        assert row["setup_share"] == pytest.approx(
            60 * row["num_workers"] / (3600 * hours)
        )
    assert f"set-up rules beyond {work / 60:.0f} workers" in done.stdout


def test_command_line_without_times(tmp_path):
    done = _run(f"--measured={tmp_path / 'none.json'}")
    assert done.returncode == 1
    assert "expected a workdir of --mode=search" in done.stderr
