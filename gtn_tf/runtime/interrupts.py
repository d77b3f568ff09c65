"""SIGTERM and SIGINT: finish what is begun, save, exit with 128 + signal."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def catch_signals(caught: list[int] | None = None) -> Iterator[list[int]]:
    """Yields a list that SIGTERM and SIGINT enter instead of killing.

    A second signal of either kind ends the process as usual. Python gives
    signals to the main thread alone: in another one nothing is caught.

    Args:
      caught: the list; None: a new one.
    """
    caught = [] if caught is None else caught
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    names = (signal.SIGTERM, signal.SIGINT)
    previous = {}

    def remember(number: int, frame: object) -> None:
        caught.append(number)
        signal.signal(number, previous[number])

    for number in names:
        previous[number] = signal.signal(number, remember)
    try:
        yield caught
    finally:
        for number in names:
            signal.signal(number, previous[number])


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
