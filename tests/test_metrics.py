import io
import json
import math
import subprocess
import sys
import threading

import numpy as np
import pytest

from gtn_tf.metrics import (
    MetricsLog,
    Progress,
    TensorBoardLog,
    read_rows,
    to_json,
    write_atomically,
)
from gtn_tf.types import InputError


def write_rows(path, steps):
    path.write_text("".join(f'{{"step": {s}, "x": {s}.5}}\n' for s in steps))


def test_files_are_read_without_tensorflow():
    code = (
        "import sys, gtn_tf.metrics, gtn_tf.checkpoints, gtn_tf.plots\n"
        "bad = {'tensorflow', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_survive_exactly(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    log.append({"step": 1, "meta_loss": 0.1 + 0.2})
    # Visible before close: a kill must not cost rows.
    assert path.read_text() == '{"step": 1, "meta_loss": 0.30000000000000004}\n'
    log.append({"step": np.int64(2), "meta_loss": np.float32(0.5)})
    log.close()
    log.close()
    assert read_rows(path) == [
        {"step": 1, "meta_loss": 0.30000000000000004},
        {"step": 2, "meta_loss": 0.5},
    ]


def test_non_finite_floats_become_null(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    log.append(
        {
            "step": 1,
            "a": math.nan,
            "b": [math.inf, 1.0],
            "c": np.float32("-inf"),
            "d": np.array([1.0, np.nan]),
        }
    )
    log.close()

    def refuse(name):
        raise AssertionError(name)

    row = json.loads(path.read_text(), parse_constant=refuse)
    assert row == {
        "step": 1,
        "a": None,
        "b": [None, 1.0],
        "c": None,
        "d": [1.0, None],
    }


def test_to_json_keeps_the_order_of_keys_and_turns_them_into_strings():
    assert list(to_json({"b": 1, 2: (True, None)}).items()) == [
        ("b", 1),
        ("2", [True, None]),
    ]


@pytest.mark.parametrize(
    ("resume_step", "kept"), [(3, [1, 2, 3]), (9, [1, 2, 3, 4, 5]), (0, [])]
)
def test_resuming_drops_rows_beyond_the_restored_step(
    tmp_path, resume_step, kept
):
    path = tmp_path / "metrics.jsonl"
    write_rows(path, range(1, 6))
    log = MetricsLog(path, resume_step)
    log.append({"step": resume_step + 1})
    log.close()
    assert [row["step"] for row in read_rows(path)] == [*kept, resume_step + 1]
    if kept:
        assert read_rows(path)[0] == {"step": 1, "x": 1.5}
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("tail", ['{"st', '{"step": 3', "\0\0\0", '{"x": 1}'])
def test_a_torn_last_line_is_dropped(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    write_rows(path, [1, 2])
    with path.open("a") as file:
        file.write(tail)
    assert [row["step"] for row in read_rows(path)] == [1, 2]
    log = MetricsLog(path, 5)
    log.append({"step": 3})
    log.close()
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3]


def test_a_whole_last_line_without_newline_is_kept(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}')
    log = MetricsLog(path, 2)
    log.append({"step": 3})
    log.close()
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3]


@pytest.mark.parametrize("damage", ["{oops", "[1]", "", '{"x": 1}', "\udcff"])
def test_a_damaged_line_in_the_middle_is_named(tmp_path, damage):
    path = tmp_path / "metrics.jsonl"
    text = f'{{"step": 1}}\n{damage}\n{{"step": 3}}\n'
    content = text.encode(errors="surrogateescape")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"metrics\.jsonl:2 .*; .*; ") as info:
        read_rows(path)
    assert "\n" not in str(info.value)
    with pytest.raises(InputError):
        MetricsLog(path, 3)
    assert path.read_bytes() == content


def test_absent_metrics_are_an_input_error(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_rows(tmp_path / "metrics.jsonl")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch
):
    path = tmp_path / "a"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    import tensorflow as tf

    log = TensorBoardLog(tmp_path)
    log.scalars(7, {"meta_loss": 0.25, "meta_accuracy": 0.5})
    log.image(7, "grey", np.full((4, 5, 1), 9, np.uint8))
    log.image(7, "colour", np.full((4, 5, 3), 9, np.uint8))
    log.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            found[value.tag] = (event.step, tf.make_ndarray(value.tensor))
    assert found["meta_loss"] == (7, 0.25)
    assert found["meta_accuracy"] == (7, 0.5)
    for tag, channels in (("grey", 1), ("colour", 3)):
        step, (width, height, png) = found[tag]
        assert (step, int(width), int(height)) == (7, 5, 4)
        picture = tf.io.decode_png(png).numpy()
        assert picture.shape == (4, 5, channels)
        assert np.all(picture == 9)


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
        f"meta-step 1/100  {shown}  first in 50.0 s  ETA <= 1:22:30"
    )
    assert lines[1] == f"meta-step 21/100  {shown}  10.0 steps/s  ETA 0:00:08"
    assert lines[-1] == f"meta-step 100/100  {shown}  10.0 steps/s  ETA 0:00:00"
    # First, then 21, 41, 61, 81 and the last.
    assert len(lines) == 6


def test_progress_of_a_resumed_run_counts_its_own_steps_only():
    lines = progress_lines(range(501, 521), 1.0, total=600, initial=500)
    assert lines[1].startswith("meta-step 511/600  ")
    assert lines[1].endswith("  1.0 steps/s  ETA 0:01:29")


def test_progress_of_slow_steps_is_in_seconds_per_step():
    lines = progress_lines([1, 2, 3], 2.31, total=1563)
    assert len(lines) == 2  # the second one from close(), before the end
    assert lines[1].startswith("meta-step 3/1563  ")
    assert lines[1].endswith("  2.31 s/step  ETA 1:00:04")


def test_the_rate_is_a_recent_one():
    clock, stream = Clock(), io.StringIO()
    progress = Progress(
        400, stream=stream, clock=clock, every_seconds=0, beat_seconds=0
    )
    for step in range(1, 301):
        clock.now += 5.0 if step <= 150 else 0.5
        progress.update(step)
    assert stream.getvalue().splitlines()[-1] == (
        "meta-step 300/400  2.0 steps/s  ETA 0:00:50"
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
        f"meta-step 5/9 running for 0:{time}"
        for time in ("00:30", "01:00", "02:00", "05:00", "15:00", "25:00")
    ]
    # The silence before the next line counts from this one on.
    progress.update(5)
    beaten(progress, clock, 2599.0)
    lines = stream.getvalue().splitlines()
    assert lines[6:] == ["meta-step 5/9  first in 2000.0 s  ETA <= 2:13:20"]
    beaten(progress, clock, 2600.0)
    lines = stream.getvalue().splitlines()
    assert lines[7:] == ["meta-step 6/9 running for 0:10:00"]


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


def test_progress_on_a_terminal_is_a_bar():
    stream = Terminal()
    progress = Progress(60, initial=50, stream=stream, beat_seconds=0)
    for step in range(51, 61):
        progress.update(step, meta_loss=1.23449)
    progress.close()
    last = stream.getvalue().split("\r")[-1]
    assert "meta-step: 100%" in last
    assert "60/60" in last
    assert "meta_loss=1.234" in last
