import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gtn_tf
from gtn_tf.datasets import loading
from gtn_tf.datasets.batches import device_split, sample_batch
from gtn_tf.export.load import ARRAYS
from gtn_tf.ops.seeds import root_seed
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("workdir")
    done = tiny.run_main(path, "--config.meta.num_steps=1")
    assert done.code == 0, done
    return path


@pytest.fixture
def copy(workdir, tmp_path):
    """An export folder that may be damaged."""
    return shutil.copytree(workdir / "export", tmp_path / "export")


def test_batches_are_the_arrays_step_by_step(workdir):
    teacher = gtn_tf.load(workdir)
    batches = list(teacher.batches())
    assert len(teacher) == len(batches) == 2
    for step, batch in enumerate(batches):
        assert batch._fields == ARRAYS
        assert batch.images.shape == (10, 8, 8, 1)
        np.testing.assert_array_equal(batch.images, teacher.images[step])
        np.testing.assert_array_equal(batch.labels, np.eye(10))
        assert batch.inner_learning_rate == teacher.inner_learning_rate[step]
        assert batch.inner_momentum == teacher.inner_momentum[step]
    assert not np.allclose(batches[0].images, batches[1].images)


def test_metadata(workdir):
    metadata = gtn_tf.load(workdir).metadata
    digest = metadata.pop("config_digest")
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert metadata.pop("meta_training_seconds") > 0
    normalisation = metadata.pop("normalisation")
    # Of the 1000 training digits; 0.305 and 0.377 of all 1797.
    assert normalisation["mean"] == pytest.approx([0.305], abs=0.003)
    assert normalisation["std"] == pytest.approx([0.376], abs=0.003)
    versions = metadata.pop("versions")
    assert versions.keys() == {"gtn_tf", "tensorflow", "keras", "numpy"}
    assert versions["gtn_tf"] == gtn_tf.__version__
    assert metadata == {
        "format_version": 1,
        "dataset": "digits",
        "split_seed": 0,
        "image_size": None,
        "max_images": None,
        "class_names": [str(number) for number in range(10)],
        "num_classes": 10,
        "image_shape": [8, 8, 1],
        "num_inner_steps": 2,
        "inner_batch_size": 10,
        "inner_optimizer": "sgd",
        "source": "gtn",
        "curriculum": {
            "name": "full",
            "learn_labels": False,
            "is_one_draw_of_many": False,
        },
        "statistics": {
            "curriculum": "of the inner batch",
            "generate": "stored",
            "sample": "stored",
        },
        "sample_noise": "curriculum",
        "meta_steps": 1,
        "learner": {
            "name": ["mlp"],
            "widths": [[4, 3]],
            "weight_norm": True,
            "normalization": "mean_only",
            "pool_size": 3,
        },
    }


def test_generate_and_sample(copy):
    teacher = gtn_tf.load(copy)
    noise = np.random.default_rng(0).normal(size=(3, 4))
    images = teacher.generate(noise, np.eye(10)[:3])
    assert (images.dtype, images.shape) == (np.float32, (3, 8, 8, 1))
    one = teacher.generate(noise[1:2], np.eye(10)[1:2])
    # Sums of 14, 8, 36 and 27 terms: two dense layers, two convolutions.
    assert_close(one[0], images[1], 14 + 8 + 36 + 27)
    label_ids = np.arange(40) % 10
    samples = [teacher.sample(label_ids, seed) for seed in (0, 0, 1, 2**40)]
    assert isinstance(samples[0].images, np.ndarray)
    np.testing.assert_array_equal(samples[0].labels, np.eye(10)[label_ids])
    np.testing.assert_array_equal(samples[0].images, samples[1].images)
    for other in samples[2:]:
        assert not np.array_equal(samples[0].images, other.images)
    for label_id in (-1, 10):
        with pytest.raises(InputError, match=rf"{label_id}.*; expected \[0, 9"):
            teacher.sample([0, label_id], 0)
    for seed in (-1, 2**62):
        with pytest.raises(InputError, match=f"seed is {seed}; expected"):
            teacher.sample([0], seed)


def test_arrays_need_no_tensorflow(workdir):
    code = (
        "import sys, gtn_tf\n"
        "assert len(list(gtn_tf.load(sys.argv[1]).batches())) == 2\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, workdir], cwd=_ROOT)
    assert done.returncode == 0


def test_a_teacher_is_loaded_as_it_is(workdir):
    teacher = gtn_tf.load(workdir)
    assert gtn_tf.load(teacher) is teacher


def test_real_images_are_prepared_as_in_meta_training(workdir):
    teacher = gtn_tf.load(workdir)
    dataset = loading.load("digits")
    pixels, label_ids = (array[:3] for array in dataset.validation)
    found = teacher.prepare(pixels, label_ids)
    assert isinstance(found.images, np.ndarray)
    assert {array.dtype for array in found} == {np.dtype("float32")}
    real = device_split(dataset, "validation")
    for place in range(3):
        one = real._replace(
            images=real.images[place : place + 1],
            label_ids=real.label_ids[place : place + 1],
        )
        seen = sample_batch(one, root_seed(0), 1)
        for ours, theirs in zip(found, seen, strict=True):
            np.testing.assert_array_equal(ours[place], theirs[0])
    for form in (pixels[..., 0], pixels / 255):
        again = teacher.prepare(form, label_ids.tolist())
        np.testing.assert_array_equal(again.images, found.images)


@pytest.mark.parametrize(
    ("shape", "label_ids", "part"),
    [
        ((2, 8, 9, 1), [0, 1], "images are [2, 8, 9, 1]; expected [N, 8, 8, 1"),
        ((2, 8, 8, 3), [0, 1], "images are [2, 8, 8, 3]"),
        ((8, 8), [0] * 8, "images are uint8[8, 8]"),
        ((2, 8, 8), [0, 10], "labels are 0 to 10; expected 0 to 9"),
        ((2, 8, 8), [-1, 0], "labels are -1 to 0"),
        ((2, 8, 8), [0.5, 0], "labels are float64, such as 0.5"),
        ((2, 8, 8), ["a;b", "c"], "such as 'a,b'"),
        ((2, 8, 8), np.eye(10)[:2], "take label_ids.argmax(-1)"),
    ],
)
def test_images_of_another_kind_are_not_prepared(
    workdir, shape, label_ids, part
):
    teacher = gtn_tf.load(workdir)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        teacher.prepare(np.zeros(shape, np.uint8), label_ids)
    assert part in str(caught.value)


def _refused(path, *parts):
    with pytest.raises(InputError) as caught:
        gtn_tf.load(path)
    message = str(caught.value)
    assert message.count(";") == 2, message
    assert "\n" not in message
    for part in (repr(str(path))[:-1], *parts):
        assert part in message, message


def test_no_export(tmp_path):
    _refused(tmp_path, "holds no export", "run --mode=export")
    _refused(tmp_path / "nothing", "holds no export")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "is no JSON"),
        ("[]", "is of no export"),
        ('{"dataset": "digits"}', "is of no export"),
        ('{"format_version": 2}', "has format_version 2; expected 1"),
    ],
)
def test_foreign_metadata(copy, text, part):
    (copy / "metadata.json").write_text(text)
    _refused(copy, part)


def _save(arrays, path):
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda _, path: path.unlink(), "No such file"),
        (lambda _, path: path.write_bytes(b""), "No data left in file"),
        (lambda _, path: path.write_bytes(b"text"), "pickled"),
        (lambda _, path: os.truncate(path, 3000), "not a zip file"),
        (lambda a, path: _save({"images": a["images"]}, path), "labels"),
        (
            lambda a, path: _save({**a, "images": a["images"][:1]}, path),
            "images is float32(1, 10, 8, 8, 1)",
        ),
        (
            lambda a, path: _save({**a, "labels": a["labels"] > 0}, path),
            "labels is bool(2, 10, 10)",
        ),
        (
            lambda a, path: _save({**a, "labels": np.array([print])}, path),
            "Object arrays cannot be loaded",
        ),
        (
            lambda a, path: _save({**a, "images": np.nan * a["images"]}, path),
            "images has values that are not finite",
        ),
    ],
    ids=[
        *("missing", "empty", "text", "truncated", "lacks", "shape", "type"),
        *("pickle", "nan"),
    ],
)
def test_damaged_arrays(copy, damage, part):
    path = copy / "curriculum.npz"
    with np.load(path) as file:
        arrays = dict(file)
    damage(arrays, path)
    _refused(copy, "curriculum.npz' is damaged", part, "run it again")


def test_one_flipped_byte_is_found(copy):
    path = copy / "curriculum.npz"
    data = bytearray(path.read_bytes())
    data[2000] ^= 1  # among the images
    path.write_bytes(data)
    _refused(copy, "curriculum.npz' is damaged", "Bad CRC-32")


def test_metadata_that_lacks_a_key(copy):
    path = copy / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["image_shape"]
    path.write_text(json.dumps(metadata))
    _refused(copy, "is damaged", "image_shape")


def test_damaged_saved_model(copy):
    (copy / "1" / "saved_model.pb").write_bytes(b"nothing")
    teacher = gtn_tf.load(copy)
    with pytest.raises(InputError, match=r"1' is damaged .*; expected"):
        teacher.sample([0], 0)


def test_it_shows_itself_in_a_line(workdir):
    text = repr(gtn_tf.load(workdir))
    assert text.startswith(
        "<Teacher of digits: 2 inner steps of 10 images (8, "
    )
    assert str(workdir) in text


def test_distillation_has_batches_only(copy):
    path = copy / "metadata.json"
    metadata = json.loads(path.read_text()) | {"source": "distillation"}
    path.write_text(json.dumps(metadata))
    teacher = gtn_tf.load(copy)
    assert len(list(teacher.batches())) == 2
    for call in (
        lambda: teacher.generate(np.zeros((1, 4)), np.eye(10)[:1]),
        lambda: teacher.sample([0], 0),
    ):
        with pytest.raises(InputError, match="'distillation' has no generator"):
            call()


def test_python_of_the_pages(workdir, tmp_path, monkeypatch):
    """As it stands, but for the size of the noise."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits").symlink_to(workdir)
    monkeypatch.chdir(tmp_path)
    blocks = [
        block
        for page in ("README.md", "docs/usage.md")
        for block in re.findall(
            r"```python\n(.*?)```", (_ROOT / page).read_text(), re.DOTALL
        )
    ]
    assert len(blocks) == 5
    found = {}
    for block in blocks:
        exec(block.replace("normal([2, 64])", "normal([2, 4])"), found)
    assert found["step"]["images"].shape == (10, 8, 8, 1)
    assert found["more"]["images"].shape == (3, 8, 8, 1)
    assert found["made"]["images"].shape == (2, 8, 8, 1)
    assert len(found["scores"]) == 2
    assert all(0 < score < 1 for score in found["scores"])
    images, label_ids = found["data"]()["train"]
    assert images.max() == 255
    assert set(label_ids) == {0, 1, 2, 3}
    assert found["network"]((8, 8, 1), 4).output_shape == (None, 4)


def test_pytorch_script(workdir, tmp_path):
    text = (_ROOT / "docs" / "pytorch.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    imported = {
        getattr(node, "module", None) or node.names[0].name
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert "torch" in imported
    assert not any(n.startswith(("gtn_tf", "tensorflow")) for n in imported)
    pytest.importorskip("torch")
    path = tmp_path / "teach.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, path, workdir / "export"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"0\.\d{3} \+- 0\.\d{3}\n", done.stdout)
