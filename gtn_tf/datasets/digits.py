"""8x8 digits, which scikit-learn bundles: 1000 + 397 + 400 images."""

import importlib.util
from pathlib import Path

import numpy as np

from gtn_tf.datasets.loading import (
    Dataset,
    DatasetSpec,
    Split,
    cut,
    make_dataset,
)

_NUM_CLASSES = 10
#: Within scikit-learn.
_FILE = Path("datasets/data/digits.csv.gz")


def load_digits(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Loads the digits; the split is ours, as there is no official one."""
    pixels, label_ids = _read()
    # Ink is counted in sixteenths.
    images = np.round(pixels[..., None] * (255 / 16)).astype(np.uint8)
    everything = Split(images, label_ids.astype(np.int32))
    train, validation, test = cut(everything, (1000, 397, 400), spec.split_seed)
    return make_dataset(
        spec.name,
        train,
        validation,
        test if with_test else None,
        num_classes=_NUM_CLASSES,
        class_names=tuple(map(str, range(_NUM_CLASSES))),
    )


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Returns pixels [N, 8, 8] in 0 .. 16 and labels [N].

    Reads what `sklearn.datasets.load_digits` reads, whose import takes longer
    than a hundred meta-steps; a release that has it elsewhere is imported.
    """
    path = Path(importlib.util.find_spec("sklearn").origin).parent / _FILE
    if not path.exists():
        from sklearn import datasets

        found = datasets.load_digits()
        return found.images, found.target
    rows = np.loadtxt(path, delimiter=",")
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]
