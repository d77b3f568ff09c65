"""`dataset.name=folder:PATH`: image files, one folder for each class.

`PATH/CLASS/..`, or `PATH/train/CLASS/..` with `validation` and `test` beside
it, or as `_SPLITS` has them, whatever their case. Classes are numbered in the
order of their names. Files are read by Pillow; images are grey (C = 1) if all
of them are, else RGB.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from gtn_tf.datasets.from_splits import dataset_from_splits
from gtn_tf.datasets.loading import Dataset, DatasetSpec, Split, chosen
from gtn_tf.datasets.memory import check_fits
from gtn_tf.datasets.registry import split_scheme
from gtn_tf.datasets.resizing import RESAMPLING
from gtn_tf.paths import path_to_read
from gtn_tf.types import InputError, one_line

_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
_LAYOUT = (
    "expected a folder of images for each class, or folders of such, one for "
    "train and, if there are any, one each for validation and test"
)
_GREY = ("1", "L", "LA")
_COLOUR = ("P", "PA", "RGB", "RGBA")


class _File(NamedTuple):
    path: Path
    label_id: int


class _Header(NamedTuple):
    """What a file says of its image before it is decoded."""

    height_width: tuple[int, int]
    is_grey: bool


def load_folder(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Reads the folder that `spec.name` leads to.

    Raises:
      InputError: no such folder, an empty one, splits beside other folders,
        two folders of a split, classes with folders of the same names, an image
        that is damaged, transparent, CMYK or of 16 bits, images of several
        sizes without `spec.image_size`, more than memory holds; or as
        `from_splits.dataset_from_splits`.
    """
    root = path_to_read(split_scheme(spec.name)[1], "dataset.name")
    folders = _split_folders(root)
    class_names = _subfolders(folders["train"])
    _check_classes(folders["train"], class_names)
    files = {
        split: _choose(_list_files(folder, class_names), spec)
        for split, folder in folders.items()
        if with_test or split != "test"
    }
    return dataset_from_splits(
        spec,
        _read(files, spec, root),
        class_names,
        with_test=with_test,
        where=str(root),
        unread=folders.keys() - files.keys(),
    )


def _split_folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise InputError(
            f"dataset.name leads to {str(root)!r}, which is no folder; "
            "expected one with a folder of images for each class; set "
            "--config.dataset.name=folder:PATH"
        )
    names = _subfolders(root)
    splits = {n: _SPLITS[n.lower()] for n in names if n.lower() in _SPLITS}
    if "train" not in splits.values():
        return {"train": root}
    others = [name for name in names if name not in splits]
    if others and len(splits) == 1:
        return {"train": root}  # a class of that name
    folders = {split: root / name for name, split in splits.items()}
    if others or len(folders) < len(splits):
        wrong = f", and {others[0]!r} beside them" if others else ""
        raise InputError(
            f"{str(root)!r} has {', '.join(map(repr, splits))}{wrong}; "
            f"{_LAYOUT}; move the rest elsewhere"
        )
    return folders


def _check_classes(folder: Path, class_names: Sequence[str]) -> None:
    """Refuses splits or the like whose folders are the classes."""
    shared = set.intersection(
        *(set(_folders_in(folder / name)) for name in class_names)
    )
    if len(shared) > 1:  # one is a class's `images`, as in Tiny ImageNet
        first, inner = (
            ", ".join(map(repr, names[:3])) + (", .." if names[3:] else "")
            for names in (class_names, sorted(shared))
        )
        raise InputError(
            f"{str(folder)!r} has {first}, each with the folders {inner}; "
            f"{_LAYOUT}; rename those of splits to train, validation and test, "
            "or move each class's images into one"
        )


def _folders_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith(".")
        )


def _subfolders(folder: Path) -> list[str]:
    found = _folders_in(folder)
    if not found:
        raise InputError(
            f"{str(folder)!r} holds no folders; expected a folder of images "
            "for each class; move each class's images into one"
        )
    return found


def _list_files(folder: Path, class_names: Sequence[str]) -> list[_File]:
    """Lists the images of each class, in the order of their paths."""
    unknown = sorted(set(_subfolders(folder)) - set(class_names))
    if unknown:
        raise InputError(
            f"{str(folder)!r} has class {unknown[0]!r}, which train has not; "
            f"expected {', '.join(class_names)}; rename or remove it"
        )
    suffixes = Image.registered_extensions()
    found = []
    for label_id, name in enumerate(class_names):
        paths = [
            path
            for path in sorted((folder / name).rglob("*"))
            if path.suffix.lower() in suffixes
            and not any(p.startswith(".") for p in path.parts[-2:])
        ]
        if not paths and folder.joinpath(name).is_dir():
            raise InputError(
                f"{str(folder / name)!r} holds no images; expected files such "
                "as .png or .jpg; add some, or remove the folder"
            )
        found += [_File(path, label_id) for path in paths]
    return found


def _choose(files: list[_File], spec: DatasetSpec) -> list[_File]:
    return [files[position] for position in chosen(len(files), spec)]


def _read(
    files: dict[str, list[_File]], spec: DatasetSpec, root: Path
) -> dict[str, Split]:
    listed = [file for of_split in files.values() for file in of_split]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        headers = list(pool.map(_read_header, [file.path for file in listed]))
        size = spec.height_width or _one_size(listed, headers)
        is_grey = _are_grey(files, headers)
        num_channels = 1 if is_grey else 3
        check_fits(len(listed) * size[0] * size[1] * num_channels, str(root))
        splits = {}
        for split, of_split in files.items():
            shape = (len(of_split), *size, num_channels)
            images = np.empty(shape, np.uint8)
            pixels = pool.map(
                lambda file: _read_image(file.path, size, is_grey), of_split
            )
            for place, image in zip(images, pixels, strict=True):
                place[...] = image
            label_ids = [file.label_id for file in of_split]
            splits[split] = Split(images, np.array(label_ids, np.int32))
    return splits


def _are_grey(
    files: dict[str, list[_File]], headers: Sequence[_Header]
) -> bool:
    """Whether all are; test images, which come later, do not decide it."""
    kinds = iter(headers)
    of_splits = {
        split: [(file.path, next(kinds).is_grey) for file in of_split]
        for split, of_split in files.items()
    }
    test = of_splits.pop("test", [])
    if not all(is_grey for of in of_splits.values() for _, is_grey in of):
        return False
    for path, is_grey in test:
        if not is_grey:
            raise InputError(
                f"image {str(path)!r} has colours, which those of train have "
                "not; expected grey ones in all splits; convert it"
            )
    return True


def _one_size(
    files: Sequence[_File], headers: Sequence[_Header]
) -> tuple[int, int]:
    first = headers[0].height_width
    for file, header in zip(files, headers, strict=True):
        if header.height_width != first:
            sizes = [f"{h}x{w}" for h, w in (first, header.height_width)]
            raise InputError(
                f"{str(files[0].path)!r} is {sizes[0]} pixels and "
                f"{str(file.path)!r} {sizes[1]}; expected images of one size; "
                "set --config.dataset.image_size to the (height, width) that "
                "all are resized to"
            )
    return first


def _read_header(path: Path) -> _Header:
    with _opened(path) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            height, width = width, height
        return _Header((height, width), image.mode in _GREY)


def _read_image(
    path: Path, height_width: tuple[int, int], is_grey: bool
) -> np.ndarray:
    """Returns the pixels [H, W, 1] or [H, W, 3], uint8."""
    with _opened(path) as image:
        if _orientation(image) > 1:
            image = ImageOps.exif_transpose(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            if image.getchannel("A").getextrema()[0] < 255:
                raise _unfit(path, "is transparent in places")
        image = image.convert("L" if is_grey else "RGB")
        if image.size != height_width[::-1]:
            image = image.resize(height_width[::-1], RESAMPLING)
        return np.asarray(image).reshape(*height_width, -1)


def _orientation(image: Image.Image) -> int:
    """Returns how a photograph lies, as Exif has it; on its side from 5.

    1, upright, where Exif is damaged: the pixels are whole.
    """
    if image.format not in ("JPEG", "MPO", "WEBP"):
        return 1
    try:
        found = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's readers raise anything
        return 1
    return found if found in range(1, 9) else 1


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            _check_kind(image, path)
            yield image
    except InputError:
        raise
    except Exception as error:  # Pillow's readers raise anything, at any time
        raise InputError(
            f"image {str(path)!r} cannot be read ({one_line(error)}); expected "
            "a whole image file; repair or remove it"
        ) from error


def _check_kind(image: Image.Image, path: Path) -> None:
    # Pillow reads 16 bits of colour as the upper 8, without a word.
    is_deep = any(";16" in str(tile.args) for tile in image.tile)
    if is_deep or image.mode.startswith(("I", "F")):
        raise _unfit(path, "has more than 8 bits per channel")
    if image.mode not in _GREY + _COLOUR:
        raise _unfit(path, f"is in {image.mode} colours")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise _unfit(path, f"holds {image.n_frames} pictures")


def _unfit(path: Path, received: str) -> InputError:
    return InputError(
        f"image {str(path)!r} {received}; expected one grey or RGB image of 8 "
        "bits per channel; convert or remove it"
    )
