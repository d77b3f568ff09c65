"""Real image data: loading and splitting.

`load` returns NumPy arrays of raw pixels, N images per split. Digits come with
scikit-learn, the others through `tfds_reader`. `cifar10_16` is CIFAR-10 at
16x16 pixels: real images that two CPU cores can train many networks on.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from gtn_tf.datasets.tfds import (
    OFFICIAL,
    prepared_builder,
    read_split,
)
from gtn_tf.types import InputError


class Split(NamedTuple):
    """Raw images in memory.

    Attributes:
      images: [N, H, W, C] uint8.
      label_ids: [N] int32.
    """

    images: np.ndarray
    label_ids: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """One data set, split.

    Attributes:
      name: key of `DATASETS`.
      num_classes: K.
      image_shape: (H, W, C).
      mean: [C], of the training split, in units of pixel / 255.
      std: [C], likewise.
      augment: whether real training batches are cropped and flipped.
      train: what learners and the meta-loss see.
      validation: what every choice is made on.
      test: None unless asked for: only `evaluate` and `retrain` read it.
    """

    name: str
    num_classes: int
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: bool
    train: Split
    validation: Split
    test: Split | None


def load(
    name: str,
    data_dir: str | None = None,
    split_seed: int = 0,
    with_test: bool = False,
) -> Dataset:
    """Loads a data set, downloading it where it is absent.

    Args:
      name: key of `DATASETS`.
      data_dir: a TFDS directory; None is TFDS' default, which honours
        TFDS_DATA_DIR. Without meaning for `digits`, which scikit-learn bundles.
      split_seed: of the permutation that splits training from validation (and
        from test for `digits`, which has no official test split).
      with_test: whether to read the test data at all.

    Raises:
      InputError: the name is unknown, or the data are missing or unreadable.
    """
    if name not in DATASETS:
        raise InputError(
            f"unknown dataset {name!r}; expected one of {', '.join(DATASETS)}; "
            "pass --config.dataset.name=NAME"
        )
    return DATASETS[name](data_dir, split_seed, with_test)


def _load_digits(
    data_dir: str | None, split_seed: int, with_test: bool
) -> Dataset:
    from sklearn import datasets  # slow to import, needed here alone

    del data_dir
    bunch = datasets.load_digits()
    # Ink is counted in sixteenths.
    images = np.round(bunch.images[..., None] * (255 / 16)).astype(np.uint8)
    everything = Split(images, bunch.target.astype(np.int32))
    parts = _cut(everything, (1000, 397, 400), split_seed)
    test = parts[2] if with_test else None
    return _dataset("digits", *parts[:2], test, augment=False)


def _load_tfds(
    name: str, data_dir: str | None, split_seed: int, with_test: bool
) -> Dataset:
    official = OFFICIAL[name]
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.ERROR))  # TFDS is talkative
    try:
        builder = prepared_builder(name, data_dir)
        everything = Split(*read_split(builder, "train", official))
        test = (
            Split(*read_split(builder, "test", official)) if with_test else None
        )
    finally:
        logging.set_verbosity(verbosity)
    num_train = official.num_records["train"] - official.num_validation
    sizes = (num_train, official.num_validation)
    parts = _cut(everything, sizes, split_seed)
    return _dataset(name, *parts, test, augment=official.augment)


def _load_halved(
    name: str, data_dir: str | None, split_seed: int, with_test: bool
) -> Dataset:
    """Loads a data set at half its height and width (2x2 means)."""
    full = _load_tfds(name, data_dir, split_seed, with_test)
    halved = [
        None if split is None else Split(_halve(split.images), split.label_ids)
        for split in (full.train, full.validation, full.test)
    ]
    # Built anew: means keep, standard deviations do not.
    size = full.image_shape[0] // 2
    return _dataset(f"{name}_{size}", *halved, augment=full.augment)


def _halve(images: np.ndarray) -> np.ndarray:
    """[N, H, W, C] uint8 -> [N, H/2, W/2, C], rounded to nearest."""
    corners = [
        images[:, row::2, column::2].astype(np.uint16)
        for row in (0, 1)
        for column in (0, 1)
    ]
    return ((sum(corners) + 2) // 4).astype(np.uint8)


DATASETS: dict[str, Callable[[str | None, int, bool], Dataset]] = {
    "digits": _load_digits,
    **{name: functools.partial(_load_tfds, name) for name in OFFICIAL},
    "cifar10_16": functools.partial(_load_halved, "cifar10"),
}


def _cut(everything: Split, sizes: Sequence[int], seed: int) -> list[Split]:
    """Cuts a seeded permutation into parts of the given sizes."""
    order = np.random.default_rng(seed).permutation(sum(sizes))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [Split(*(array[part] for array in everything)) for part in parts]


def _dataset(
    name: str,
    train: Split,
    validation: Split,
    test: Split | None,
    *,
    augment: bool,
) -> Dataset:
    image_shape = train.images.shape[1:]
    pixels = train.images.reshape(-1, image_shape[-1])
    # einsum converts piecewise; CIFAR-10 in float64 would take 1.1 GB.
    mean = np.einsum("nc->c", pixels, dtype=np.float64) / len(pixels)
    power = np.einsum("nc,nc->c", pixels, pixels, dtype=np.float64)
    std = np.sqrt(power / len(pixels) - mean**2)
    return Dataset(
        name=name,
        num_classes=10,
        image_shape=image_shape,
        mean=tuple((mean / 255).tolist()),
        std=tuple((std / 255).tolist()),
        augment=augment,
        train=train,
        validation=validation,
        test=test,
    )
