"""The result of one evaluation, `search/results/KEY.json`, as data.

The key is the hash of what a job is, so that doing it again finds its result.
Imports no TensorFlow.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gtn_tf.runtime.result_files import is_number

#: The parts that the seconds of a successful evaluation are given in.
PARTS = ("build", "trace", "train")
_JOB_FIELDS = ("genotype_key", "evaluator", "budget", "seed", "gtn_digest")
_FIELDS = (
    *("key", *_JOB_FIELDS, "genotype", "score", "seconds"),
    *("status", "reason", "versions"),
)
_TYPES = {
    "genotype_key": str,
    "evaluator": str,
    "seed": int,
    "gtn_digest": (str, type(None)),
    "seconds": Mapping,
    "versions": Mapping,
}


def job_key(
    genotype_key: str,
    evaluator: str,
    budget: Any,
    seed: int,
    gtn_digest: str | None,
) -> str:
    """Returns the name of a job: SHA-256 of its canonical JSON, 64 hex digits.

    Args:
      genotype_key: the key of the canonical genotype.
      evaluator: its name.
      budget: JSON, whatever the evaluator is given to spend; 1 and 1.0 differ.
      seed: of the evaluation.
      gtn_digest: the hash of the GTN; None where the evaluator needs none.
    """
    values = (genotype_key, evaluator, budget, seed, gtn_digest)
    job = dict(zip(_JOB_FIELDS, values, strict=True))
    text = json.dumps(
        job, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def problem_of(key: str, result: Any) -> str:
    """Returns what is wrong with a result, '' if nothing.

    Args:
      key: the name of its file.
      result: `key`; `genotype_key`, `evaluator`, `budget`, `seed`,
        `gtn_digest` (the job); `genotype`; `score`, a finite number, or None
        where it failed; `seconds` by part (`PARTS` where it succeeded);
        `status` (`ok` or `failed`); `reason` (of a failure, else None);
        `versions`.
    """
    if not isinstance(result, Mapping):
        return f"a {type(result).__name__}"
    unlike = result.keys() ^ set(_FIELDS)
    if unlike:
        return f"fields {sorted(unlike)} missing or unknown"
    for field, types in _TYPES.items():
        if not isinstance(result[field], types):
            return f"{field} is {result[field]!r}"
    problem = outcome_problem(result)
    job = {field: result[field] for field in _JOB_FIELDS}
    if not problem and not key == result["key"] == job_key(**job):
        problem = "key of another job"
    return problem


def short_line(value: Any) -> str:
    """Returns a value as one short line, to quote what is no result."""
    return " ".join(repr(value).replace(";", ",").split())[:100]


def outcome_problem(result: Mapping[str, Any]) -> str:
    """Returns what is wrong with `score`, `seconds`, `status` and `reason`."""
    score, reason, seconds, status = (
        result[field] for field in ("score", "reason", "seconds", "status")
    )
    if not all(is_number(value) and value >= 0 for value in seconds.values()):
        return f"seconds are {dict(seconds)!r}"
    if status == "ok":
        if not is_number(score) or reason is not None:
            return f"ok with score {score!r} and reason {reason!r}"
        missing = set(PARTS) - seconds.keys()
        return f"no seconds of {sorted(missing)}" if missing else ""
    if status == "failed":
        if score is not None or not isinstance(reason, str):
            return f"failed with score {score!r} and reason {reason!r}"
        return ""
    return f"status is {status!r}; expected ok or failed"
