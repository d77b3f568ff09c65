import json
import math

import numpy as np
import pytest

from gtn_tf.runtime.files import (
    read_json,
    to_json,
    write_atomically,
    write_json,
)
from gtn_tf.runtime.row_log import MetricsLog
from gtn_tf.types import InputError
from tests.helpers import tiny


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


def test_json_round_trip(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": (1, 2), "a": math.nan, "c": np.float32(0.5)})
    assert path.read_text() == (
        '{\n  "b": [\n    1,\n    2\n  ],\n  "a": null,\n  "c": 0.5\n}\n'
    )
    assert read_json(path) == {"b": [1, 2], "a": None, "c": 0.5}
    with pytest.raises(TypeError):
        write_json(path, {"x": object()})
    assert read_json(path)["c"] == 0.5


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\0", b"{'a'}"])
def test_damaged_json(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        read_json(path)
    assert str(path) in str(info.value)


def test_absent_json(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match=tiny.ONE_LINE):
            read_json(path)
