"""Buckets, by TensorFlow's scheme of local files.

Its in-memory files will not do: what is written to one is added to it.
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf import paths
from gtn_tf.paths import path_to_read
from gtn_tf.runtime import bucket_workdir, host_loop
from gtn_tf.runtime.bucket_workdir import opened_workdir
from gtn_tf.runtime.interrupts import catch_signals
from gtn_tf.runtime.progress import say
from gtn_tf.types import (
    DivergenceError,
    InputError,
    InUseError,
    LostWorkerError,
)
from tests.helpers import tiny


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(bucket_workdir, "ROUND_SECONDS", 0.1)
    monkeypatch.setattr(bucket_workdir, "_SETTLE_SECONDS", 0.01)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def bucket(tmp_path):
    return f"file://{tmp_path}/bucket/run"


def _files(bucket):
    return {
        f"{folder}/{name}".removeprefix(f"{bucket}/"): tf.io.gfile.GFile(
            f"{folder}/{name}"
        ).read()
        for folder, _, names in tf.io.gfile.walk(bucket)
        for name in names
    }


def _until(is_so):
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_folder_is_copied_both_ways(bucket, capsys):
    with opened_workdir(bucket, "it") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a").write_text("1")
        (folder / ".part").write_text("no")
        _until(lambda: "deep/a" in _files(bucket))
        (folder / "deep" / "a").unlink()
        (folder / "b").write_text("2")
    assert _files(bucket) == {"b": "2"}
    with opened_workdir(bucket, "it") as folder:
        assert (folder / "b").read_text() == "2"
    with opened_workdir(bucket, "it", alone=False) as other:
        assert other != folder
        (other / "report.html").write_text("3")
        say(f"written: {other / 'report.html'}")
    assert f"written: {bucket}/report.html" in capsys.readouterr().err
    assert _files(bucket) == {"b": "2", "report.html": "3"}


def test_what_says_that_files_are_whole_is_copied_last(bucket, monkeypatch):
    with opened_workdir(bucket, "it") as folder:
        (folder / "metadata.json").write_text("old")
        (folder / "arrays").write_text("old")
    copied, beside = [], []

    def upload(place, data):
        name = place.rpartition("/")[2]
        if name != ".lock":
            copied.append(name)
            beside.append("metadata.json" in _files(bucket))
        paths.upload(place, data)

    monkeypatch.setattr(bucket_workdir, "upload", upload)
    monkeypatch.setattr(bucket_workdir, "ROUND_SECONDS", 1e6)
    with opened_workdir(bucket, "it") as folder:
        for name in ("ckpt-1.index", "metadata.json", "arrays", "rows"):
            (folder / name).write_text("new")
    assert copied == ["arrays", "rows", "ckpt-1.index", "metadata.json"]
    assert not any(beside)


def test_a_claim_is_respected_while_it_changes(bucket, monkeypatch):
    monkeypatch.setattr(bucket_workdir, "_DEAD_ROUNDS", 600)
    with opened_workdir(bucket, "it"):
        _assert_refused(bucket, InUseError, "is in use by another run (pid")


def test_a_claim_that_does_not_change_is_taken_over(bucket, capsys):
    lock = f"{bucket}/.lock"
    paths.upload(lock, b'{"run": "gone", "owner": "pid 1 on vm"}')
    with opened_workdir(bucket, "it"):
        assert "claimed by pid 1 on vm" in capsys.readouterr().err
    assert not _files(bucket)

    def lose(folder):
        def is_stopped():
            paths.upload(lock, b'{"run": "other", "owner": "me"}')
            return caught

        with catch_signals() as caught:
            _until(is_stopped)

    _assert_refused(bucket, InUseError, "in use by another run (me)", lose)
    assert json.loads(_files(bucket)[".lock"])["run"] == "other"


def _assert_refused(place, error, text, work=lambda folder: None):
    with (
        pytest.raises(error, match=tiny.ONE_LINE) as caught,
        opened_workdir(place, "--workdir") as folder,
    ):
        work(folder)
    assert text in str(caught.value)


def test_what_cannot_be_written_is_one_line(bucket, monkeypatch):
    def fail(place, data):
        raise tf.errors.UnavailableError(None, None, "no network")

    def lose(folder):
        (folder / "a").write_text("1")
        monkeypatch.setattr(bucket_workdir, "upload", fail)

    _assert_refused(bucket, LostWorkerError, "(no network)", lose)
    _assert_refused("s3://bucket/run", InputError, "gs://")


def test_errors_name_the_bucket(bucket):
    def refuse(folder):
        raise InputError(f"{folder}/a; b; c")

    _assert_refused(bucket, InputError, f"{bucket}/a", refuse)

    def diverge(folder):
        raise DivergenceError(f"lost; fine; look at {folder}/checkpoints")

    _assert_refused(bucket, DivergenceError, f"{bucket}/checkpoints", diverge)


def test_who_reads_a_bucket_leaves_its_run_alone(bucket):
    """Both on one machine: the run's files here are newer than there."""
    with opened_workdir(bucket, "--workdir") as folder:
        rows = folder / "metrics.jsonl"
        rows.write_text("1")
        _until(lambda: "metrics.jsonl" in _files(bucket))
        with rows.open("a") as log:
            log.write("2")
            log.flush()
            read = path_to_read(bucket, "it")
            assert (read / "metrics.jsonl").read_text() in ("1", "12")
            log.write("3")
        assert rows.read_text() == "123"
    assert _files(bucket)["metrics.jsonl"] == "123"


class _QuickRounds(NamedTuple):
    """A hook of `tiny.start_main`: kills itself once a checkpoint is there."""

    killed_beside: Path | None = None

    def __call__(self):
        bucket_workdir.ROUND_SECONDS = 0.2
        if self.killed_beside is not None:

            class Log(host_loop.MetricsLog):
                def append(log, row):
                    super().append(row)
                    if row["step"] == 5:
                        _until(
                            lambda: tiny.checkpoint_steps(self.killed_beside)
                        )
                        os.kill(os.getpid(), signal.SIGKILL)

            host_loop.MetricsLog = Log


@pytest.mark.slow
def test_a_machine_that_vanishes_loses_nothing(tmp_path):
    whole, there = tmp_path / "whole", tmp_path / "bucket" / "run"
    assert tiny.run_main(whole).code == 0
    killed = tiny.run_main(f"file://{there}", hook=_QuickRounds(there))
    assert killed.code == -signal.SIGKILL
    assert not (there / "export").exists()
    # The folder of the other machine is not looked at: it is lost with it.
    done = tiny.run_main(f"file://{there}", hook=_QuickRounds())
    assert done.code == 0, done
    assert "was claimed by pid" in done.errors
    assert "resum" in done.errors
    assert tiny.values_of(there) == tiny.values_of(whole)
    with (
        np.load(there / "export" / "curriculum.npz") as ours,
        np.load(whole / "export" / "curriculum.npz") as theirs,
    ):
        for name in ours.files:
            np.testing.assert_array_equal(ours[name], theirs[name])
    refused = tiny.run_main(
        f"file://{there}", "--mode=search", "--config.search.num_shards=2"
    )
    tiny.assert_one_line(refused, 2, "search.num_shards", "no locks")
