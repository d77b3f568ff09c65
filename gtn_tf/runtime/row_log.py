"""Rows of numbers in .jsonl files, one per step. No TensorFlow here."""

import contextlib
import itertools
import json
import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gtn_tf.runtime.files import (
    open_to_read,
    parse_json,
    to_json,
    write_atomically,
)
from gtn_tf.types import InputError

_LINES_AT_ONCE = 1000


def read_rows(path: Path, number_key: str = "step") -> list[dict]:
    """Reads a .jsonl file; a last line torn by a kill is left out.

    Args:
      path: metrics.jsonl, or another file of rows.
      number_key: Each row must have a whole number under this key.

    Returns:
      One dict per line, in file order; floats that were not finite are None.

    Raises:
      InputError: The file cannot be read, or a line other than the last is
        damaged.
    """
    return list(iterate_rows(path, number_key))


def iterate_rows(path: Path, number_key: str = "step") -> Iterator[dict]:
    """Yields what `read_rows` returns: there may be a million of them."""
    for _, row in _lines(Path(path), number_key):
        yield row


def rows_from_the_end(path: Path) -> Iterator[dict]:
    """Yields rows of steps, the last first; leaves out what is damaged."""
    if not path.stat().st_size:  # which cannot be mapped
        return
    with (
        open_to_read(path) as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        end = len(text)
        while end:
            begin = text.rfind(b"\n", 0, end - 1) + 1
            with contextlib.suppress(ValueError):
                row = parse_json(text[begin:end])
                if isinstance(row, dict) and isinstance(row.get("step"), int):
                    yield row
            end = begin


def read_thinned_rows(path: Path, most: int = 20_000) -> list[dict]:
    """Reads as many rows as a figure can show, evenly; see `read_rows`.

    Args:
      path: metrics.jsonl.
      most: rows with a validation accuracy, and rows without, of which all
        are read if there are no more; the last ones always are.
    """
    kinds = {True: _Thinned(most), False: _Thinned(most)}
    for _, row in _lines(Path(path), "step"):
        kinds["validation_accuracy" in row].add(row)
    rows = [row for kind in kinds.values() for row in kind.rows()]
    return sorted(rows, key=lambda row: row["step"])


class _Thinned:
    """Every n-th of the rows that are added, and the last one."""

    def __init__(self, most: int) -> None:
        self._most, self._every, self._num_added = most, 1, 0
        self._kept: list[dict] = []
        self._last: dict | None = None

    def add(self, row: dict) -> None:
        if self._num_added % self._every == 0:
            if len(self._kept) == self._most:
                self._kept = self._kept[::2]
                self._every *= 2
            if self._num_added % self._every == 0:
                self._kept.append(row)
        self._num_added += 1
        self._last = row

    def rows(self) -> list[dict]:
        is_kept = self._last is None or self._kept[-1] is self._last
        return self._kept if is_kept else [*self._kept, self._last]


def _lines(path: Path, number_key: str) -> Iterator[tuple[bytes, dict]]:
    """Yields each line with its row; see `read_rows`."""
    try:
        with open_to_read(path) as file:
            torn: tuple[int, ValueError] | None = None
            for number, (line, row) in enumerate(_parsed(file), start=1):
                if torn is not None:
                    raise _damaged(path, torn[0], number_key) from torn[1]
                if isinstance(row, dict) and isinstance(
                    row.get(number_key), int
                ):
                    yield line, row
                elif isinstance(row, ValueError):
                    torn = number, row
                else:
                    torn = number, ValueError(f"no integer {number_key!r}")
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error.strerror}); expected the "
            f"{path.name} of a run; give the workdir of a run"
        ) from error


def _parsed(file: Iterable[bytes]) -> Iterator[tuple[bytes, Any]]:
    """Yields each line and its value, or the ValueError of what is none."""
    file = iter(file)
    while lines := list(itertools.islice(file, _LINES_AT_ONCE)):
        rows: list[Any] = []
        # At once it takes half the time; halves of rows must not become one.
        if all(line[:1] == b"{" and line[-2:] == b"}\n" for line in lines):
            with contextlib.suppress(ValueError):
                rows = parse_json(b"[" + b",".join(lines) + b"]")
        if len(rows) != len(lines):
            rows = [*map(_value_or_error, lines)]
        yield from zip(lines, rows, strict=True)


def _value_or_error(line: bytes) -> Any:
    try:
        return parse_json(line)
    except ValueError as error:
        return error


def _damaged(path: Path, number: int, number_key: str) -> InputError:
    return InputError(
        f"{path}:{number} is damaged; expected one JSON object with an integer "
        f"{number_key!r} per line; repair or delete that line"
    )


def last_row(workdir: Path, num_steps: int) -> dict:
    """Returns the last row of a meta-training that is done.

    Raises:
      InputError: it is not of meta-step `num_steps`.
    """
    last = None
    for row in iterate_rows(workdir / "metrics.jsonl"):
        last = row
    done = last["step"] if last else 0
    if done != num_steps:
        raise InputError(
            f"{str(workdir)!r} has done {done} meta-steps; expected "
            f"{num_steps}, as many as what it is compared with; move it away "
            "to train it anew"
        )
    return last


def validations(workdir: Path, num_steps: int) -> list[list] | None:
    """Returns the validation curve up to meta-step `num_steps`.

    What was killed has rows beyond its newest checkpoint. None where the
    workdir has no metrics.jsonl.
    """
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return None
    return validation_curve(
        row for row in iterate_rows(path) if row["step"] <= num_steps
    )


def validation_curve(rows: Iterable[dict]) -> list[list]:
    """Returns [meta-step, validation accuracy] of the rows that have one."""
    key = "validation_accuracy"
    return [[row["step"], row[key]] for row in rows if key in row]


class RowLog:
    """Appends rows to a .jsonl file.

    Args:
      path: The file; created where absent.
      kept: The rows it begins with; whatever else it held is dropped.
    """

    def __init__(self, path: Path, kept: list[dict]) -> None:
        self._begin(Path(path), map(_line, kept))

    def _begin(self, path: Path, lines: Iterable[bytes]) -> None:
        write_atomically(path, lines)
        self._file = path.open("ab")

    def append(self, row: dict) -> None:
        """Writes one row and flushes it; non-finite floats become null."""
        self._file.write(_line(row))
        self._file.flush()

    def sync(self) -> None:
        """Waits until the rows would outlive the machine."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._file.close()


class MetricsLog(RowLog):
    """Appends rows to metrics.jsonl, from a restored meta-step on.

    Args:
      path: The file; created where absent.
      resume_step: The restored meta-step. Rows beyond it, and a torn last
        line, are dropped; 0 begins an empty file.

    Raises:
      InputError: A line in the middle of the file is damaged.
    """

    def __init__(self, path: Path, resume_step: int) -> None:
        path = Path(path)
        is_resumed = resume_step and path.exists()
        found = _lines(path, "step") if is_resumed else ()
        # As they are: there may be a million of them.
        kept = (line for line, row in found if row["step"] <= resume_step)
        self._begin(path, (line.rstrip(b"\r\n") + b"\n" for line in kept))


def _line(row: dict) -> bytes:
    return (json.dumps(to_json(row), allow_nan=False) + "\n").encode()
