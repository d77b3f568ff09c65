import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.runtime.devices import should_jit
from gtn_tf.runtime.row_log import read_rows
from tests.helpers import tiny

_STEP = 10  # where a run changes devices
_LEARNERS = (
    "--config.meta.num_learners=4",
    f"--config.meta.num_steps={_STEP + 1}",
    "--config.meta.validation_every=0",
    # Weights before a normalisation have a gradient of mere rounding, which
    # Adam would scale up to the full rate.
    "--config.meta.adam_epsilon=1e-3",
)


def _on(num_devices):
    kind = "one_device" if num_devices == 1 else "mirrored"
    return (
        f"--config.num_logical_devices={num_devices}",
        f"--config.strategy={kind}",
    )


def _save_replicas():
    """A hook: leaves each replica's variables in replicas.npz."""
    tiny.StopAfter(_STEP, int(signal.SIGTERM))()
    from gtn_tf.training import pretrain

    train = pretrain._train

    def train_and_save(run, spec, workdir, *more):
        code = train(run, spec, workdir, *more)
        values = {
            name: np.stack([value.numpy() for value in variable.values])
            for name, variable in run.teacher.variables_by_name.items()
        }
        np.savez(workdir / "replicas.npz", **values)
        return code

    pretrain._train = train_and_save


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("one_device")
    hook = tiny.StopAfter(_STEP, int(signal.SIGTERM))
    done = tiny.run_main(workdir, *_LEARNERS, *_on(1), hook=hook)
    assert done.code == 128 + signal.SIGTERM, done
    return workdir


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("two_devices")
    done = tiny.run_main(workdir, *_LEARNERS, *_on(2), hook=_save_replicas)
    assert done.code == 128 + signal.SIGTERM, done
    assert not [line for line in done.errors.splitlines() if "WARN" in line]
    return workdir


def test_two_devices_compute_what_one_does(one_device, two_devices):
    rows = [read_rows(w / "metrics.jsonl") for w in (one_device, two_devices)]
    assert len(rows[0]) == _STEP
    tiny.assert_close_rows(*(r[:_STEP] for r in rows))
    tiny.assert_close_checkpoints(one_device, two_devices, _STEP)


def test_replicas_hold_equal_variables(two_devices):
    with np.load(two_devices / "replicas.npz") as values:
        assert len(values) > 5
        for name in values:
            first, second = values[name]
            np.testing.assert_array_equal(first, second, err_msg=name)


def _resume(begun, workdir, num_devices):
    shutil.copytree(begun, workdir)
    done = tiny.run_main(workdir, *_LEARNERS, *_on(num_devices))
    assert done.code == 0, done
    assert done.errors.startswith(
        f"resumed at meta-step {_STEP} of {_STEP + 1}\n"
    )
    return read_rows(workdir / "metrics.jsonl")


@pytest.fixture(scope="module")
def resumed_on_one(two_devices, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("resumed") / "workdir"
    rows = _resume(two_devices, workdir, 1)
    assert len(rows) == _STEP + 1
    return rows


@pytest.mark.slow
def test_one_device_begins_and_two_go_on(one_device, resumed_on_one, tmp_path):
    tiny.assert_close_rows(
        resumed_on_one, _resume(one_device, tmp_path / "on", 2)
    )


@pytest.mark.slow
def test_two_devices_begin_and_four_go_on(
    two_devices, resumed_on_one, tmp_path
):
    tiny.assert_close_rows(
        resumed_on_one, _resume(two_devices, tmp_path / "on", 4)
    )


def _configure_too_late():
    from gtn_tf.runtime.global_switches import configure_runtime
    from gtn_tf.types import InputError

    tf.constant(1)
    try:
        configure_runtime(2)
    except InputError as error:
        print(error)


def test_devices_cannot_be_split_too_late():
    done = tiny.run_forked(_configure_too_late)
    assert done.code == 0, done
    assert done.errors.startswith("num_logical_devices 2 comes too late; ")


@pytest.mark.parametrize(
    ("value", "expected"), [("auto", False), (True, True), (False, False)]
)
def test_jit_is_left_out_on_cpu_unless_asked_for(value, expected):
    assert should_jit(value) is expected
