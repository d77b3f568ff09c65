import json

import pytest
import tensorflow as tf

from gtn_tf.runtime.tracing import trace


def _step():
    return tf.function(lambda x: x, [tf.TensorSpec([], tf.int32)])


def test_the_seconds_of_the_last_tracing_are_said(tmp_path, capsys):
    step = _step()
    seconds = trace("step", step, tmp_path, 1)
    assert step.experimental_get_tracing_count() == 1
    path = tmp_path / "tracing.json"
    kept = json.loads(path.read_text())
    assert kept == {"num_replicas": 1, "seconds": seconds}
    path.write_text('{"num_replicas": 1, "seconds": 12.5}')
    trace("step", _step(), tmp_path, 1)
    path.write_text('{"num_replicas": 1, "seconds": 12.5}')
    trace("step", _step(), tmp_path, 2)
    assert capsys.readouterr().err.splitlines() == [
        "tracing the step (once per process)",
        "tracing the step (once per process; 12.5 s the last time)",
        "tracing the step (once per process)",  # of other replicas
    ]


@pytest.mark.parametrize("text", ["{", "[1]", '{"seconds": 1}'])
def test_a_damaged_file_stops_nothing(text, tmp_path, capsys):
    (tmp_path / "tracing.json").write_text(text)
    trace("step", _step(), tmp_path, 1)
    assert capsys.readouterr().err == "tracing the step (once per process)\n"
