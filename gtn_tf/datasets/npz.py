"""`dataset.name=npz:PATH`: arrays in a file that `numpy.savez` wrote.

Its arrays are named as Keras (`x_train`, `y_train`, ..) or MedMNIST
(`train_images`, `train_labels`, ..) name theirs, or `images` and `label_ids`,
and are what `arrays.read_pair` takes; `class_names` may be there too.
"""

import zipfile
from pathlib import Path

import numpy as np

from gtn_tf.datasets.array_checks import to_label_ids, to_pixels
from gtn_tf.datasets.from_splits import dataset_from_splits
from gtn_tf.datasets.loading import Dataset, DatasetSpec, Split
from gtn_tf.datasets.memory import check_fits
from gtn_tf.datasets.registry import split_scheme
from gtn_tf.paths import path_to_read
from gtn_tf.types import InputError, one_line

#: Split -> the names of its images and labels, in each way to name them.
_NAMES = (
    {"train": ("images", "label_ids")},
    {
        "train": ("x_train", "y_train"),
        "validation": ("x_val", "y_val"),
        "test": ("x_test", "y_test"),
    },
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
)


def load_npz(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Reads the file that `spec.name` leads to.

    Raises:
      InputError: no such file, a damaged one, one with pickles, or other
        arrays than above; or as `from_splits.dataset_from_splits`.
    """
    path = path_to_read(split_scheme(spec.name)[1], "dataset.name")
    arrays = _read(path)
    class_names = arrays.pop("class_names", None)
    pairs = _pairs(arrays, path)
    splits = {}
    for name, (images, labels) in pairs.items():
        pixels = to_pixels(arrays[images], f"{path}: {images}")
        label_ids = to_label_ids(
            arrays[labels], len(pixels), f"{path}: {labels}"
        )
        splits[name] = Split(pixels, label_ids)
    return dataset_from_splits(
        spec, splits, class_names, with_test=with_test, where=str(path)
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as file:
            sizes = {entry.filename: entry.file_size for entry in file.filelist}
        check_fits(sum(sizes.values()), str(path))
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except InputError:
        raise
    except Exception as error:  # zipfile raises anything
        received = f"cannot be read ({one_line(error)})"
        if "pickle" in str(error):
            received = "holds pickled objects, which are never run"
        raise InputError(
            f"{str(path)!r} {received}; expected a .npz file of plain arrays; "
            "write it by numpy.savez(path, images=.., label_ids=..)"
        ) from error


def _pairs(
    arrays: dict[str, np.ndarray], path: Path
) -> dict[str, tuple[str, str]]:
    """Returns the names of the two arrays of each split."""
    for names in _NAMES:
        found = {
            split: pair
            for split, pair in names.items()
            if set(pair) <= arrays.keys()
        }
        known = {name for pair in found.values() for name in pair}
        if "train" in found and known == arrays.keys():
            return found
    listed = " or ".join(" and ".join(names["train"]) for names in _NAMES)
    raise InputError(
        f"{path} holds {', '.join(arrays) or 'no array'}; expected {listed}, "
        "and the same of val and test if there are any, class_names if they "
        "are known, and no more; rename its arrays"
    )
