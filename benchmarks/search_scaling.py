"""A search on many workers, simulated from measured seconds of its jobs.

    python -m benchmarks.search_scaling --measured=WORKDIR --json=FILE

Two ways to hand out jobs, those of `--mode=search`:

* `ray`: one queue; a worker that is free takes the next job;
* `shard`: `search.shard`, dealt out before; a worker does its own and leaves.

Every worker starts (imports, data) and traces the interpreter before its first
job, and again after it failed; the job that it was at is done again. On `ray`
all workers are paid until the last job ends, shards until each ends. Not
simulated: the time to get a machine, Ray's own work per job, a shared disk.

A worker is what the times were measured on: one process with all its cores.
"""

import collections
import hashlib
import heapq
import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import app, flags

from benchmarks.job_times import (
    JobTimes,
    read_benchmark,
    read_workdir,
    resample,
)
from gtn_tf.runtime.job_store import shard
from gtn_tf.types import InputError

_MEASURED = flags.DEFINE_string(
    "measured",
    None,
    "A workdir of --mode=search, or the JSON of architecture_evaluation.",
)
_EVALUATORS = flags.DEFINE_list(
    "evaluators", [], "Of a workdir: whose jobs, in their order; default: all."
)
_FORM = flags.DEFINE_enum(
    "form", "interpreted", ["built", "interpreted"], "Of a benchmark's JSON."
)
_JSON = flags.DEFINE_string("json", None, "Where the result goes.")
_NUM_ARCHITECTURES = flags.DEFINE_integer("num_architectures", 800, "N", 1)
_MAX_WORKERS = flags.DEFINE_integer("max_workers", 256, "1, 2, 4, .. this.", 1)
_START_SECONDS = flags.DEFINE_float(
    "start_seconds", 5.0, "Imports and data, per worker.", 0.0
)
_FAILURE = flags.DEFINE_float(
    "failure_probability", 0.0, "Of a worker, per hour.", 0.0, 0.99
)
_PRICE = flags.DEFINE_float("price", 1.0, "Per worker-hour.", 0.0)
_SEED = flags.DEFINE_integer("seed", 0, "Of resampling and of failures.", 0)

_HOUR = 3600.0


class Workers(NamedTuple):
    """Those of one simulated search.

    Attributes:
      number: of workers.
      setup_seconds: from the start of a worker to its first job.
      failure_probability: that a worker fails within an hour.
      seed: of the failures.
    """

    number: int
    setup_seconds: float
    failure_probability: float = 0.0
    seed: int = 0


class Spent(NamedTuple):
    """What a simulated search took.

    Attributes:
      makespan: seconds from the start to the end of the last job.
      paid: seconds of all workers together; the sum of those below.
      work: in jobs that were finished.
      setup: before the first job of each worker, and after each failure.
      redone: in jobs that a failure ended.
      idle: in waiting for the end.
    """

    makespan: float
    paid: float
    work: float
    setup: float
    redone: float
    idle: float


def run_ray(jobs: list[float], workers: Workers) -> Spent:
    """Simulates one queue for all, in the order of the jobs [seconds]."""
    queue = collections.deque(jobs)
    record = _simulate([queue] * workers.number, workers)
    makespan = max(end for _, end in record.jobs)
    return _spent(record, jobs, [makespan] * workers.number)


def run_shards(jobs: list[float], workers: Workers) -> Spent:
    """Simulates `search.shard`; a shard without a job is set up all the same.

    Its dealing goes by hashes; here by those of the jobs' numbers.
    """
    by_key = {
        hashlib.sha256(str(number).encode()).hexdigest(): seconds
        for number, seconds in enumerate(jobs)
    }
    shares = [
        collections.deque(shard(by_key, index, workers.number).values())
        for index in range(workers.number)
    ]
    record = _simulate(shares, workers)
    ends = [0.0] * workers.number
    for worker, end in itertools.chain(record.jobs, record.setup_ends()):
        ends[worker] = max(ends[worker], end)
    return _spent(record, jobs, ends)


ASSIGNMENTS: dict[str, Callable[[list[float], Workers], Spent]] = {
    "ray": run_ray,
    "shard": run_shards,
}


class _Record(NamedTuple):
    """What happened.

    Attributes:
      jobs: worker and end of every job that was finished.
      setups: worker, begin and end of everything before a job.
      redone: seconds of each job that a failure ended.
    """

    jobs: list[tuple[int, float]]
    setups: list[tuple[int, float, float]]
    redone: list[float]

    def setup_ends(self) -> Iterator[tuple[int, float]]:
        return ((worker, end) for worker, _, end in self.setups)


def _simulate(
    queues: list[collections.deque[float]], workers: Workers
) -> _Record:
    """Lets worker i do the jobs of queue i, which workers may share."""
    rng = np.random.default_rng([workers.seed, 1, workers.number])
    # Failures have no memory: each activity draws its own.
    rate = -math.log1p(-workers.failure_probability) / _HOUR

    def until_failure() -> float:
        return rng.exponential(1 / rate) if rate else math.inf

    record = _Record([], [], [])
    # When something ends, the worker, and the job that its failure ended.
    events: list[tuple[float, int, float | None]] = []
    waiting: list[int] = []

    def start(worker: int, now: float) -> None:
        began = now
        while (lasts := until_failure()) < workers.setup_seconds:
            now += lasts
        now += workers.setup_seconds
        record.setups.append((worker, began, now))
        heapq.heappush(events, (now, worker, None))

    for worker in range(workers.number):
        start(worker, 0.0)
    while events:
        now, worker, lost = heapq.heappop(events)
        if lost is not None:
            queues[worker].appendleft(lost)
            for other in waiting:
                heapq.heappush(events, (now, other, None))
            waiting.clear()
            start(worker, now)
        elif not queues[worker]:
            waiting.append(worker)
        else:
            seconds, lasts = queues[worker].popleft(), until_failure()
            if lasts < seconds:
                record.redone.append(lasts)
                heapq.heappush(events, (now + lasts, worker, seconds))
            else:
                record.jobs.append((worker, now + seconds))
                heapq.heappush(events, (now + seconds, worker, None))
    return record


def _spent(record: _Record, jobs: list[float], ends: list[float]) -> Spent:
    """Sums up over workers that are paid until `ends`."""
    paid, work, redone = sum(ends), sum(jobs), sum(record.redone)
    setup = sum(
        min(end, ends[worker]) - min(began, ends[worker])
        for worker, began, end in record.setups
    )
    return Spent(
        makespan=max(end for _, end in record.jobs),
        paid=paid,
        work=work,
        setup=setup,
        redone=redone,
        idle=round(paid - work - setup - redone, 6),
    )


def efficiency(spent: Spent, workers: Workers) -> float:
    """Returns the seconds of one worker without failures, over n x makespan."""
    alone = workers.setup_seconds + spent.work
    return alone / (workers.number * spent.makespan)


def saturation(jobs: list[float], setup_seconds: float) -> dict[str, float]:
    """Returns the number of workers from which on each limit rules.

    Beyond it, what limits takes longer by itself than a worker's share of the
    jobs.

    Returns:
      `set-up`: work / setup_seconds; `longest job`: work / the longest;
      `number of jobs`: one each. By number, the first to saturate first.
    """
    work = sum(jobs)
    found = {
        "number of jobs": float(len(jobs)),
        "longest job": work / max(jobs),
        "set-up": work / setup_seconds if setup_seconds else math.inf,
    }
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _read() -> JobTimes:
    path = Path(_MEASURED.value)
    if path.is_dir():
        return read_workdir(path, _EVALUATORS.value)
    return read_benchmark(path, _FORM.value)


def _rows(jobs: list[float], setup_seconds: float) -> Iterator[dict[str, Any]]:
    for name, run in ASSIGNMENTS.items():
        for power in range(_MAX_WORKERS.value.bit_length()):
            workers = Workers(
                2**power, setup_seconds, _FAILURE.value, _SEED.value
            )
            spent = run(jobs, workers)
            hours = spent.paid / _HOUR
            yield {
                "assignment": name,
                "num_workers": workers.number,
                "makespan_seconds": spent.makespan,
                "efficiency": efficiency(spent, workers),
                "worker_hours": hours,
                "cost": hours * _PRICE.value,
                "setup_share": spent.setup / spent.paid,
                "redone_share": spent.redone / spent.paid,
                "idle_share": spent.idle / spent.paid,
            }


def main(argv: list[str]) -> None:
    """Simulates, prints a table, writes JSON where asked to."""
    del argv
    try:
        times = _read()
    except InputError as error:
        raise app.UsageError(str(error)) from error
    jobs = resample(times, _NUM_ARCHITECTURES.value, _SEED.value)
    setup_seconds = _START_SECONDS.value + times.trace_seconds
    limits = saturation(jobs, setup_seconds)
    print(
        f"{len(jobs)} jobs of {np.mean(jobs):.3g} s on average, the longest "
        f"{max(jobs):.3g} s; set-up {setup_seconds:.3g} s per worker"
    )
    print(
        "assignment workers  makespan s  efficiency  worker-h     cost  "
        "set-up  redone  idle"
    )
    rows = []
    for row in _rows(jobs, setup_seconds):
        rows.append(row)
        print(
            f"{row['assignment']:10} {row['num_workers']:7}  "
            f"{row['makespan_seconds']:10.1f}  {row['efficiency']:10.2f}  "
            f"{row['worker_hours']:8.2f} {row['cost']:8.2f}  "
            f"{row['setup_share']:6.2f}  {row['redone_share']:6.2f}  "
            f"{row['idle_share']:4.2f}"
        )
    for name, number in limits.items():
        print(f"{name} rules beyond {number:.0f} workers")
    result = {
        "flags": {
            flag.name: flag.value
            for flag in (
                *(_MEASURED, _EVALUATORS, _FORM, _NUM_ARCHITECTURES),
                *(_START_SECONDS, _FAILURE, _PRICE, _SEED),
            )
        },
        "measured": {
            "num_architectures": len(times.architectures),
            "job_seconds": times.architectures,
            "trace_seconds": times.trace_seconds,
        },
        "setup_seconds": setup_seconds,
        "saturation": limits,
        "saturates_first": next(iter(limits)),
        "rows": rows,
    }
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    flags.mark_flag_as_required("measured")
    app.run(main)
