"""Results of evaluations: one JSON file per job, `search/results/KEY.json`.

The key is the hash of what a job is, so that doing it again finds its result,
in this process, after a kill, or in another shard that shares the directory.
A file is written to a temporary name and renamed: it is there as a whole or
not at all. Two processes that do the same job leave one result, the later.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from absl import logging

from gtn_tf.runtime.files import write_json
from gtn_tf.types import InputError

Value = TypeVar("Value")

#: The parts that the seconds of a successful evaluation are given in.
PARTS = ("build", "trace", "train")
STATUSES = ("ok", "failed")
_JOB_FIELDS = ("genotype_key", "evaluator", "budget", "seed", "gtn_digest")
_FIELDS = (
    *_JOB_FIELDS,
    "genotype",
    "score",
    "seconds",
    "status",
    "reason",
    "versions",
)
_OLD_SECONDS = 3600  # no writer takes that long
_FILE = re.compile(r"[0-9a-f]{64}\.json")
_LEFTOVER = re.compile(r"\.[0-9a-f]{64}\.json\.[0-9a-f]+\.tmp")


def job_key(
    genotype_key: str,
    evaluator: str,
    budget: Any,
    seed: int,
    gtn_digest: str | None,
) -> str:
    """Returns the name of a job: SHA-256 of its canonical JSON, 64 hex digits.

    Args:
      genotype_key: The hash of the canonical genotype.
      evaluator: Its name.
      budget: JSON, whatever the evaluator is given to spend; 1 and 1.0 differ.
      seed: Of the evaluation.
      gtn_digest: The hash of the GTN; None where the evaluator needs none.
    """
    values = (genotype_key, evaluator, budget, seed, gtn_digest)
    job = dict(zip(_JOB_FIELDS, values, strict=True))
    text = json.dumps(
        job, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def shard(
    jobs: Mapping[str, Value], index: int, num_shards: int
) -> dict[str, Value]:
    """Returns the jobs of one shard; the shards are disjoint and complete.

    Jobs are dealt out in the order of their keys: shards differ by at most
    one job, and each gets of cheap and dear evaluators alike, as keys are
    hashes.

    Args:
      jobs: By key; their order is kept and has no influence on the choice.
      index: 0 to num_shards - 1.
      num_shards: At least 1.

    Raises:
      InputError: There is no such shard.
    """
    if num_shards < 1 or not 0 <= index < num_shards:
        raise InputError(
            f"search.shard is {index} of search.num_shards {num_shards}; "
            "expected 0 <= shard < num_shards; set both"
        )
    chosen = set(sorted(jobs)[index::num_shards])
    return {key: job for key, job in jobs.items() if key in chosen}


class Store:
    """The results in one directory, which processes may share.

    Args:
      directory: Created where absent; what killed writers left in it more
        than an hour ago is removed.

    Raises:
      InputError: It cannot be created.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = Path(directory)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"results directory {str(directory)!r} cannot be used "
                f"({error.strerror}); expected a directory that can be "
                "created and written; give another --workdir"
            ) from error
        self._remove_leftovers()

    def put(self, result: Mapping[str, Any]) -> str:
        """Writes a result under the key of its job; replaces an earlier one.

        Args:
          result: `genotype_key`, `evaluator`, `budget`, `seed`, `gtn_digest`
            (the job); `genotype`; `score`, a finite number, or None where it
            failed; `seconds` by part (`build`, `trace`, `train` where it
            succeeded); `status` (`ok` or `failed`); `reason` (of a failure,
            else None); `versions`.

        Returns:
          The key.

        Raises:
          ValueError: A field is missing, unknown or of a wrong type.
        """
        problem = problem_of(result)
        if problem:
            raise ValueError(f"not a result: {problem}")
        key = _key(result)
        write_json(self._path(key), {"key": key, **result})
        return key

    def get(self, key: str) -> dict[str, Any] | None:
        """Reads a result; None where there is none.

        A damaged file is renamed to `KEY.json.damaged`, with a warning: the
        job counts as not done.
        """
        path = self._path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            result = json.loads(data)
            problem = problem_of(result, key)
        except ValueError as error:
            problem = f"no JSON ({error})"
        if problem:
            self._set_aside(path, problem)
            return None
        return result

    def all(self) -> dict[str, dict[str, Any]]:
        """Reads all results, by key, in the order of the keys.

        Damaged files are set aside, as `get` does.
        """
        names = sorted(filter(_FILE.fullmatch, os.listdir(self._directory)))
        keys = (name.removesuffix(".json") for name in names)
        found = ((key, self.get(key)) for key in keys)
        return {key: result for key, result in found if result is not None}

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.json"

    def _set_aside(self, path: Path, problem: str) -> None:
        damaged = path.with_name(f"{path.name}.damaged")
        try:
            os.replace(path, damaged)
        except FileNotFoundError:
            return  # another process was faster
        logging.warning(
            "Damaged result set aside as %s: %s; it is evaluated again.",
            damaged,
            problem,
        )

    def _remove_leftovers(self) -> None:
        for name in filter(_LEFTOVER.fullmatch, os.listdir(self._directory)):
            path = self._directory / name
            try:
                if time.time() - path.stat().st_mtime > _OLD_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue


def _key(result: Mapping[str, Any]) -> str:
    return job_key(*(result[field] for field in _JOB_FIELDS))


def problem_of(result: Any, key: str | None = None) -> str:
    """Returns what is wrong with a result, '' if nothing.

    Args:
      result: As `Store.put` takes it.
      key: Where it was read from, the name of its file, which it must hold.
    """
    if not isinstance(result, Mapping):
        return f"a {type(result).__name__}"
    expected = {*_FIELDS, *(["key"] if key else [])}
    if result.keys() != expected:
        return f"fields {sorted(result.keys() ^ expected)} missing or unknown"
    for field, types in {
        "genotype_key": str,
        "evaluator": str,
        "seed": int,
        "gtn_digest": (str, type(None)),
        "seconds": Mapping,
        "versions": Mapping,
    }.items():
        if not isinstance(result[field], types):
            return f"{field} is {result[field]!r}"
    problem = _outcome_problem(result)
    if (
        not problem
        and key is not None
        and not key == result["key"] == _key(result)
    ):
        problem = "key of another job"
    return problem


def _outcome_problem(result: Mapping[str, Any]) -> str:
    score, reason, seconds = (
        result[field] for field in ("score", "reason", "seconds")
    )
    if not all(_is_number(value) and value >= 0 for value in seconds.values()):
        return f"seconds are {dict(seconds)!r}"
    if result["status"] == "ok":
        if not _is_number(score) or reason is not None:
            return f"ok with score {score!r} and reason {reason!r}"
        missing = set(PARTS) - seconds.keys()
        return f"no seconds of {sorted(missing)}" if missing else ""
    if result["status"] == "failed":
        if score is not None or not isinstance(reason, str):
            return f"failed with score {score!r} and reason {reason!r}"
        return ""
    return f"status is {result['status']!r}; expected {' or '.join(STATUSES)}"


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )
