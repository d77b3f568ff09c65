from pathlib import Path

import numpy as np
import pytest

from gtn_tf.datasets.loading import DatasetSpec
from gtn_tf.datasets.npz import load_npz
from gtn_tf.paths import local_path, path_to_read
from gtn_tf.types import InputError
from tests.helpers import tiny


def test_home_and_plain_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert local_path("~/runs", "it") == Path("/home/me/runs")
    assert local_path("runs/a:b", "it") == Path("runs/a:b")
    assert local_path(Path("C"), "it") == Path("C")


@pytest.mark.parametrize(
    "path", ["gs://bucket/run", "s3://b", Path("gs://b/run"), "~nobody_/run"]
)
def test_what_is_no_folder_here_is_one_line(path):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        local_path(path, "--workdir")
    assert "--workdir is" in str(caught.value)


@pytest.mark.parametrize("path", [None, 3, b"runs"])
@pytest.mark.parametrize("read", [local_path, path_to_read])
def test_what_is_no_path_is_one_line(path, read):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        read(path, "workdir")
    assert f"workdir is a {type(path).__name__}" in str(caught.value)


def test_what_is_in_a_bucket_is_copied_here(monkeypatch, tmp_path):
    import tensorflow as tf

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    images = np.arange(60 * 16, dtype=np.uint8).reshape(60, 4, 4)
    np.savez(tmp_path / "a", images=images, label_ids=np.arange(60) % 2)
    tf.io.gfile.makedirs("ram://data/deep")
    tf.io.gfile.copy(str(tmp_path / "a.npz"), "ram://data/deep/a.npz")
    spec = DatasetSpec(name="npz:ram://data/deep/a.npz")
    assert load_npz(spec, with_test=False).image_shape == (4, 4, 1)
    folder = path_to_read("ram://data", "it")
    assert [p.name for p in folder.rglob("*.npz")] == ["a.npz"]
    assert not path_to_read("ram://data/none", "it").exists()
    tf.io.gfile.copy(str(tmp_path / "a.npz"), "ram://data/deep/b.npz")
    assert len([*path_to_read("ram://data", "it").rglob("*.npz")]) == 2
    tf.io.gfile.remove("ram://data/deep/a.npz")  # nor is it here any longer
    assert [p.name for p in folder.rglob("*.npz")] == ["a.npz", "b.npz"]
    path_to_read("ram://data", "it")
    assert [p.name for p in folder.rglob("*.npz")] == ["b.npz"]
    assert path_to_read("ram://data/deep/b.npz", "it").exists()
    tf.io.gfile.remove("ram://data/deep/b.npz")
    assert not path_to_read("ram://data/deep/b.npz", "it").exists()
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        path_to_read("s3://data", "it")
