"""What a run says while it goes: `rich` on a terminal, plain lines elsewhere.

No TensorFlow here.
"""

import collections
import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

_PATIENCE_SECONDS = 10.0  # of a log, with what is about to be done anyway


class Progress:
    """Shows how far a run is: a bar on a terminal, lines elsewhere.

    Rate and ETA come from the latest `_WINDOW` steps of this process. The
    window opens at the end of its first step, which also pays for optimising
    or compiling the graph: its own pace gives an upper bound only.

    A thread shows that the running step goes on: it moves the bar's clock, or
    prints a line when none has come for `_SILENCES`.

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
            self._bar = _Bar(self._stream, unit, total, initial)
        self._thread = threading.Thread(
            target=self._beat_until_closed, args=(beat_seconds,), daemon=True
        )
        if beat_seconds:
            self._thread.start()

    def update(self, step: int, **shown: float) -> None:
        """Reports that `step` is done, with values to show beside it."""
        values = [f"{name} {value:.4g}" for name, value in shown.items()]
        with self._lock:
            now = self._clock()
            self._recent.append((now, step))
            speed = self._speed(now, step)
            self._step, self._step_began = step, now
            if self._bar is not None:
                self._bar.update(step, "  ".join(values), "  ".join(speed))
                return
            parts = [f"{self._unit} {step}/{self._total}", *values, *speed]
            self._pending = "  ".join(parts)
            self._print_if_due(now)

    def _print_if_due(self, now: float) -> None:
        if (
            self._printed_at is None
            or self._step >= self._total
            or now - self._printed_at >= self._every_seconds
        ):
            self._print_pending(now)

    def beat(self) -> None:
        """Shows that the running step goes on, where that is due."""
        with self._lock:
            if self._bar is not None:
                return  # it has a thread of its own
            now = self._clock()
            is_silent = now - self._heard_at >= self._silences[0]
            if not is_silent or self._step >= self._total:
                return
            if len(self._silences) > 1:
                self._silences.popleft()
            self._print(
                f"{self._unit} {self._step + 1}/{self._total} running for "
                f"{duration(now - self._step_began)}",
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
                f"ETA <= {duration(left * took)}",
            ]
        if now <= since:
            return []
        rate = (step - first) / (now - since)
        speed = f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.2f} s/step"
        return [speed, f"ETA {duration(left / rate)}"]


class _Bar:
    """A bar, its speed, and below it the values: those of old steps too."""

    def __init__(
        self, stream: TextIO, unit: str, total: int, initial: int
    ) -> None:
        # Here, for it takes a while and logs need none of it.
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.text import Text

        console = Console(file=stream)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[speed]}"),
            console=console,
        )
        self._task = self._bar.add_task(
            unit, total=total, completed=initial, speed=""
        )
        self._values = Text(style="dim")
        self._live = Live(
            Group(self._bar, self._values),
            console=console,
            # What goes to another file than the terminal stays there.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=stream is sys.stderr,
        )
        self._live.start()

    def update(self, step: int, values: str, speed: str) -> None:
        self._values.plain = values
        self._bar.update(self._task, completed=step, speed=speed)

    def close(self) -> None:
        self._live.stop()


def duration(seconds: float | None) -> str:
    """Returns seconds with three digits in a unit that suits; None as '-'."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    if 0 < seconds < 1:
        return f"{_three_digits(1000 * seconds)} ms"
    return f"{_three_digits(seconds)} s"


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 3)}f}"


#: A folder here, and the one that messages name in its place.
_SHOWN_AS: dict[str, str] = {}


def say(text: str) -> None:
    """Writes one line to standard error."""
    for local, remote in _SHOWN_AS.items():
        text = text.replace(local, remote)
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def shown_as(local: str, remote: str) -> Iterator[None]:
    """Names another folder in what is said, such as the one it is kept in."""
    _SHOWN_AS[local] = remote
    try:
        yield
    finally:
        del _SHOWN_AS[local]


@contextlib.contextmanager
def stage(text: str) -> Iterator[None]:
    """Says what is going on: in a log only where that lasts."""
    if sys.stderr.isatty():
        say(text)
        yield
        return
    timer = threading.Timer(_PATIENCE_SECONDS, say, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def show_table(text: str) -> None:
    """Prints a table of several lines; on a terminal its head is marked."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.highlighter import ReprHighlighter
    from rich.text import Text

    title, _, rest = text.partition("\n")
    head, newline, rows = rest.partition("\n")
    shown = Text.assemble((title, "bold"), "\n", (head, "underline"))
    shown.append(newline)
    shown.append_text(ReprHighlighter()(Text(rows)))
    Console().print(shown, soft_wrap=True)
