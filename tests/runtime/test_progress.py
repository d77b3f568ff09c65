import io
import re
import sys
import threading

import pytest

from gtn_tf.runtime import progress as progress_module
from gtn_tf.runtime.progress import Progress, duration, show_table


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def progress_lines(steps, seconds, first=50.0, **kwargs):
    """Runs a Progress whose first step takes `first`, the others `seconds`."""
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream=stream, clock=clock, beat_seconds=0, **kwargs)
    for index, step in enumerate(steps):
        clock.now += seconds if index else first
        progress.update(step, meta_loss=1.23449, meta_accuracy=0.62)
    progress.close()
    return stream.getvalue().splitlines()


def test_progress_line_in_full():
    # 2 s after the end of the first step, 20 steps later: 10 a second, and
    # 80 are left. The 50 s of the first step bound the 99 others only.
    lines = progress_lines(
        range(1, 101), 0.1, total=100, every_seconds=1.95, initial=0
    )
    shown = "meta_loss 1.234  meta_accuracy 0.62"
    assert lines[0] == (
        f"meta-step 1/100  {shown}  first in 50.0 s  ETA <= 82.5 min"
    )
    assert lines[1] == f"meta-step 21/100  {shown}  10.0 steps/s  ETA 7.90 s"
    assert lines[-1] == f"meta-step 100/100  {shown}  10.0 steps/s  ETA 0 s"
    # First, then 21, 41, 61, 81 and the last.
    assert len(lines) == 6


def test_progress_of_a_resumed_run_counts_its_own_steps_only():
    lines = progress_lines(range(501, 521), 1.0, total=600, initial=500)
    assert lines[1].startswith("meta-step 511/600  ")
    assert lines[1].endswith("  1.0 steps/s  ETA 89.0 s")


def test_progress_of_slow_steps_is_in_seconds_per_step():
    lines = progress_lines([1, 2, 3], 2.31, total=1563)
    assert len(lines) == 2  # the second one from close(), before the end
    assert lines[1].startswith("meta-step 3/1563  ")
    assert lines[1].endswith("  2.31 s/step  ETA 60.1 min")


def test_the_rate_is_a_recent_one():
    clock, stream = Clock(), io.StringIO()
    progress = Progress(
        400, stream=stream, clock=clock, every_seconds=0, beat_seconds=0
    )
    for step in range(1, 301):
        clock.now += 5.0 if step <= 150 else 0.5
        progress.update(step)
    assert stream.getvalue().splitlines()[-1] == (
        "meta-step 300/400  2.0 steps/s  ETA 50.0 s"
    )


def test_progress_prints_the_last_step_once():
    lines = progress_lines([1, 2], 1.0, total=2)
    assert [line.split("  ")[0] for line in lines] == [
        "meta-step 1/2",
        "meta-step 2/2",
    ]
    assert progress_lines([], 1.0, total=2) == []


def beaten(progress, clock, until):
    while clock.now < until:
        clock.now += 1.0
        progress.beat()


def test_a_long_step_shows_at_growing_intervals_that_it_runs():
    clock, stream = Clock(), io.StringIO()
    progress = Progress(
        9, initial=4, stream=stream, clock=clock, beat_seconds=0
    )
    beaten(progress, clock, 2000.0)
    assert stream.getvalue().splitlines() == [
        f"meta-step 5/9 running for {time}"
        for time in (
            *("30.0 s", "60.0 s", "2.00 min"),
            *("5.00 min", "15.0 min", "25.0 min"),
        )
    ]
    # The silence before the next line counts from this one on.
    progress.update(5)
    beaten(progress, clock, 2599.0)
    lines = stream.getvalue().splitlines()
    assert lines[6:] == ["meta-step 5/9  first in 2000.0 s  ETA <= 2.22 h"]
    beaten(progress, clock, 2600.0)
    lines = stream.getvalue().splitlines()
    assert lines[7:] == ["meta-step 6/9 running for 10.0 min"]


def test_quick_steps_and_a_finished_run_have_no_such_lines():
    clock, stream = Clock(), io.StringIO()
    progress = Progress(20, stream=stream, clock=clock, beat_seconds=0)
    for step in range(1, 21):
        beaten(progress, clock, 29.0 * step)
        progress.update(step)
    beaten(progress, clock, 5000.0)
    assert len(stream.getvalue().splitlines()) == 20
    assert "running" not in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream_type", [io.StringIO, Terminal])
def test_a_thread_shows_that_a_step_runs_until_the_end(stream_type):
    shown = threading.Event()

    class Stream(stream_type):
        def write(self, text):
            if threading.current_thread() is not threading.main_thread():
                shown.set()
            return super().write(text)

    clock = Clock()
    progress = Progress(3, stream=Stream(), clock=clock, beat_seconds=0.001)
    clock.now = 30.0
    assert shown.wait(30)
    progress.close()
    assert not progress._thread.is_alive()


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    stream, clock = Terminal(), Clock()
    progress = Progress(
        60, initial=50, stream=stream, clock=clock, beat_seconds=0
    )
    for step in range(51, 60):
        clock.now += 0.5
        progress.update(step, meta_loss=1.23449, validation_accuracy=0.625)
    progress.close()
    shown = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", stream.getvalue())
    assert "meta-step" in shown
    assert "59/60" in shown
    assert "2.0 steps/s  ETA 500 ms" in shown
    # It stays in sight below the bar, which would cut it.
    assert "meta_loss 1.234  validation_accuracy 0.625" in shown


def test_a_log_is_told_of_a_stage_that_lasts(monkeypatch, capsys):
    monkeypatch.setattr(progress_module, "_PATIENCE_SECONDS", 0.01)
    said = threading.Event()
    monkeypatch.setattr(progress_module, "say", lambda text: said.set())
    with progress_module.stage("reading"):
        assert said.wait(30)
    monkeypatch.setattr(progress_module, "_PATIENCE_SECONDS", 60.0)
    said.clear()
    with progress_module.stage("reading"):
        pass
    assert not said.is_set()
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_module.stage("reading"):
        assert said.is_set()  # at once


def test_a_table_is_the_same_text_on_a_terminal(monkeypatch, capsys):
    text = "title\nhead  [0.1, 0.2]\nrow   0.5"
    show_table(text)
    assert capsys.readouterr().out == f"{text}\n"
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stream)
    show_table(text)
    assert "\x1b[" in stream.getvalue()
    plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", stream.getvalue())
    assert plain == f"{text}\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (0, "0 s"),
        (0.0123, "12.3 ms"),
        (1, "1.00 s"),
        (119.9, "120 s"),
        (120, "2.00 min"),
        (7200, "2.00 h"),
        (172800, "2.00 d"),
    ],
)
def test_duration(value, expected):
    assert duration(value) == expected
