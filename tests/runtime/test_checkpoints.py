import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.runtime.checkpoints import Checkpoints
from gtn_tf.types import InputError
from tests.helpers import tiny


def variable_run(directory, max_to_keep=3, size=3):
    weights = tf.Variable(tf.zeros([size]))
    return weights, Checkpoints(directory, {"weights": weights}, max_to_keep)


def saved_run(directory, steps, max_to_keep=9):
    """Saves the value `step` at each step."""
    weights, checkpoints = variable_run(directory, max_to_keep)
    for step in steps:
        weights.assign(tf.fill([3], float(step)))
        checkpoints.save(step)
    return weights, checkpoints


def steps_on_disk(directory):
    return sorted(int(p.stem[5:]) for p in directory.glob("ckpt-*.index"))


def index(directory, step):
    return directory / f"ckpt-{step}.index"


def data(directory, step):
    return directory / f"ckpt-{step}.data-00000-of-00001"


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[3] ^= 0x10
    path.write_bytes(content)


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def keras_run(directory, seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(),
        ]
    )
    module = tf.Module()
    module.noise = tf.Variable(tf.random.normal([2, 3]))
    scale = keras.Variable([float(seed)])
    step = tf.Variable(seed, dtype=tf.int64)
    optimizer = keras.optimizers.Adam(0.1)
    trained = [*model.trainable_variables, module.noise, scale]
    # Keras' optimizers take Keras' variables and TensorFlow's own.
    optimizer.build(trained)
    rng = np.random.default_rng(seed)
    optimizer.apply(
        [tf.constant(rng.normal(size=v.shape), tf.float32) for v in trained]
    )
    objects = {
        "model": model,
        "module": module,
        "scale": scale,
        "step": step,
        "optimizer": optimizer,
    }
    values = [*model.variables, *optimizer.variables, module.noise, scale, step]
    return values, Checkpoints(directory, objects, 2)


def test_keras_and_tensorflow_objects_return_bit_for_bit(tmp_path):
    values, checkpoints = keras_run(tmp_path, seed=1)
    expected = [value.numpy() for value in values]
    checkpoints.save(7)
    others, checkpoints = keras_run(tmp_path, seed=2)
    moments = [v for v in others if "momentum" in getattr(v, "path", "")]
    assert len(moments) == 6
    differing = [
        np.any(value.numpy() != bits)
        for value, bits in zip(others, expected, strict=True)
    ]
    assert sum(differing) > 15
    assert checkpoints.restore_latest() == 7
    for value, bits in zip(others, expected, strict=True):
        assert value.numpy().tobytes() == bits.tobytes()


def test_nothing_to_restore(tmp_path):
    weights, checkpoints = variable_run(tmp_path / "none")
    assert checkpoints.restore_latest() is None
    (tmp_path / "none").mkdir()
    assert checkpoints.restore_latest() is None
    assert not weights.numpy().any()
    # The data of a first save that was killed before its index was renamed.
    data(tmp_path / "none", 5).write_bytes(b"x")
    index(tmp_path / "none", "best").write_bytes(b"x")
    assert checkpoints.restore_latest() is None


def test_rotation_keeps_the_newest(tmp_path):
    saved_run(tmp_path, [9, 10, 100, 101], max_to_keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint",
        "ckpt-100.data-00000-of-00001",
        "ckpt-100.index",
        "ckpt-101.data-00000-of-00001",
        "ckpt-101.index",
    ]
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "ckpt-101")
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert [os.path.basename(p) for p in state.all_model_checkpoint_paths] == [
        "ckpt-100",
        "ckpt-101",
    ]


@pytest.mark.parametrize("state", [None, b"", b"\0garbage", b"foreign: 1"])
def test_the_state_file_is_not_needed(tmp_path, state):
    saved_run(tmp_path, [1, 2])
    (tmp_path / "checkpoint").unlink()
    if state is not None:
        (tmp_path / "checkpoint").write_bytes(state)
    weights, checkpoints = variable_run(tmp_path)
    assert checkpoints.restore_latest() == 2
    assert weights.numpy().tolist() == [2, 2, 2]
    checkpoints.save(3)
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "ckpt-3")


DAMAGES = {
    "empty index": lambda d: index(d, 3).write_bytes(b""),
    "empty data": lambda d: data(d, 3).write_bytes(b""),
    "truncated index": lambda d: os.truncate(index(d, 3), 100),
    "truncated data": lambda d: os.truncate(data(d, 3), 10),
    "flipped bit in index": lambda d: flip_a_bit(index(d, 3)),
    "flipped bit in data": lambda d: flip_a_bit(data(d, 3)),
    "missing data": lambda d: data(d, 3).unlink(),
    "zeroed data": lambda d: data(d, 3).write_bytes(
        bytes(data(d, 3).stat().st_size)
    ),
    "data of another step": lambda d: shutil.copy(data(d, 2), data(d, 3)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_newest_checkpoint_is_skipped(tmp_path, caplog, damage):
    saved_run(tmp_path, [1, 2, 3])
    damage(tmp_path)
    weights, checkpoints = variable_run(tmp_path, max_to_keep=2)
    weights.assign([-1, -1, -1])
    with caplog.at_level(logging.WARNING):
        assert checkpoints.restore_latest() == 2
    assert weights.numpy().tolist() == [2, 2, 2]
    (record,) = caplog.records
    assert f"{index(tmp_path, 3)} (" in record.getMessage()
    assert "()" not in record.getMessage()
    # Training goes on and comes by the same step again.
    weights.assign([7, 7, 7])
    checkpoints.save(3)
    assert steps_on_disk(tmp_path) == [2, 3]
    weights, checkpoints = variable_run(tmp_path)
    assert checkpoints.restore_latest() == 3
    assert weights.numpy().tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("next_step", "kept"), [(250, [200, 250]), (400, [200, 400])]
)
def test_a_damaged_checkpoint_takes_no_place_in_the_rotation(
    tmp_path, next_step, kept
):
    saved_run(tmp_path, [100, 200, 300])
    data(tmp_path, 300).write_bytes(b"")
    _, checkpoints = variable_run(tmp_path, max_to_keep=2)
    assert checkpoints.restore_latest() == 200
    assert steps_on_disk(tmp_path) == [100, 200, 300]
    checkpoints.save(next_step)
    assert steps_on_disk(tmp_path) == kept
    assert not data(tmp_path, 300).exists()


def test_max_to_keep_of_one_never_removes_what_was_just_saved(tmp_path):
    saved_run(tmp_path, [100, 200])
    _, checkpoints = variable_run(tmp_path, max_to_keep=1)
    checkpoints.save(5)
    assert steps_on_disk(tmp_path) == [5]
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        variable_run(tmp_path, max_to_keep=0)


def test_only_damaged_checkpoints_are_an_input_error(tmp_path):
    saved_run(tmp_path, [1, 2])
    for step in (1, 2):
        os.truncate(data(tmp_path, step), 5)
    weights, checkpoints = variable_run(tmp_path)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        checkpoints.restore_latest()
    assert "ckpt-1.index" in str(info.value)
    assert "ckpt-2.index" in str(info.value)
    assert not weights.numpy().any()


def test_damage_in_one_variable_leaves_the_others_alone(tmp_path):
    variables = {name: tf.Variable(tf.ones([1000])) for name in "abc"}
    checkpoints = Checkpoints(tmp_path, variables, 2)
    checkpoints.save(1)
    for variable in variables.values():
        variable.assign(tf.zeros([1000]))
    content = bytearray(data(tmp_path, 1).read_bytes())
    content[10_000] ^= 1  # of c: 4000 bytes are a, the next 4000 are b
    data(tmp_path, 1).write_bytes(content)
    with pytest.raises(InputError, match="Checksum does not match"):
        checkpoints.restore_latest()
    assert not any(np.any(v.numpy()) for v in variables.values())


def structures():
    """Objects of other structures than {"weights": [3] float32, "step"}."""
    step = tf.Variable(0, dtype=tf.int64)
    return {
        "shape": {"weights": tf.Variable(tf.zeros([4])), "step": step},
        "type": {
            "weights": tf.Variable(tf.zeros([3], tf.float64)),
            "step": step,
        },
        "missing there": {
            "weights": tf.Variable(tf.zeros([3])),
            "step": step,
            "bias": tf.Variable(0.0),
        },
        "missing here": {"step": step},
        "name": {"kernel": tf.Variable(tf.zeros([3])), "step": step},
    }


@pytest.mark.parametrize("name", structures())
def test_another_structure_is_refused_and_nothing_assigned(
    tmp_path, name, capfd
):
    weights = tf.Variable([1.0, 2.0, 3.0])
    step = tf.Variable(5, dtype=tf.int64)
    Checkpoints(tmp_path, {"weights": weights, "step": step}, 2).save(5)
    objects = structures()[name]
    with pytest.raises(InputError, match="does not fit: ") as info:
        Checkpoints(tmp_path, objects, 2).restore_latest()
    assert str(info.value).count(";") == 2
    assert not any(np.any(value.numpy()) for value in objects.values())
    assert "unrestored" not in capfd.readouterr().err


def test_an_older_checkpoint_that_fits_is_restored_purely(tmp_path):
    saved_run(tmp_path, [1])
    extra = tf.Variable(9.0)
    Checkpoints(
        tmp_path, {"weights": tf.Variable([8.0] * 3), "extra": extra}, 9
    ).save(2)
    weights, checkpoints = variable_run(tmp_path)
    assert checkpoints.restore_latest() == 1
    assert weights.numpy().tolist() == [1, 1, 1]


def test_restoring_writes_nothing_to_the_directory(tmp_path):
    saved_run(tmp_path, [1])
    before = sorted(path.name for path in tmp_path.iterdir())
    weights, checkpoints = variable_run(tmp_path)
    checkpoints.restore_latest()
    assert weights.numpy().tolist() == [1, 1, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


KILLED_WRITERS = """
import itertools, os, shutil, signal, sys
from pathlib import Path
import tensorflow as tf
from gtn_tf.runtime.checkpoints import Checkpoints

CHANGES = ("os.mkdir", "os.rename", "os.rmdir", "os.remove")

def save(directory, kill_before, report):
    weights = tf.Variable([2.0, 2.0, 2.0])
    checkpoints = Checkpoints(directory, {"weights": weights}, 1)
    numbers = itertools.count()

    def hook(event, arguments):
        if event in CHANGES:
            if next(numbers) == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            names = [a for a in arguments if isinstance(a, str | Path)]
            os.write(report, f" {event[3:]}:{Path(names[-1]).name}".encode())

    sys.addaudithook(hook)
    checkpoints.save(2)

start = Path(sys.argv[1])
for kill_before in itertools.count():
    directory = start.with_name(f"killed-{kill_before}")
    shutil.copytree(start, directory)
    # Forked before TensorFlow starts any thread: one import serves all.
    receive, report = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            save(directory, kill_before, report)
            code = 0
        finally:
            os._exit(code)
    os.close(report)
    with open(receive) as done:
        print(directory, done.read(), flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != -signal.SIGKILL:
        sys.exit(code)
"""


def test_a_kill_before_any_change_of_a_save_leaves_a_whole_checkpoint(
    tmp_path, caplog
):
    """SIGKILL before each rename and removal, so also after each."""
    saved_run(tmp_path / "start", [1])
    # What a kill inside TensorFlow's own writing leaves.
    (tmp_path / "start" / ".part").mkdir()
    index(tmp_path / "start" / ".part", 9).write_bytes(b"torn")
    result = run_python(KILLED_WRITERS, tmp_path / "start")
    assert result.returncode == 0, result.stderr
    restored = []
    for line in result.stdout.splitlines():
        folder, *changes = line.split()
        folder = Path(folder)
        weights, checkpoints = variable_run(folder, max_to_keep=1)
        step = checkpoints.restore_latest()
        assert step == (2 if "rename:ckpt-2.index" in changes else 1), line
        assert weights.numpy().tolist() == [step] * 3
        restored.append(step)
        # Half a save is no checkpoint, so none had to be skipped.
        assert not caplog.records
        checkpoints.save(3)
        names = {path.name for path in folder.iterdir()}
        assert {n for n in names if not n.endswith(".tmp")} == {
            "checkpoint",
            "ckpt-3.data-00000-of-00001",
            "ckpt-3.index",
        }
    # The last line is of a save that nothing killed.
    assert len(restored) == len(changes) + 1
    assert [c for c in changes if "rename" in c] == [
        "rename:ckpt-2.data-00000-of-00001",
        "rename:ckpt-2.index",
        "rename:checkpoint",
    ]
    assert changes[-2:] == [
        "remove:ckpt-1.index",
        "remove:ckpt-1.data-00000-of-00001",
    ]


MIRRORED = """
import sys, warnings
warnings.simplefilter("error")
import keras, tensorflow as tf
from gtn_tf.runtime.checkpoints import Checkpoints
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def build():
    with strategy.scope():
        weights = tf.Variable([0.0, 0.0])
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        optimizer = keras.optimizers.Adam(0.5)
        optimizer.build([*model.trainable_variables, weights])
    objects = {"m": model, "w": weights, "o": optimizer}
    return weights, optimizer, Checkpoints(sys.argv[1], objects, 2)

weights, optimizer, checkpoints = build()
@tf.function
def step():
    optimizer.apply([tf.ones([3, 2]), tf.ones([2]), tf.constant([1., 2.])])
strategy.run(step)
checkpoints.save(4)
weights, optimizer, checkpoints = build()
assert checkpoints.restore_latest() == 4
copies = strategy.experimental_local_results(weights)
print([copy.numpy().tolist() for copy in copies], optimizer.iterations.numpy())
"""


@pytest.mark.slow
def test_mirrored_devices_save_and_restore(tmp_path):
    result = run_python(MIRRORED, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "unrestored" not in result.stderr
    # Adam's first step is the learning rate, whatever the gradient.
    copies, iterations = result.stdout.rsplit(" ", 1)
    np.testing.assert_allclose(json.loads(copies), -0.5, rtol=1e-5)
    assert np.shape(json.loads(copies)) == (2, 2)
    assert iterations == "1\n"
    # One device reads what two have saved.
    weights = tf.Variable([0.0, 0.0])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.Adam(0.5)
    optimizer.build([*model.trainable_variables, weights])
    objects = {"m": model, "w": weights, "o": optimizer}
    assert Checkpoints(tmp_path, objects, 2).restore_latest() == 4
    assert weights.numpy().tolist() == json.loads(copies)[0]
    # Adam's moment after one step: 0.1 * gradient, which Keras sums over the
    # two replicas.
    moment = optimizer.variables[-2].numpy()
    np.testing.assert_allclose(moment, [0.2, 0.4], rtol=1e-6)
