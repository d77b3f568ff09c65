import json
import os
import re
import signal
import socket
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest

from gtn_tf.runtime.cluster import (
    Cluster,
    is_chief,
    read_cluster,
)
from gtn_tf.runtime.rendezvous import await_workers
from gtn_tf.runtime.row_log import read_rows
from gtn_tf.types import InputError, LostWorkerError
from tests.helpers import tiny

_STEPS = 10
_LEARNERS = (
    "--config.meta.num_learners=2",
    f"--config.meta.num_steps={_STEPS}",
    "--config.meta.validation_every=5",
    "--config.meta.validation_num_learners=1",
    "--config.checkpoint.every_steps=4",
    "--config.log.samples_every=0",
    "--config.meta.adam_epsilon=1e-3",  # as in test_distribution
)


def _free_addresses(number):
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


class _Worker(NamedTuple):
    """A hook: makes the process one of several workers.

    Its final variables go to `variables`; once it has logged or passed
    meta-step `signal_at`, it sends itself signal `number`.
    """

    addresses: list
    index: int
    variables: str | None = None
    signal_at: int = 0
    number: int = 0

    def __call__(self):
        task = {"type": "worker", "index": self.index}
        cluster = {"worker": self.addresses}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        from gtn_tf.training import pretrain

        one_step, train = pretrain._one_step, pretrain._train

        def one_step_and_signal(run, spec, step, workdir):
            row = one_step(run, spec, step, workdir)
            if step == self.signal_at:
                os.kill(os.getpid(), self.number)
            return row

        def train_and_save(run, *arguments):
            code = train(run, *arguments)
            if self.variables is not None:
                values = {
                    name: variable.numpy()
                    for name, variable in run.teacher.variables_by_name.items()
                }
                np.savez(self.variables, **values)
            return code

        pretrain._one_step = one_step_and_signal
        pretrain._train = train_and_save


def _run_workers(workdir, *more, arguments=((), ()), **by_index):
    """Runs two workers; `by_index` gives each its own values of `_Worker`."""
    addresses = _free_addresses(2)
    running = [
        tiny.start_main(
            workdir,
            *_LEARNERS,
            *more,
            *arguments[index],
            hook=_Worker(
                addresses, index, **{k: v[index] for k, v in by_index.items()}
            ),
        )
        for index in range(2)
    ]
    return [_without_log(one.finish()) for one in running]


def _without_log(done):
    """Drops what TensorFlow 2.18 logs of the servers of a cluster."""
    lines = [
        line
        for line in done.errors.splitlines(keepends=True)
        if not re.match(r"I\d{4} |WARNING: All log messages before", line)
    ]
    return done._replace(errors="".join(lines))


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("one_process")
    done = tiny.run_main(workdir, *_LEARNERS)
    assert done.code == 0, done
    return workdir


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("two_workers")
    done = _run_workers(
        workdir,
        variables=[str(workdir / f"variables_{i}.npz") for i in range(2)],
    )
    assert [one.code for one in done] == [0, 0], done
    return workdir, done


def test_two_workers_compute_what_one_process_does(one_process, two_workers):
    workdir, _ = two_workers
    rows = [read_rows(w / "metrics.jsonl") for w in (one_process, workdir)]
    assert len(rows[0]) == _STEPS
    tiny.assert_close_rows(*rows)
    tiny.assert_close_checkpoints(one_process, workdir, _STEPS)


def test_workers_end_with_equal_variables(two_workers):
    workdir, _ = two_workers
    with (
        np.load(workdir / "variables_0.npz") as first,
        np.load(workdir / "variables_1.npz") as second,
    ):
        assert len(first) > 5
        for name in first:
            np.testing.assert_array_equal(
                first[name], second[name], err_msg=name
            )


def test_only_the_chief_writes_and_speaks(two_workers):
    workdir, (chief, other) = two_workers
    assert chief.errors.endswith(f"done: {_STEPS} meta-steps in {workdir}\n")
    assert other.errors == ""
    names = {path.name for path in workdir.iterdir()}
    assert names - {"variables_0.npz", "variables_1.npz"} == {
        *(".lock", "checkpoints", "config.json", "metrics.jsonl", "samples"),
        "tracing.json",
    }


@pytest.mark.slow
def test_sigterm_on_one_worker_ends_both_after_one_step(tmp_path, one_process):
    done = _run_workers(
        tmp_path, signal_at=(0, 3), number=(0, int(signal.SIGTERM))
    )
    assert [one.code for one in done] == [128 + signal.SIGTERM] * 2, done
    assert tiny.checkpoint_steps(tmp_path) == [3]
    assert "SIGTERM: saved meta-step 3; " in done[0].errors
    resumed = tiny.run_main(tmp_path, *_LEARNERS)
    assert resumed.code == 0, resumed
    assert resumed.errors.startswith(f"resumed at meta-step 3 of {_STEPS}\n")
    tiny.assert_close_rows(
        read_rows(one_process / "metrics.jsonl"),
        read_rows(tmp_path / "metrics.jsonl"),
    )


@pytest.mark.slow  # the heartbeat of a killed worker is missed after 10 s
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_worker_ends_the_other(tmp_path, one_process, killed):
    at, number = [0, 0], int(signal.SIGKILL)
    at[killed] = 7
    done = _run_workers(tmp_path, signal_at=at, number=(number, number))
    assert done[killed].code == -signal.SIGKILL
    left = done[1 - killed]
    assert left.code == 1, left  # it ends by itself, within `finish`'s limit
    *_, line = left.errors.splitlines()
    assert line.startswith("error: a worker of TF_CONFIG is gone (")
    assert line.endswith("resumes from its newest checkpoint")
    assert tiny.checkpoint_steps(tmp_path) == [4]
    done = _run_workers(tmp_path)
    assert [one.code for one in done] == [0, 0], done
    assert f"resumed at meta-step 4 of {_STEPS}" in done[0].errors
    tiny.assert_close_rows(
        read_rows(one_process / "metrics.jsonl"),
        read_rows(tmp_path / "metrics.jsonl"),
    )


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_never_starts(tmp_path, index):
    addresses = _free_addresses(2)
    began = time.monotonic()
    left = tiny.start_main(
        tmp_path,
        *(*_LEARNERS, "--config.connect_timeout_seconds=1"),
        hook=_Worker(addresses, index),
    ).finish(seconds=60)
    assert time.monotonic() - began < 50
    tiny.assert_one_line(
        *(
            left,
            1,
            f"no answer from {addresses[1 - index]} of TF_CONFIG in 1 s",
        ),
        "raise --config.connect_timeout_seconds",
    )


def test_only_those_who_are_missing_are_named():
    addresses = _free_addresses(3)
    host, port = addresses[1].split(":")
    with (
        socket.create_server((host, int(port))),
        pytest.raises(LostWorkerError, match=addresses[2]) as error,
    ):
        await_workers(Cluster(tuple(addresses), 0), 0.1)
    assert addresses[1] not in str(error.value)


def test_workers_that_start_at_different_times():
    addresses = tuple(_free_addresses(3))
    seconds = [0.0, 0.0, 0.0]

    def start(index):
        time.sleep(0.3 * index)
        began = time.monotonic()
        await_workers(Cluster(addresses, index), 30)
        seconds[index] = time.monotonic() - began
        # As TensorFlow's server does, in the same place.
        host, port = addresses[index].split(":")
        with socket.create_server((host, int(port))):
            ended.wait(30)

    ended = threading.Barrier(3)
    threads = [threading.Thread(target=start, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.5 < seconds[0] < 10
    assert not ended.broken


def test_a_port_that_is_taken(tmp_path):
    addresses = _free_addresses(2)
    host, port = addresses[0].split(":")
    with socket.create_server((host, int(port))):
        done = tiny.start_main(
            tmp_path, *_LEARNERS, hook=_Worker(addresses, 0)
        ).finish()
    tiny.assert_one_line(done, 2, f"port {port} of this worker cannot be had")


def test_workers_must_run_the_same_config(tmp_path):
    done = _run_workers(tmp_path, arguments=((), ("--config.seed=1",)))
    for one in done:
        assert one.code == 2, one
        *_, line = one.errors.splitlines()
        assert line.startswith("error: the workers have different configs")


@pytest.mark.parametrize("num_learners", [1, 3])
def test_learners_must_divide_evenly(tmp_path, num_learners):
    done = _run_workers(tmp_path, f"--config.meta.num_learners={num_learners}")
    for one in done:
        tiny.assert_one_line(one, 2, f"{num_learners} on 2 replicas", "=2")


_CLUSTER = '"cluster": {"worker": ["a:1", "b:2"]}'


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "is no JSON"),
        ("[]", "has no 'cluster'"),
        ("{" + _CLUSTER + "}", "has no 'task'"),
        ('{"task": {"type": "worker", "index": 0}}', "has no 'cluster'"),
        (
            '{"cluster": {"worker": ["a"]}, "task": {}}',
            "has the cluster entry 'worker': ['a']",
        ),
        (
            '{"cluster": {"ps": ["a:1"]}, "task": {}}',
            "has the cluster entry 'ps'",
        ),
        (
            '{"cluster": {"chief": ["a:1", "b:1"]}, "task": {}}',
            "has several chiefs",
        ),
        (
            "{" + _CLUSTER + ', "task": {"type": "chief", "index": 0}}',
            "has the task type 'chief'",
        ),
        (
            "{" + _CLUSTER + ', "task": {"type": "worker", "index": 2}}',
            "has the task index 2 of 2",
        ),
        (
            "{" + _CLUSTER + ', "task": {"type": "worker", "index": "0"}}',
            "has the task index '0'",
        ),
    ],
)
def test_malformed_tf_config(monkeypatch, text, part):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG") as error:
        is_chief("auto")
    assert part in str(error.value)
    assert is_chief("mirrored")  # heeds no TF_CONFIG


def test_malformed_tf_config_is_one_line(tmp_path):
    done = tiny.run_main(tmp_path / "new", hook=_set_malformed)
    tiny.assert_one_line(done, 2, "TF_CONFIG is no JSON")
    assert not (tmp_path / "new").exists()


def _set_malformed():
    os.environ["TF_CONFIG"] = "{"


def test_multi_worker_needs_tf_config(tmp_path):
    done = tiny.run_main(tmp_path, "--config.strategy=multi_worker")
    tiny.assert_one_line(done, 2, "'multi_worker' without TF_CONFIG")


@pytest.mark.parametrize(
    ("task", "index"),
    [(("chief", 0), 0), (("worker", 0), 1), (("worker", 1), 2)],
)
def test_the_chief_comes_first(monkeypatch, task, index):
    cluster = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    value = {
        "cluster": cluster,
        "task": dict(zip(("type", "index"), task, strict=True)),
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(value))
    assert read_cluster() == Cluster(("c:3", "a:1", "b:2"), index)
    assert is_chief("auto") is (index == 0)
