"""Teachers as people pass them on: bundled, saved, on the hub, for others."""

import json
import shutil
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import gtn_tf
from gtn_tf.export.bundled import bundled_names
from gtn_tf.export.load import ARRAYS
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.exports import write_export


@pytest.fixture
def teacher(tmp_path):
    return gtn_tf.load(write_export(tmp_path / "made" / "export"))


def assert_equal(ours, theirs):
    for name in ARRAYS:
        ours_, theirs_ = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_array_equal(ours_, theirs_)
        assert theirs_.dtype == np.float32
    assert json.dumps(ours.metadata) == json.dumps(theirs.metadata)


def test_bundled_teachers_are_whole_and_small():
    assert bundled_names() == [
        *("cifar10", "cifar10_16", "cifar10_16_any", "digits", "digits_any"),
        *("mnist", "mnist_any"),
    ]
    for name in bundled_names():
        bundled = gtn_tf.load(f"gtn:{name}")
        size = sum(p.stat().st_size for p in bundled.path.rglob("*"))
        assert size <= 5 * 2**20
        assert bundled.images.dtype == np.float32
        assert bundled.metadata["measured"]["rows"]
        card = bundled.card()
        assert bundled.metadata["dataset"] in card
        page = Path(gtn_tf.__file__).parents[1] / "docs" / "teachers.md"
        paragraphs = card.partition("\n# ")[2].split("\n\n")[1:]
        assert all(p.strip() in page.read_text() for p in paragraphs)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.load("gtn:svhn")
    assert "'gtn:svhn'" in str(caught.value)
    assert "gtn:digits" in str(caught.value)
    for name, reason in (
        ("digits", "without its generator"),
        ("mnist_any", "has no generator"),
    ):
        with pytest.raises(InputError, match=reason):
            gtn_tf.load(f"gtn:{name}").sample(np.array([1]), 0)


def test_the_bundled_digits_are_of_the_data_set():
    """Their means are the data set's: its validation images are found."""
    from gtn_tf.datasets import loading

    digits = gtn_tf.load("gtn:digits")
    assert digits.was_made_with(loading.load("digits").mean)


def test_what_is_saved_is_what_is_loaded(teacher, tmp_path):
    path = teacher.save(tmp_path / "new" / "folder")
    assert_equal(gtn_tf.load(path), teacher)
    assert (path / "README.md").read_text() == teacher.card()
    assert "was not measured" in teacher.card()
    teacher.save(path)  # an export is replaced, and nothing else is
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").touch()
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        teacher.save(full)
    assert [p.name for p in full.iterdir()] == ["thesis.tex"]


@pytest.fixture
def hub(tmp_path):
    """The hub as a local folder, behind functions of the real signatures."""
    real = pytest.importorskip("huggingface_hub")
    folder = tmp_path / "hub"

    def create_repo(repo_id, **kwargs):
        (folder / repo_id).mkdir(parents=True, exist_ok=kwargs["exist_ok"])
        return types.SimpleNamespace(repo_id=repo_id)

    def upload_folder(*, repo_id, folder_path, **_):
        shutil.copytree(folder_path, folder / repo_id, dirs_exist_ok=True)
        return f"commit of {repo_id}"

    def snapshot_download(repo_id, **_):
        if not (folder / repo_id).exists():
            raise real.errors.LocalEntryNotFoundError(f"no {repo_id}")
        return str(folder / repo_id)

    functions = (create_repo, upload_folder, snapshot_download)
    with mock.patch.multiple(
        real,
        **{
            f.__name__: mock.create_autospec(
                getattr(real, f.__name__), side_effect=f
            )
            for f in functions
        },
    ):
        yield folder


def test_upload_and_download(teacher, hub):
    commit = teacher.upload("someone/digits", private=True)
    assert commit == "commit of someone/digits"
    assert_equal(gtn_tf.load("hf:someone/digits"), teacher)
    assert (hub / "someone/digits/README.md").exists()
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.load("hf:someone/else")
    assert "someone/else" in str(caught.value)


def test_without_a_network(teacher, monkeypatch):
    class ConnectError(Exception):
        """As those of the hub's client, which are no OSErrors."""

    def fail(*_, **__):
        raise ConnectError("no route to host")

    monkeypatch.setattr("huggingface_hub.create_repo", fail)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    for call in (
        lambda: teacher.upload("someone/digits"),
        lambda: gtn_tf.load("hf:someone/digits"),
    ):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            call()
        assert "no route to host" in str(caught.value)


def test_without_the_hubs_client(teacher, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        teacher.upload("someone/digits")
    assert "gtn_tf[hub]" in str(caught.value)


def test_files_for_dd_ranking(tmp_path, monkeypatch):
    torch = types.ModuleType("torch")
    torch.as_tensor = np.asarray

    def save(array, path):
        with path.open("wb") as file:
            np.save(file, array)

    torch.save = save
    monkeypatch.setitem(sys.modules, "torch", torch)
    folder = write_export(tmp_path / "export", num_steps=2, batch_size=20)
    labels = np.eye(10, dtype=np.float32)[np.arange(40) % 10]
    with np.load(folder / "curriculum.npz") as file:
        arrays = dict(file) | {"labels": labels.reshape(2, 20, 10)}
    np.savez(folder / "curriculum.npz", **arrays)
    teacher = gtn_tf.load(folder)
    path = teacher.save_for_dd_ranking(tmp_path / "dd", mean=[0], std=[1 / 16])
    images, labels, rate = (
        np.load(path / f"{name}.pt") for name in ("images", "labels", "lr")
    )
    assert images.shape == (40, 1, 8, 8)
    np.testing.assert_array_equal(labels.argmax(1), np.arange(40) // 4)
    # Of class 3: examples 3, 13, 23 and 33 in the order of the steps; the
    # digits are sixteenths of white.
    flat = teacher.images.reshape(40, 8, 8)
    own = teacher.metadata["normalisation"]
    pixels = 16 * (flat[[3, 13, 23, 33]] * own["std"][0] + own["mean"][0])
    np.testing.assert_allclose(images[12:16, 0], pixels, atol=1e-5)
    np.testing.assert_allclose(images, images.round(), atol=0.1)
    assert rate == pytest.approx(teacher.inner_learning_rate.mean())
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        teacher.save_for_dd_ranking(tmp_path / "dd")
