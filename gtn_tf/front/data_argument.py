"""`data` of `gtn_tf.fit`: names and arrays, as a config has them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.arrays import check_pipeline, is_pipeline
from gtn_tf.given import Given, give
from gtn_tf.training.own_data import hash_array
from gtn_tf.types import InputError, one_line


def dataset_name(data: Any) -> str:
    """Returns what `dataset.name` is set to.

    Args:
      data: a text is returned as it is; anything else, as `datasets.arrays`
        describes it, goes by `gtn_tf.given` under a hash of its content.
        What else is wrong with that, its loader says.

    Raises:
      InputError: images of several shapes, or a `tf.data.Dataset` that fails
        or never ends.
    """
    if isinstance(data, str):
        return data
    if data is None:
        raise InputError(
            "data is None; expected (images, label_ids), a tf.data.Dataset of "
            "such pairs, a dict of such splits, or a name; give one"
        )
    splits = {"train": data}
    if isinstance(data, Mapping):
        splits = {
            key: value for key, value in data.items() if value is not None
        }
    digest = hashlib.sha256()
    for key in sorted(splits, key=str):
        digest.update(str(key).encode())
        for part in _parts(splits[key], key):
            hash_array(digest, _array(part, f"{key} of data"))
    return give("arrays", digest.hexdigest(), Given(lambda: splits, {}))


def _array(part: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(part)
    except ValueError as error:  # a ragged list
        raise InputError(
            f"{what} holds a list of several shapes; expected images "
            "[N, H, W, C] of one shape and label_ids [N]; resize or correct "
            "them"
        ) from error
    # An array of objects holds addresses, which differ in each process.
    return array.astype(str) if array.dtype.hasobject else array


def _parts(split: Any, key: str) -> Iterable[Any]:
    """Returns what the hash of a split is of, piece by piece."""
    if is_pipeline(split):
        return _pipeline_parts(split, f"{key} of data")
    return split if isinstance(split, tuple | list) else [split]


def _pipeline_parts(split: tf.data.Dataset, what: str) -> Iterator[Any]:
    check_pipeline(split, what)
    try:
        for pair in split.as_numpy_iterator():
            yield from pair
    except tf.errors.OpError as error:
        raise InputError(
            f"{what} cannot be read ({one_line(error)}); expected images of "
            "one shape; repair it, or leave batch() out and set "
            "--config.dataset.image_size"
        ) from error
