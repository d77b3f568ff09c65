import subprocess
import sys

import numpy as np
import pytest

from gtn_tf.runtime.row_log import (
    MetricsLog,
    read_rows,
    read_thinned_rows,
    rows_from_the_end,
    validations,
)
from gtn_tf.types import InputError


def write_rows(path, steps):
    path.write_text("".join(f'{{"step": {s}, "x": {s}.5}}\n' for s in steps))


def test_files_are_read_without_tensorflow():
    code = (
        "import sys, gtn_tf.runtime.row_log\n"
        "import gtn_tf.runtime.workdir, gtn_tf.figures.curriculum\n"
        "bad = {'tensorflow', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_from_the_end_leave_out_what_is_damaged(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write_rows(path, [1, 2, 3])
    with path.open("a") as file:
        file.write('[4]\n{"step": 5, "x"')
    assert [row["step"] for row in rows_from_the_end(path)] == [3, 2, 1]


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


@pytest.mark.parametrize(
    "damage",
    ["{oops", "[1]", "", '{"step": 1}, {"step": 2}', '{"x": 1}', "\udcff"],
)
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


def test_validations_end_with_the_checkpoint(tmp_path):
    assert validations(tmp_path, 4) is None
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    for step in range(1, 7):
        row = {"validation_accuracy": step / 10} if step % 2 == 0 else {}
        log.append({"step": step, **row})
    log.close()
    assert validations(tmp_path, 4) == [[2, 0.2], [4, 0.4]]


@pytest.mark.parametrize("most", [3, 8, 100])
def test_thinned_rows_are_spread_and_hold_the_last(most, tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    rows = [{"step": step} for step in range(1, 42)]
    for row in rows[::10]:
        row["validation_accuracy"] = 0.5
    for row in rows:
        log.append(row)
    log.close()
    found = read_thinned_rows(path, most)
    assert len(found) <= 2 * (most + 1)
    assert found[-1] == rows[-1]
    assert {0, 1} == {len(row) - 1 for row in found}
    assert max(np.diff([row["step"] for row in found])) <= 41 / most * 2.5
    if most == 100:
        assert found == rows
