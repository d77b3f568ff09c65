"""The worker processes that TF_CONFIG names; imports no TensorFlow.

TF_CONFIG is JSON, the same on every worker but for its `task`:

    {"cluster": {"worker": ["host0:2222", "host1:2222"]},
     "task": {"type": "worker", "index": 0}}

The chief is the one task of the job `chief`, or else worker 0.
"""

import os
from typing import NamedTuple

from gtn_tf.runtime.files import parse_json
from gtn_tf.types import InputError

_JOBS = ("chief", "worker")


class Cluster(NamedTuple):
    """All workers, and which of them this process is.

    Attributes:
      addresses: `host:port` of every worker, the chief's first.
      index: of this process among them.
    """

    addresses: tuple[str, ...]
    index: int


def read_cluster() -> Cluster | None:
    """Returns what TF_CONFIG says, or None where it is not set.

    Raises:
      InputError: it is malformed, or gives this process no place.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        value = parse_json(text)
    except ValueError as error:
        raise _malformed(f"is no JSON ({error})") from error
    for key in ("cluster", "task"):
        if not isinstance(value, dict) or not isinstance(value.get(key), dict):
            raise _malformed(f"has no {key!r}")
    jobs, task = value["cluster"], value["task"]
    for job, addresses in jobs.items():
        if job not in _JOBS or not _are_addresses(addresses):
            raise _malformed(f"has the cluster entry {job!r}: {addresses!r}")
    if len(jobs.get("chief", ())) > 1:
        raise _malformed("has several chiefs")
    job, index = task.get("type"), task.get("index")
    if job not in jobs:
        raise _malformed(f"has the task type {job!r}, of which it lists none")
    if not isinstance(index, int) or not 0 <= index < len(jobs[job]):
        raise _malformed(f"has the task index {index!r} of {len(jobs[job])}")
    addresses = tuple(a for name in _JOBS for a in jobs.get(name, ()))
    num_before = len(jobs.get("chief", ())) if job == "worker" else 0
    return Cluster(addresses, num_before + index)


def has_several_workers(strategy: str) -> bool:
    """Whether a run with this config key `strategy` has several processes.

    Raises:
      InputError: TF_CONFIG is malformed.
    """
    if strategy not in ("auto", "multi_worker"):
        return False
    cluster = read_cluster()
    return cluster is not None and len(cluster.addresses) > 1


def refuse_several_workers(strategy: str) -> None:
    """Raises InputError where TF_CONFIG names several workers."""
    if has_several_workers(strategy):
        raise InputError(
            "TF_CONFIG names several workers; expected one process for every "
            "--mode but pretrain; unset TF_CONFIG and run it on one machine"
        )


def is_chief(strategy: str) -> bool:
    """Whether this process is the one that writes the files of its run."""
    return not has_several_workers(strategy) or read_cluster().index == 0


def _are_addresses(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(a, str) and _is_address(a) for a in value)
    )


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65536


def _malformed(reason: str) -> InputError:
    return InputError(
        f"TF_CONFIG {reason}; expected {{'cluster': {{'worker': ['host:port', "
        "...]}, 'task': {'type': 'worker', 'index': 0}} as JSON; correct it, "
        "or unset it to run in one process"
    )
