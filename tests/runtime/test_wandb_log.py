import json
import time

import numpy as np
import pytest

from gtn_tf.runtime.wandb_log import WandbLog
from gtn_tf.types import InputError
from tests.helpers import tiny

wandb = pytest.importorskip("wandb")


def _records(path):
    """Yields the records of an offline run, as `wandb sync` reads them."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = path.read_bytes()
    place = 7  # behind the file's own header
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 6], "little")
        assert data[place + 6] == 1  # whole: such a file is one block
        yield Record.FromString(data[place + 7 : place + 7 + size])
        place += 7 + size


def _logged(path):
    """Returns the run, and (step, name) -> value."""
    run, values = None, {}
    for record in _records(path):
        if record.WhichOneof("record_type") == "run":
            run = record.run
        row = {
            item.key or "/".join(item.nested_key): json.loads(item.value_json)
            for item in record.history.item
        }
        step = row.pop("step", None)
        values |= {(step, name): value for name, value in row.items()}
    return run, values


def test_a_resumed_run_goes_on_with_the_same_run(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for first in (7, 6):  # the second begins at an earlier checkpoint
        log = WandbLog(tmp_path, {"seed": 3, "learner.name": "mlp"})
        log.scalars(first, {"meta_loss": 0.25, "validation_accuracy": 0.5})
        log.inner_rates(first, {"momentum": np.array([0.5, 0.75, 0.25])})
        log.image(first, "grey", np.full((4, 5, 1), 9, np.uint8))
        log.close()
        time.sleep(1.0)  # wandb names its folders by the second
    paths = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    (run, values), (again, later) = map(_logged, paths)
    kept = json.loads((tmp_path / "wandb.json").read_text())["run_id"]
    assert run.run_id == again.run_id == kept
    assert run.project == "gtn_tf"
    told = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert told["seed"] == 3
    assert told["learner.name"] == "mlp"
    for found, step in ((values, 7), (later, 6)):
        assert found[step, "meta/loss"] == 0.25
        assert found[step, "validation/accuracy"] == 0.5
        assert found[step, "inner/momentum_first"] == 0.5
        assert sum(found[step, "inner/momentum/values"]) == 3
        assert found[step, "inner/grey/width"] == 5


def test_a_refused_run_is_one_line(tmp_path, monkeypatch):
    def refuse(**arguments):
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as raised:
        WandbLog(tmp_path, {})
    assert "(No API key configured.)" in str(raised.value)
