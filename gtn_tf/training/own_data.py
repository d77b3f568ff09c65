"""Whether a person's own data are still those that a workdir was begun with.

A picture that is added to a folder cuts other splits: images that a curriculum
was trained on would come to be test data, without a word. The data of TFDS
have versions, files and functions have none.
"""

import hashlib
from pathlib import Path

import numpy as np

from gtn_tf.datasets.loading import Dataset, Split
from gtn_tf.datasets.registry import split_scheme
from gtn_tf.given import is_given
from gtn_tf.import_paths import is_import_path
from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.types import InputError

_KEY = "train_and_validation_sha256"


def is_own_data(name: str) -> bool:
    """Whether `dataset.name` names files or a function of a person's.

    What a Python caller gave does not count: its name holds a hash of it.
    """
    if is_import_path(name):
        return not is_given(name)
    return split_scheme(name)[0] in ("npz", "folder")


def hash_array(digest: "hashlib._Hash", array: np.ndarray) -> None:
    """Adds an array, of any shape and plain type, to a hash."""
    digest.update(f"{array.dtype}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).view(np.uint8).data)


def split_digest(*splits: Split) -> str:
    """Returns a hash, in hexadecimal, of images and labels in their order."""
    digest = hashlib.sha256()
    for split in splits:
        for array in split:
            hash_array(digest, array)
    return digest.hexdigest()


def check_own_data(dataset: Dataset, workdir: Path) -> None:
    """Refuses other data than a workdir was begun with; notes the first.

    Test data are not asked: where they are cut off the training images, those
    differ as well, and else they change no training.

    Args:
      dataset: as it is read now.
      workdir: where data.json is kept, for a person's own data alone.

    Raises:
      InputError: images, labels or their splits are others.
    """
    if not is_own_data(dataset.name):
        return
    path = Path(workdir) / "data.json"
    digest = split_digest(dataset.train, dataset.validation)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"dataset": dataset.name, _KEY: digest})
    elif read_json(path).get(_KEY) != digest:
        raise InputError(
            f"dataset.name {dataset.name!r} has other images, labels or splits "
            f"than those that {str(workdir)!r} was begun with; expected the "
            "same; restore them or give another --workdir"
        )
