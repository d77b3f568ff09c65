"""JSON values by key, one file per key: what was done is not done again.

A value is found by a later process, after a kill, or by another shard that
shares the directory. A file is written to a temporary name and renamed: it is
there as a whole or not at all. Two processes that put the same key leave one
value, the later. No TensorFlow here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from absl import logging

from gtn_tf.runtime.files import (
    open_to_read,
    parse_json,
    to_json,
    write_json,
)
from gtn_tf.types import InputError

Job = TypeVar("Job")
#: (key, value) -> what is wrong with the value, '' if nothing.
ProblemOf = Callable[[str, Any], str]

_OLD_SECONDS = 3600  # no writer takes that long
_FILE = re.compile(r"[^.].*\.json")
_LEFTOVER = re.compile(r"\.[^.].*\.json\.[0-9a-f]{8}\.tmp")


class JobStore:
    """The values in one directory, which processes may share.

    Args:
      directory: created where absent; what killed writers left in it more
        than an hour ago is removed.
      problem_of: says what is wrong with a value, as JSON, under its key; ''
        where it is sound.

    Raises:
      InputError: the directory cannot be created.
    """

    def __init__(
        self, directory: Path, problem_of: ProblemOf = lambda key, value: ""
    ) -> None:
        self._directory = Path(directory)
        self._problem_of = problem_of
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"results directory {str(directory)!r} cannot be used "
                f"({error.strerror}); expected a directory that can be "
                "created and written; give another --workdir"
            ) from error
        self._remove_leftovers()

    def put(self, key: str, value: Any) -> None:
        """Writes `KEY.json`; replaces an earlier value.

        Raises:
          ValueError: the value is not sound.
        """
        value = to_json(value)
        problem = self._problem_of(key, value)
        if problem:
            raise ValueError(f"not a result: {problem}")
        write_json(self._path(key), value)

    def get(self, key: str) -> Any | None:
        """Reads a value; None where there is none.

        A damaged file is renamed to `KEY.json.damaged`, with a warning: it
        counts as not done.
        """
        path = self._path(key)
        try:
            with open_to_read(path) as file:
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._set_aside(path, f"cannot be read ({error.strerror})")
            return None
        try:
            value = parse_json(data)
            problem = self._problem_of(key, value)
        except ValueError as error:
            problem = f"no JSON ({error})"
        if problem:
            self._set_aside(path, problem)
            return None
        return value

    def all(self) -> dict[str, Any]:
        """Reads all values, by key, in the order of the keys.

        Damaged files are set aside, as `get` does.
        """
        names = sorted(filter(_FILE.fullmatch, os.listdir(self._directory)))
        keys = (name.removesuffix(".json") for name in names)
        found = ((key, self.get(key)) for key in keys)
        return {key: value for key, value in found if value is not None}

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.json"

    def _set_aside(self, path: Path, problem: str) -> None:
        damaged = path.with_name(f"{path.name}.damaged")
        try:
            os.replace(path, damaged)
        except FileNotFoundError:
            return  # another process was faster
        logging.warning(
            "Damaged result set aside as %s: %s; it is done again.",
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


def shard(
    jobs: Mapping[str, Job],
    index: int,
    num_shards: int,
    group_of: Callable[[Job], str] | None = None,
) -> dict[str, Job]:
    """Returns the jobs of one shard; the shards are disjoint and complete.

    Groups are dealt out, the largest first, in the order of their least keys:
    shards differ by at most one group of each size, and each gets of cheap and
    dear jobs alike where keys are hashes.

    Args:
      jobs: by key; their order is kept and has no influence on the choice.
      index: 0 to num_shards - 1.
      num_shards: at least 1.
      group_of: names the group of a job, which share work and so a shard;
        None: each is one.
    """
    groups: dict[str, list[str]] = {}
    for key in sorted(jobs):
        group = key if group_of is None else group_of(jobs[key])
        groups.setdefault(group, []).append(key)
    dealt = sorted(groups.values(), key=len, reverse=True)
    chosen = {key for group in dealt[index::num_shards] for key in group}
    return {key: job for key, job in jobs.items() if key in chosen}
