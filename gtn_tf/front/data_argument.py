"""`data` of `gtn_tf.fit`: names and arrays, as a config has them."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gtn_tf.datasets.arrays import check_pipeline, is_pipeline
from gtn_tf.given import Given, give


def dataset_name(data: Any) -> str:
    """Returns what `dataset.name` is set to.

    Args:
      data: a text is returned as it is; anything else, as `datasets.arrays`
        describes it, goes by `gtn_tf.given` under a hash of its content.
    """
    if isinstance(data, str):
        return data
    splits = dict(data) if isinstance(data, Mapping) else {"train": data}
    digest = hashlib.sha256()
    for key in sorted(splits, key=str):
        digest.update(str(key).encode())
        for part in _parts(splits[key], key):
            array = np.asarray(part)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return give("arrays", digest.hexdigest(), Given(lambda: splits, {}))


def _parts(split: Any, key: str) -> Iterable[Any]:
    """Returns what the hash of a split is of, piece by piece."""
    if is_pipeline(split):
        check_pipeline(split, f"{key} of data")
        return (part for pair in split.as_numpy_iterator() for part in pair)
    return split if isinstance(split, tuple | list) else [split]
