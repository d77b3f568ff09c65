"""What a run says while it goes: metrics.jsonl, TensorBoard, progress.

TensorFlow is imported by `TensorBoardLog` alone, so that `plots` and `report`
can read the files of a run without it.
"""

from __future__ import annotations

import collections
import datetime
import json
import math
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from gtn_tf.types import InputError


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces a file as a whole: its readers see the old or the new content.

    Raises:
      OSError: It cannot be written; the old file, if any, is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(value: Any) -> Any:
    """Returns `value` in types that JSON has; NaN and infinities become None.

    Args:
      value: Nested dicts, lists and tuples of Python, NumPy or scalar tensor
        values.
    """
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return to_json(value.tolist())
    if hasattr(value, "numpy"):
        return to_json(value.numpy())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


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
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error.strerror}); expected the "
            f"{Path(path).name} of a run; give the workdir of a run"
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(
                row.get(number_key), int
            ):
                raise ValueError(f"no integer {number_key!r}")
        except ValueError as error:
            if number == len(lines):
                break
            raise InputError(
                f"{path}:{number} is damaged; expected one JSON object with "
                f"an integer {number_key!r} per line; repair or delete that "
                "line"
            ) from error
        rows.append(row)
    return rows


def validation_curve(rows: list[dict]) -> list[list]:
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
        path = Path(path)
        write_atomically(path, b"".join(map(_line, kept)))
        self._file = path.open("ab")

    def append(self, row: dict) -> None:
        """Writes one row and flushes it; non-finite floats become null."""
        self._file.write(_line(row))
        self._file.flush()

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
        rows = read_rows(path) if resume_step and path.exists() else []
        super().__init__(path, [r for r in rows if r["step"] <= resume_step])


def _line(row: dict) -> bytes:
    return (json.dumps(to_json(row), allow_nan=False) + "\n").encode()


class TensorBoardLog:
    """TensorBoard events under `<workdir>/tensorboard`.

    A resumed run adds an event file and repeats the steps since its
    checkpoint; TensorBoard shows the later ones over the earlier.
    """

    def __init__(self, workdir: Path) -> None:
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(
            str(Path(workdir) / "tensorboard"), flush_millis=10_000
        )

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes named scalars of one meta-step."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                self._summary.scalar(name, value)

    def image(self, step: int, name: str, picture: np.ndarray) -> None:
        """Writes one picture, uint8 [H, W, 3] or [H, W, 1]."""
        with self._writer.as_default(step=step):
            self._summary.image(name, picture[np.newaxis])

    def close(self) -> None:
        """Flushes and closes the event file."""
        self._writer.close()


class Progress:
    """Shows how far a run is: a bar on a terminal, lines elsewhere.

    Rate and ETA come from the latest `_WINDOW` steps of this process. The
    window opens at the end of its first step, which also pays for optimising
    or compiling the graph: its own pace gives an upper bound only.

    A thread shows every second that the running step goes on: it moves the
    bar's clock, or prints a line when none has come for `_SILENCES`.

    Args:
      total: The last step of the run.
      initial: The step that an earlier process reached.
      stream: None: standard error.
      unit: The name of a step.
      every_seconds: The shortest time between two lines, but for the last.
      clock: Seconds, rising; tests replace it.
      beat_seconds: Time between two calls of `beat` by the thread; 0: none.
    """

    _WINDOW = 100
    #: Seconds without a line before the next one; the last one repeats.
    _SILENCES = (30.0, 30.0, 60.0, 180.0, 600.0)

    def __init__(
        self,
        total: int,
        initial: int = 0,
        stream: TextIO | None = None,
        unit: str = "meta-step",
        every_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        beat_seconds: float = 1.0,
    ) -> None:
        self._total, self._unit = total, unit
        self._step = initial
        self._stream = sys.stderr if stream is None else stream
        self._every_seconds, self._clock = every_seconds, clock
        self._recent: collections.deque[tuple[float, int]] = collections.deque(
            maxlen=self._WINDOW
        )
        self._printed_at: float | None = None
        self._pending = ""
        self._step_began = self._heard_at = self._clock()
        self._silences = collections.deque(self._SILENCES)
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm(
                total=total,
                initial=initial,
                file=self._stream,
                desc=unit,
                unit=" step",
                dynamic_ncols=True,
            )
        self._thread = threading.Thread(
            target=self._beat_until_closed, args=(beat_seconds,), daemon=True
        )
        if beat_seconds:
            self._thread.start()

    def update(self, step: int, **shown: float) -> None:
        """Reports that `step` is done, with values to show beside it."""
        values = {name: f"{value:.4g}" for name, value in shown.items()}
        with self._lock:
            if self._bar is not None:
                self._bar.set_postfix(values, refresh=False)
                self._bar.update(step - self._bar.n)
            else:
                self._update_line(step, values)

    def _update_line(self, step: int, values: dict[str, str]) -> None:
        now = self._clock()
        self._recent.append((now, step))
        parts = [f"{self._unit} {step}/{self._total}"]
        parts += [f"{name} {value}" for name, value in values.items()]
        self._pending = "  ".join(parts + self._speed(now, step))
        self._step, self._step_began = step, now
        if (
            self._printed_at is None
            or step >= self._total
            or now - self._printed_at >= self._every_seconds
        ):
            self._print_pending(now)

    def beat(self) -> None:
        """Shows that the running step goes on, where that is due."""
        with self._lock:
            if self._bar is not None:
                self._bar.refresh()
                return
            now = self._clock()
            is_silent = now - self._heard_at >= self._silences[0]
            if not is_silent or self._step >= self._total:
                return
            if len(self._silences) > 1:
                self._silences.popleft()
            self._print(
                f"{self._unit} {self._step + 1}/{self._total} running for "
                f"{_duration(now - self._step_began)}",
                now,
            )

    def _beat_until_closed(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            self.beat()

    def close(self) -> None:
        """Ends the bar, or prints the last step where that is still due."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._bar is not None:
            self._bar.close()
        elif self._pending:
            self._print_pending(self._clock())

    def _print_pending(self, now: float) -> None:
        self._print(self._pending, now)
        self._printed_at, self._pending = now, ""

    def _print(self, line: str, now: float) -> None:
        print(line, file=self._stream, flush=True)
        self._heard_at = now

    def _speed(self, now: float, step: int) -> list[str]:
        since, first = self._recent[0]
        left = self._total - step
        if step == first:
            took = (now - self._step_began) / max(1, step - self._step)
            return [
                f"first in {took:.1f} s",
                f"ETA <= {_duration(left * took)}",
            ]
        if now <= since:
            return []
        rate = (step - first) / (now - since)
        speed = f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.2f} s/step"
        return [speed, f"ETA {_duration(left / rate)}"]


def _duration(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(max(0.0, seconds))))


def say(text: str) -> None:
    """Writes one line to standard error."""
    print(text, file=sys.stderr, flush=True)
