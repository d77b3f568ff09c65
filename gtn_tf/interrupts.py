"""SIGTERM and SIGINT: finish what is begun, save, exit with 128 + signal."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Yields a list that SIGTERM and SIGINT enter instead of killing.

    A second signal of either kind ends the process as usual.
    """
    caught: list[int] = []
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
