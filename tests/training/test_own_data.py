import dataclasses

import numpy as np
import pytest

from gtn_tf.datasets import loading as data
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.training.own_data import check_own_data
from gtn_tf.types import InputError
from tests.helpers import tiny


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return {
        "images": rng.integers(0, 256, (200, 8, 8, 1), np.uint8),
        "label_ids": np.arange(200) % 10,
    }


def _write(path, images, label_ids):
    np.savez(path, train_images=images, train_labels=label_ids)


def _dataset(path, with_test=False):
    return data.load(f"npz:{path}", with_test=with_test)


def test_data_that_changed_are_refused(tmp_path, arrays):
    """By all modes that read the workdir; what was trained stays."""
    path, workdir = tmp_path / "own.npz", tmp_path / "run"
    _write(path, **arrays)
    flags = (f"--config.dataset.name=npz:{path}", "--config.meta.num_steps=2")
    assert tiny.run_main(workdir, *flags).code == 0
    kept = tiny.checkpoint_values(workdir, 2)
    images = np.concatenate([arrays["images"], arrays["images"][:1]])
    _write(path, images, np.append(arrays["label_ids"], 0))
    for more in (
        ("--config.meta.num_steps=4",),
        ("--mode=export",),
        ("--mode=evaluate",),
        ("--mode=evaluate", "--config.evaluation.experiment=any_network"),
        ("--mode=search", "--config.search.evaluators=('params',)"),
    ):
        done = tiny.run_main(workdir, *flags, *more)
        tiny.assert_one_line(
            done, 2, "has other images, labels or splits", "restore them"
        )
    _write(path, **arrays)
    done = tiny.run_main(workdir, *flags, "--config.meta.num_steps=4")
    assert done.code == 0, done
    assert "resumed at meta-step 2" in done.errors
    for name, value in tiny.checkpoint_values(workdir, 2).items():
        np.testing.assert_array_equal(value, kept[name])


@pytest.mark.parametrize("changed", ["images", "label_ids"])
def test_one_pixel_and_one_label_count(tmp_path, arrays, changed):
    path = tmp_path / "own.npz"
    _write(path, **arrays)
    check_own_data(_dataset(path), tmp_path)
    check_own_data(_dataset(path, with_test=True), tmp_path)
    other = {name: array.copy() for name, array in arrays.items()}
    dataset = _dataset(path)
    wanted = dataset.train.images[0]
    (place,) = np.flatnonzero((other["images"] == wanted).all((1, 2, 3)))
    other[changed][place] = (other[changed][place] + 1) % 10
    _write(path, **other)
    with pytest.raises(InputError, match="has other images, labels or splits"):
        check_own_data(_dataset(path), tmp_path)


def test_data_that_have_a_version_are_not_asked(tmp_path):
    check_own_data(data.load("digits"), tmp_path)
    assert not any(tmp_path.iterdir())


def test_results_are_of_the_test_images(tmp_path, arrays):
    path = tmp_path / "own.npz"
    _write(path, **arrays)
    config = tiny.get_config()
    config.dataset.name = f"npz:{path}"
    dataset = _dataset(path, with_test=True)
    changed = data.Split(255 - dataset.test.images, dataset.test.label_ids)
    first, again, other = (
        build_setting(config, tmp_path, one).facts
        for one in (
            *(dataset, _dataset(path, with_test=True)),
            dataclasses.replace(dataset, test=changed),
        )
    )
    assert first == again != other
