"""A config of seconds, and runs of it in processes of their own.

A run is forked from a server that has imported TensorFlow, but touched no
device: it starts at once and its global switches (op determinism, logical
devices, flags, signals) reach no other test.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import config_dict

from gtn_tf.config import default_config
from gtn_tf.runtime.row_log import read_rows
from tests.helpers.float_tolerance import assert_close

#: What is wrong; what was expected; the remedy.
ONE_LINE = r"\A[^;\n]+; [^;\n]+; [^;\n]+\Z"

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.helpers.preloaded"])

SIZES = {
    "generator.noise_dim": 4,
    "generator.dense_widths": (8,),
    "generator.channels": (4, 3),
    "inner.num_steps": 2,
    "inner.batch_size": 10,
    "meta.num_steps": 8,
    "meta.batch_size": 16,
    "meta.noise_rate_ratio": 3.0,
    "meta.validation_every": 2,
    "meta.validation_num_learners": 2,
    "checkpoint.every_steps": 2,
    "checkpoint.max_to_keep": 2,
    "log.samples_every": 0,
    "log.tensorboard": False,
}


def get_config() -> config_dict.ConfigDict:
    config = default_config()
    config.update_from_flattened_dict(SIZES)
    config.dataset.name = "digits"
    config.learner.name = "mlp"
    config.learner.widths = (4, 3)
    return config


class Done(NamedTuple):
    """How a process ended; `errors` is all that it wrote."""

    code: int
    errors: str


class Running:
    """A function of a module, called in a fresh process."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self._file = tempfile.NamedTemporaryFile("r")  # noqa: SIM115
        self._process = _PROCESSES.Process(
            target=_in_child, args=(self._file.name, function, arguments)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.is_alive()

    def written(self) -> str:
        """Returns what it has written so far."""
        return Path(self._file.name).read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Sends the process a signal."""
        os.kill(self._process.pid, number)

    def finish(self, seconds: float = 300) -> Done:
        """Waits until the process ends; kills it after so many seconds."""
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        with self._file:
            return Done(self._process.exitcode, self._file.read())


def run_forked(function: Callable, *arguments: object) -> Done:
    """Calls a function of a module in a fresh process, until it ends."""
    return Running(function, *arguments).finish()


def _in_child(path: str, function: Callable, arguments: tuple) -> None:
    with open(path, "w") as file:
        os.dup2(file.fileno(), 2)
        os.dup2(file.fileno(), 1)
    function(*arguments)


def start_main(
    workdir: Path | str,
    *arguments: str,
    config: str | None = __file__,
    hook: Callable[[], None] | None = None,
) -> Running:
    """Starts the command line; `hook` is called in the process before."""
    given = [] if config is None else [f"--config={config}"]
    argv = ["gtn-tf", *given, f"--workdir={workdir}", *arguments]
    return Running(_main, argv, hook)


def run_main(workdir: Path | str, *arguments: str, **more: object) -> Done:
    """Runs the command line to its end; arguments as of `start_main`."""
    return start_main(workdir, *arguments, **more).finish()


def _main(argv: list[str], hook: Callable[[], None] | None) -> None:
    from gtn_tf import main

    sys.argv = argv
    if hook is not None:
        hook()
    main.run()


class StopAfter(NamedTuple):
    """A hook: the process sends itself a signal once a row is written."""

    step: int
    number: int

    def __call__(self) -> None:
        from gtn_tf.runtime import host_loop

        class Log(host_loop.MetricsLog):
            def append(log, row: dict) -> None:
                super().append(row)
                if row["step"] == self.step:
                    os.kill(os.getpid(), self.number)

        host_loop.MetricsLog = Log


def values_of(workdir: Path) -> list[dict]:
    """Returns the rows of metrics.jsonl without seconds."""
    rows = read_rows(workdir / "metrics.jsonl")
    return [{k: v for k, v in r.items() if k != "seconds"} for r in rows]


def checkpoint_steps(workdir: Path) -> list[int]:
    names = (workdir / "checkpoints").glob("ckpt-*.index")
    return sorted(int(path.stem.removeprefix("ckpt-")) for path in names)


def checkpoint_values(workdir: Path, step: int) -> dict[str, np.ndarray]:
    """Returns all that a checkpoint holds, but for seconds."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(workdir / "checkpoints" / f"ckpt-{step}")
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
        and not name.startswith("seconds")
    }


def assert_close_rows(rows: list[dict], others: list[dict]) -> None:
    """Asserts equal metrics, up to the order of a sum over devices."""
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            if name != "seconds":
                np.testing.assert_allclose(value, other[name], rtol=1e-5)


def assert_close_checkpoints(workdir: Path, other: Path, step: int) -> None:
    """Asserts equal variables, up to the order of a sum over devices."""
    ours = checkpoint_values(workdir, step)
    theirs = checkpoint_values(other, step)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        # Ten steps, in each of which Adam divides by roots down to 1e-3.
        scale = max(1.0, np.abs(theirs[name]).max())
        assert_close(value, theirs[name], 64, scale, err_msg=name)


def assert_one_line(done: Done, code: int, *parts: str) -> None:
    """Asserts exit code and one `error: ` line that holds all the parts."""
    lines = done.errors.splitlines()
    assert (done.code, len(lines)) == (code, 1), done
    assert lines[0].startswith("error: ")
    assert lines[0].count(";") >= 2, lines[0]
    for part in parts:
        assert part in lines[0], lines[0]


@contextlib.contextmanager
def held_by_another_process(workdir: Path):
    """Holds a workdir as another run would."""
    process = _PROCESSES.Process(target=_hold, args=(workdir,))
    process.start()
    while not (workdir / ".lock").exists() or not (
        (workdir / ".lock").read_text()
    ):
        time.sleep(0.02)
        assert process.is_alive()
    try:
        yield process.pid
    finally:
        process.kill()
        process.join()


def _hold(workdir: Path) -> None:
    from gtn_tf.runtime.workdir import claim_workdir

    with claim_workdir(workdir):
        signal.pause()
