import json

import numpy as np
import pytest
from PIL import Image

from gtn_tf.datasets import memory
from gtn_tf.datasets.loading import load
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.image_files import (
    SIZES,
    class_image,
    write_folder,
    write_image,
)


def _load(root, **options):
    return load(f"folder:{root}", **options)


def test_a_folder_of_classes(tmp_path):
    dataset = _load(write_folder(tmp_path), with_test=True)
    assert dataset.image_shape == (9, 7, 3)
    assert dataset.class_names == tuple(SIZES)
    splits = dataset.train, dataset.validation, dataset.test
    sizes = np.array([np.bincount(split.label_ids) for split in splits])
    assert sizes.sum(0).tolist() == [24, 40, 13, 30]
    assert sizes[1].tolist() == sizes[2].tolist() == [2, 4, 1, 3]
    expected = {
        class_image(number, label).tobytes(): label
        for label, size in enumerate(SIZES.values())
        for number in range(size)
    }
    read = {
        image.tobytes(): label
        for split in splits
        for image, label in zip(*split, strict=True)
    }
    assert read == expected
    again = _load(tmp_path)
    np.testing.assert_array_equal(again.train.images, dataset.train.images)
    assert again.test is None


def test_folders_of_splits_and_other_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "data" / "train", {"ant": 12, "bee": 15})
    write_folder(tmp_path / "data" / "val", {"bee": 4})
    write_folder(tmp_path / "data" / "test", {"ant": 2, "bee": 2})
    (tmp_path / "data" / "train" / "ant" / "notes.txt").write_text("")
    (tmp_path / "data" / "train" / ".hidden").mkdir()
    dataset = load("folder:~/data", with_test=True)
    assert [
        np.bincount(split.label_ids).tolist()
        for split in (dataset.train, dataset.validation, dataset.test)
    ] == [[12, 15], [0, 4], [2, 2]]
    # Test images are not read before their time.
    for path in (tmp_path / "data" / "test").rglob("*.png"):
        path.write_bytes(b"")
    assert len(load("folder:~/data").train.images) == 27


def test_test_images_do_not_decide_about_colours(tmp_path):
    """They are read after the meta-training, which has a shape by then."""
    for split in ("train", "test"):
        for label, name in enumerate(("ant", "bee")):
            for number in range(6):
                path = tmp_path / split / name / f"{number}.png"
                write_image(path, class_image(number, label, channels=1))
    write_image(path, class_image(0, 0))
    assert _load(tmp_path).image_shape == (9, 7, 1)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        _load(tmp_path, with_test=True)
    assert "5.png' has colours" in str(caught.value)
    for label, name in enumerate(("ant", "bee")):
        write_image(tmp_path / "train" / name / "6.png", class_image(7, label))
    assert _load(tmp_path, with_test=True).image_shape == (9, 7, 3)


def test_a_class_that_train_lacks_is_one_line(tmp_path):
    write_folder(tmp_path / "train", {"ant": 3, "bee": 3})
    write_folder(tmp_path / "val", {"ant": 3, "cat": 3})
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        _load(tmp_path)
    assert "val' has class 'cat', which train has not" in str(caught.value)


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (("train", "test", "extra"), ("'test', 'train', and 'extra' beside",)),
        (("train", "val", "validation"), ("'train', 'val', 'validation';",)),
        (("Test", "Train", "testing"), ("'Test', 'Train', 'testing';",)),
    ],
)
def test_splits_beside_other_folders_are_no_classes(tmp_path, folders, parts):
    for name in folders:
        write_folder(tmp_path / name, {"ant": 3, "bee": 3})
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        _load(tmp_path)
    for part in parts:
        assert part in str(caught.value)
    root = write_folder(tmp_path / "of classes", {"train": 9, "bus": 9})
    assert _load(root).class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "valid", "Test"), ("Training", "VAL", "Testing")],
)
def test_other_names_of_splits(tmp_path, train, validation, test):
    write_folder(tmp_path / train, {"ant": 12, "bee": 15})
    write_folder(tmp_path / validation, {"ant": 1, "bee": 4})
    write_folder(tmp_path / test, {"ant": 2, "bee": 2})
    dataset = _load(tmp_path, with_test=True)
    assert dataset.class_names == ("ant", "bee")
    assert [
        np.bincount(split.label_ids).tolist()
        for split in (dataset.train, dataset.validation, dataset.test)
    ] == [[12, 15], [1, 4], [2, 2]]


@pytest.mark.parametrize(
    ("folders", "classes", "received"),
    [
        (("fold1", "fold2"), ("ant", "bee"), "has 'fold1', 'fold2', each with"),
        (("valid", "test"), ("ant", "bee"), "the folders 'ant', 'bee'; "),
        (("dev", "train"), ("ant", "bee"), "has 'dev', 'train', each with"),
        (("ant", "bee"), ("test", "train"), "the folders 'test', 'train'; "),
        (("all",), ("ant", "bee"), "has 'all', each with the folders"),
        (("train/a", "train/b"), ("ant", "bee"), "train' has 'a', 'b', each"),
    ],
)
def test_folders_of_classes_are_no_classes(
    tmp_path, folders, classes, received
):
    for name in folders:
        write_folder(tmp_path / name, dict.fromkeys(classes, 9))
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        _load(tmp_path)
    assert received in str(caught.value)


def test_a_class_may_have_folders(tmp_path):
    """`images` in each, as in Tiny ImageNet; or several in one of them."""
    for name in ("ant", "bee"):
        write_folder(tmp_path / name, {"images": 9})
    write_folder(tmp_path / "bee", {"more": 9})
    dataset = _load(tmp_path)
    assert dataset.class_names == ("ant", "bee")
    assert np.bincount(dataset.train.label_ids).tolist() == [7, 16]


def test_kinds_of_files(tmp_path):
    """Grey if all are; one bit, a palette and opaque alpha are read as such."""
    grey = class_image(0, 0, 1)
    for number in range(3):
        write_image(tmp_path / "ant" / f"{number}.bmp", grey)
        write_image(tmp_path / "bee" / f"{number}.png", grey > 90)
    opaque = Image.merge(
        "LA", [Image.fromarray(grey), Image.new("L", (7, 9), 255)]
    )
    write_image(tmp_path / "ant" / "opaque.png", opaque)
    dataset = _load(tmp_path)
    assert dataset.image_shape == (9, 7, 1)
    for image, label in zip(*dataset.train, strict=True):
        expected = (grey > 90) * 255 if label else grey
        np.testing.assert_array_equal(image[..., 0], expected)
    colours = Image.fromarray(class_image(1, 1) // 64 * 64).quantize(256)
    write_image(tmp_path / "bee" / "palette.png", colours)
    dataset = _load(tmp_path, max_images=8)
    assert dataset.image_shape == (9, 7, 3)
    found = {image.tobytes() for image in dataset.train.images}
    assert np.asarray(colours.convert("RGB")).tobytes() in found
    assert np.repeat(grey[..., None], 3, -1).tobytes() in found


def test_a_photograph_that_lies_on_its_side(tmp_path):
    write_folder(tmp_path, {"ant": 4, "bee": 4})
    turned = Image.fromarray(class_image(0, 0).transpose(1, 0, 2))
    exif = Image.Exif()
    exif[0x0112] = 5  # rows are columns
    turned.save(tmp_path / "ant" / "turned.webp", exif=exif, lossless=True)
    (tmp_path / "ant" / "000.png").unlink()
    dataset = _load(tmp_path, with_test=True)
    splits = dataset.train, dataset.validation, dataset.test
    found = {image.tobytes() for split in splits for image in split.images}
    assert class_image(0, 0).tobytes() in found


@pytest.mark.parametrize("kind", ["jpg", "webp"])
@pytest.mark.parametrize(
    "exif",
    [
        b"MM no TIFF",
        # One tag, the orientation, as a text.
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x025\0\0\0\0\0\0\0",
    ],
    ids=["damaged", "text"],
)
def test_a_photograph_with_damaged_exif_is_upright(tmp_path, kind, exif):
    write_folder(tmp_path, {"ant": 4, "bee": 4})
    path = tmp_path / "ant" / f"000.{kind}"
    upright = Image.fromarray(class_image(0, 0))
    upright.save(path, exif=b"Exif\0\0" + exif, lossless=True)
    path.with_suffix(".png").unlink()
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB")).tobytes()
    dataset = _load(tmp_path, with_test=True)
    splits = dataset.train, dataset.validation, dataset.test
    found = {image.tobytes() for split in splits for image in split.images}
    assert expected in found


def test_images_of_several_sizes_are_resized_if_asked(tmp_path):
    write_folder(tmp_path)
    write_image(tmp_path / "cat" / "wide.png", np.zeros((9, 8, 3), np.uint8))
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        _load(tmp_path)
    assert "'000.png' is 9x7 pixels and" in str(info.value).replace(
        f"{tmp_path}/ant/", ""
    )
    assert "wide.png' 9x8" in str(info.value)
    assert "--config.dataset.image_size" in str(info.value)
    assert _load(tmp_path, image_size=(6, 5)).image_shape == (6, 5, 3)


def _write_cut_off(root):
    path = root / "ant" / "001.png"
    path.write_bytes(path.read_bytes()[:-60])


def _empty(root):
    for path in (root / "ant").iterdir():
        path.unlink()


def _image_of(mode, name="odd.tif"):
    def write(root):
        write_image(root / "ant" / name, Image.new(mode, (7, 9)))

    return write


def _damage_second_page(root):
    page = Image.new("L", (7, 9))
    path = root / "ant" / "pages.tif"
    page.save(path, save_all=True, append_images=[page])
    content = path.read_bytes()
    width_tag = content.rindex(b"\0\x01\x04\0")
    path.write_bytes(content[:width_tag] + b"\xff" + content[width_tag + 1 :])


def _write_16_bits_of_colour(root):
    tf = pytest.importorskip("tensorflow")
    png = tf.io.encode_png(np.zeros((9, 7, 3), np.uint16)).numpy()
    (root / "ant" / "deep.png").write_bytes(png)


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (_write_cut_off, ("001.png' cannot be read",)),
        (
            lambda root: (root / "ant" / "001.png").write_text("no image"),
            ("001.png' cannot be read",),
        ),
        (_image_of("CMYK"), ("odd.tif' is in CMYK colours",)),
        (_image_of("I;16"), ("odd.tif' has more than 8 bits",)),
        (_image_of("F"), ("odd.tif' has more than 8 bits",)),
        (_write_16_bits_of_colour, ("deep.png' has more than 8 bits",)),
        (_image_of("RGBA", "o.png"), ("o.png' is transparent in places",)),
        (_damage_second_page, ("pages.tif' cannot be read",)),
        (_empty, ("ant' holds no images",)),
        (
            lambda root: (
                [p.rename(root / p.name) for p in root.rglob("*.png")]
                + [p.rmdir() for p in root.iterdir() if p.is_dir()]
            ),
            ("holds no folders",),
        ),
        (lambda root: root.rename(root.parent / "gone"), ("is no folder",)),
        (
            lambda root: [
                (root / "cat" / f"{number:03}.png").unlink()
                for number in range(13)
                if number
            ],
            (
                "1 training image(s) of class 2 (cat)",
                "at least 3",
                "batch of 10",
            ),
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, damage, parts):
    from gtn_tf.training.assembly import load_dataset

    root = write_folder(tmp_path / "data")
    damage(root)
    config = tiny.get_config()
    config.dataset.name = f"folder:{root}"
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        load_dataset(config)
    for part in parts:
        assert part in str(info.value)


def test_more_than_memory_holds_is_one_line(tmp_path, monkeypatch):
    write_folder(tmp_path)
    monkeypatch.setattr(memory, "memory_bytes", lambda: 40_000)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        _load(tmp_path)
    assert f"is {107 * 9 * 7 * 3} bytes of pixels" in str(info.value)
    assert len(_load(tmp_path, max_images=100).train.images) == 84  # of 100


def test_from_a_folder_to_a_report(tmp_path):
    """Four unequal classes of 9x7 images, of which a GTN makes more."""
    root, workdir = write_folder(tmp_path / "data"), tmp_path / "run"
    arguments = (
        f"--config.dataset.name=folder:{root}",
        "--config.meta.num_steps=2",
        "--config.meta.balance_classes=True",
        "--config.evaluation.sources=('gtn','real_subset')",
        "--config.evaluation.num_learners=2",
        "--config.evaluation.tuning_num_learners=1",
        "--config.evaluation.tuning_learning_rates=(0.1,)",
        "--config.evaluation.tuning_momenta=(0.5,)",
    )
    for mode in ("pretrain", "evaluate", "report"):
        done = tiny.run_main(workdir, *arguments, f"--mode={mode}")
        assert done.code == 0, done.errors
    metadata = json.loads((workdir / "export" / "metadata.json").read_text())
    assert metadata["class_names"] == list(SIZES)
    assert metadata["image_shape"] == [9, 7, 3]
    assert metadata["num_classes"] == 4
    with np.load(workdir / "export" / "curriculum.npz") as arrays:
        assert arrays["images"].shape == (2, 10, 9, 7, 3)
        labels = arrays["labels"].argmax(-1)
    assert np.bincount(labels.ravel()).tolist() == [5, 5, 5, 5]
    page = (workdir / "report.html").read_text()
    assert all(f"<span>{name}</span>" in page for name in SIZES)
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    assert len(evaluation["sources"]) == 2
