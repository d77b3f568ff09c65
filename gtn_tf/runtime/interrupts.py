"""SIGTERM and SIGINT: finish what is begun, save, exit with 128 + signal.

Python runs its handlers between two of its own steps, and one call into
TensorFlow may last minutes. So the signal is answered by a thread that waits
for the byte which C writes at once: the first one by a line, the second by the
end of the process. Files are whole at any moment: see `files`.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_END = 0  # no signal has this number


@contextlib.contextmanager
def catch_signals(caught: list[int] | None = None) -> Iterator[list[int]]:
    """Yields a list that SIGTERM and SIGINT enter instead of killing.

    A second signal of either kind ends the process at once.

    Args:
      caught: the list; None: a new one.
    """
    caught = [] if caught is None else caught
    source, sink = os.pipe()
    os.set_blocking(sink, False)  # as `set_wakeup_fd` asks for
    previous_sink = signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
    previous = {
        number: signal.signal(number, lambda n, frame: caught.append(n))
        for number in _SIGNALS
    }
    answering = threading.Thread(target=_answer, args=(source,), daemon=True)
    answering.start()
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_sink)
        os.write(sink, bytes([_END]))
        answering.join()
        os.close(source)
        os.close(sink)


def _answer(source: int) -> None:
    """Reads signals, one byte each, until `_END`."""
    num_caught = 0
    while True:
        number = os.read(source, 1)[0]
        if number == _END:
            return
        if number not in _SIGNALS:
            continue
        num_caught += 1
        name = signal.Signals(number).name
        if num_caught == 1:
            _tell(
                f"{name}: stopping after this step, which is kept; a second "
                "signal stops at once"
            )
        else:
            _tell(f"{name}: stopped at once; the same command resumes")
            os._exit(128 + number)


def _tell(line: str) -> None:
    # Not `print`: the main thread may hold the lock of standard error.
    with contextlib.suppress(OSError):
        os.write(sys.__stderr__.fileno(), f"\n{line}\n".encode())


def exit_code(caught: list[int]) -> int:
    """Returns the exit code of a run that one of these signals stopped."""
    return 128 + caught[0]


class Stopped(Exception):
    """Work was stopped by a signal; holds the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Yields what raises `Stopped` once SIGTERM or SIGINT has come.

    To be called between two pieces of work, each of which is kept. Raises it
    after the last one too.
    """
    with catch_signals() as caught:

        def check() -> None:
            if caught:
                raise Stopped(exit_code(caught))

        yield check
        check()
