"""Files that are none, or hold what no program of ours wrote."""

import errno
import json
import os
import time
import zipfile

import numpy as np
import pytest

from gtn_tf.export.load import load
from gtn_tf.paths import local_path
from gtn_tf.retrain.genotype import find_genotype
from gtn_tf.runtime.files import disk_failure, open_to_read, read_json
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.runtime.row_log import MetricsLog, read_rows
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.exports import write_export

_DEEP = "[" * 100_000 + "]" * 100_000


def _make(path, kind):
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "deep":
        path.write_text(_DEEP)
    elif kind == "binary":
        path.write_bytes(b"\xff\x00" * 9)
    return path


_ODD = pytest.mark.parametrize("kind", ["directory", "pipe", "deep", "binary"])


@_ODD
def test_it_is_one_line(kind, tmp_path):
    path = _make(tmp_path / "odd", kind)
    for read in (read_json, find_genotype):
        with pytest.raises(InputError, match=tiny.ONE_LINE):
            read(str(path))
    if kind in ("directory", "pipe"):
        with pytest.raises(InputError, match=tiny.ONE_LINE):
            read_rows(path)
        with pytest.raises(OSError, match=r"file|directory"):
            open_to_read(path)


@_ODD
def test_a_result_is_set_aside(kind, tmp_path):
    _make(tmp_path / "key.json", kind)
    store = JobStore(tmp_path)
    assert store.get("key") is None
    assert (tmp_path / "key.json.damaged").exists()
    store.put("key", 1)
    assert store.all() == {"key": 1}


def test_a_byte_order_mark_is_read_over(tmp_path):
    mark = b"\xef\xbb\xbf"
    path = tmp_path / "marked"
    path.write_bytes(mark + b'{"step": 1}')
    assert read_json(path) == {"step": 1}
    assert read_rows(path) == [{"step": 1}]
    text = find_genotype("GTN-fixed").genotype.to_text()
    path.write_bytes(mark + text.encode())
    assert find_genotype(str(path)).genotype.to_text() == text


def test_a_workdirs_name_may_hold_colons(tmp_path):
    (tmp_path / "a:b" / "search").mkdir(parents=True)
    for value in (f"{tmp_path}/a:b", f"{tmp_path}/a:b:gtn"):
        with pytest.raises(InputError, match="a:b' has no search/ranking"):
            find_genotype(f"search:{value}")


def test_a_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    genotype = find_genotype("GTN-fixed").genotype
    (tmp_path / "mine.txt").write_text(genotype.to_text())
    assert find_genotype("~/mine.txt").genotype == genotype


def test_a_path_that_is_no_utf_8_is_one_line():
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        local_path(os.fsdecode(b"runs/\xff"), "--workdir")


@pytest.mark.parametrize("shape", [(10**6, 10**6, 10**6), (3,)])
def test_an_array_is_not_unpacked_before_its_header_is_read(shape, tmp_path):
    folder = write_export(tmp_path / "export")
    path = folder / "curriculum.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with zipfile.ZipFile(path, "w") as file:
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w") as member:
                if name == "images":
                    np.lib.format.write_array_header_1_0(member, header)
                else:
                    np.save(member, array)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        load(folder)
    caught.match("where metadata.json says")


def test_errors_of_the_disk_are_told():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/metrics.jsonl")
    assert "'/x/metrics.jsonl'; expected a disk with space" in disk_failure(
        full
    )
    of_tensorflow = RuntimeError("/x/ckpt; No space left on device")
    assert disk_failure(of_tensorflow).count(";") == 2
    assert disk_failure(RuntimeError("else")) == ""
    gone = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/x/y")
    assert "No such file or directory '/x/y'" in disk_failure(gone)
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    assert disk_failure(refused) == ""  # no disk will help


def test_a_million_rows_are_resumed_from_in_seconds(tmp_path):
    path = tmp_path / "metrics.jsonl"
    row = '{"step": %d, "meta_loss": 1.25, "meta_accuracy": 0.5}\n'
    path.write_text("".join(row % step for step in range(1, 100_001)))
    began = time.monotonic()
    log = MetricsLog(path, 99_999)
    log.append({"step": 100_000})
    log.close()
    # A tenth of a million: 0.2 s, on a machine that does nothing else.
    assert time.monotonic() - began < 5
    assert json.loads(path.read_text().splitlines()[-1]) == {"step": 100_000}
