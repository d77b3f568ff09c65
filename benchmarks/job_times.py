"""Measured seconds of evaluating architectures, and more drawn from them."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gtn_tf.nas.job_results import problem_of
from gtn_tf.types import InputError

#: The part of a job's seconds that is paid once per process.
_ONCE = "setup"


class JobTimes(NamedTuple):
    """What a search's jobs took.

    Attributes:
      architectures: per architecture, the seconds of each of its jobs.
      trace_seconds: once per worker, of what serves all its jobs.
    """

    architectures: list[tuple[float, ...]]
    trace_seconds: float


def read_benchmark(path: Path, form: str) -> JobTimes:
    """Reads the JSON of `benchmarks.architecture_evaluation`.

    Args:
      path: of the file.
      form: `built` or `interpreted`.

    Raises:
      InputError: it is no such file.
    """
    try:
        rows = json.loads(path.read_text())[form]["rows"]
        parts = [row["parts"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} cannot be used ({type(error).__name__}: {error}); "
            "expected a workdir of --mode=search, or the JSON of "
            "benchmarks.architecture_evaluation; set --measured"
        ) from error
    return _job_times([[seconds] for seconds in parts])


def read_workdir(workdir: Path, evaluators: list[str]) -> JobTimes:
    """Reads `search/results/` of a workdir.

    Architectures of which an evaluator is missing are left out. A job that
    failed counts with the seconds until it did.

    Args:
      workdir: of `--mode=search`.
      evaluators: whose jobs, in the order in which they are done; [] takes
        all that there are, by name.

    Raises:
      InputError: no architecture has results of all of them.
    """
    folder = workdir / "search" / "results"
    results = list(_results(folder))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for result in results:
        seconds = found.setdefault(result["genotype_key"], {})
        seconds[result["evaluator"]] = result["seconds"]
    names = evaluators or sorted({r["evaluator"] for r in results})
    complete = [
        [seconds[name] for name in names]
        for _, seconds in sorted(found.items())
        if seconds.keys() >= set(names)
    ]
    if not complete:
        raise InputError(
            f"{str(folder)!r} has no architecture with results of {names}; "
            "expected a search that did them; set --measured or --evaluators"
        )
    return _job_times(complete)


def _results(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields the results that are whole; unlike a search, it renames none."""
    for path in sorted(folder.glob("*.json")):
        try:
            result = json.loads(path.read_text())
        except ValueError:
            continue
        if not problem_of(path.stem, result):
            yield result


def _job_times(architectures: list[list[dict[str, Any]]]) -> JobTimes:
    # Jobs that share what is paid once report the very same number.
    once = [
        sum({seconds[_ONCE] for seconds in jobs if _ONCE in seconds})
        for jobs in architectures
    ]
    return JobTimes(
        [
            tuple(
                sum(v for part, v in seconds.items() if part != _ONCE)
                for seconds in jobs
            )
            for jobs in architectures
        ],
        statistics.median(once),
    )


def resample(times: JobTimes, number: int, seed: int) -> list[float]:
    """Draws architectures with replacement; returns the seconds of their jobs.

    The jobs of one architecture stay together, in their order.
    """
    rng = np.random.default_rng([seed, 0])
    drawn = rng.integers(len(times.architectures), size=number)
    return [
        seconds for index in drawn for seconds in times.architectures[index]
    ]
