"""Real image data: loading, splitting, normalising, sampling.

`load` returns NumPy arrays of raw pixels; `device_split` puts one split into
tensors and `sample_batch` draws normalised batches from them, statelessly and
inside compiled functions. N is the number of images of a split.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import tempfile
import urllib.parse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from gtn_tf.seeds import ALGORITHM, fold
from gtn_tf.types import Batch, InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_PADDING = 4  # pixels on each side before the random crop


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


class RealData(NamedTuple):
    """A split as tensors, with what a batch of it needs.

    Attributes:
      images: [N, H, W, C] uint8.
      label_ids: [N] int32.
      mean, std, num_classes, augment: as in `Dataset`.
    """

    images: tf.Tensor
    label_ids: tf.Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_classes: int
    augment: bool


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


def device_split(
    dataset: Dataset, split: Literal["train", "validation", "test"]
) -> RealData:
    """Puts one split into tensors; only `train` is ever augmented.

    Raises:
      ValueError: the test data were not loaded.
    """
    arrays = getattr(dataset, split)
    if arrays is None:
        raise ValueError(f"{split!r} of {dataset.name!r} was not loaded.")
    return RealData(
        images=tf.constant(arrays.images),
        label_ids=tf.constant(arrays.label_ids),
        mean=dataset.mean,
        std=dataset.std,
        num_classes=dataset.num_classes,
        augment=dataset.augment and split == "train",
    )


def sample_batch(real: RealData, seed: tf.Tensor, batch_size: int) -> Batch:
    """Draws images uniformly, with replacement.

    Args:
      real: N images; N must be static.
      seed: [2] int32; equal seeds give equal batches.
      batch_size: B.

    Returns:
      float32 images [B, H, W, C] in normalised units, one-hot labels [B, K].
    """
    indices = tf.random.stateless_uniform(
        [batch_size],
        fold(seed, 0),
        maxval=real.images.shape[0],
        dtype=tf.int32,
        alg=ALGORITHM,
    )
    images = tf.gather(real.images, indices)
    if real.augment:
        images = augment(images, fold(seed, 1))
    label_ids = tf.gather(real.label_ids, indices)
    return Batch(
        images=normalize(images, real.mean, real.std),
        labels=tf.one_hot(label_ids, real.num_classes, dtype=tf.float32),
    )


def normalize(
    images: tf.Tensor, mean: Sequence[float], std: Sequence[float]
) -> tf.Tensor:
    """Returns (pixel / 255 - mean) / std as float32.

    Args:
      images: [..., C] uint8.
      mean: [C], in units of pixel / 255.
      std: [C], likewise.
    """
    scaled = tf.cast(images, tf.float32) / 255.0
    return (scaled - tf.constant(mean, tf.float32)) / tf.constant(
        std, tf.float32
    )


def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Pads with 4 black pixels, crops to the old size, flips half the images.

    Takes raw pixels, before `normalize`, so that padding is black as in the
    usual recipe. Every image has its own offsets and its own coin.

    Args:
      images: [B, H, W, C] uint8; the shape must be static.
      seed: [2] int32.

    Returns:
      Shape and type of `images`.
    """
    batch_size, height, width, _ = images.shape
    offsets = tf.random.stateless_uniform(
        [2, batch_size, 1],
        fold(seed, 0),
        maxval=2 * _PADDING + 1,
        dtype=tf.int32,
        alg=ALGORITHM,
    )
    flips = tf.random.stateless_uniform(
        [batch_size, 1],
        fold(seed, 1),
        maxval=2,
        dtype=tf.int32,
        alg=ALGORITHM,
    )
    column = tf.range(width)
    rows = offsets[0] + tf.range(height)  # [B, H]
    columns = offsets[1] + tf.where(flips == 1, width - 1 - column, column)
    sides = [_PADDING, _PADDING]
    padded = tf.pad(images, [[0, 0], sides, sides, [0, 0]])
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


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


class _Official(NamedTuple):
    """What is known of a TFDS data set before it is read."""

    image_shape: tuple[int, int, int]
    num_records: dict[str, int]  # by official split
    num_validation: int  # cut from the official training split
    augment: bool


_OFFICIAL = {
    name: _Official(shape, {"train": train, "test": 10000}, validation, augment)
    for name, shape, train, validation, augment in (
        ("mnist", (28, 28, 1), 60000, 10000, False),
        ("fashion_mnist", (28, 28, 1), 60000, 10000, False),
        ("cifar10", (32, 32, 3), 50000, 5000, True),
    )
}


def _load_tfds(
    name: str, data_dir: str | None, split_seed: int, with_test: bool
) -> Dataset:
    official = _OFFICIAL[name]
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.ERROR))  # TFDS is talkative
    try:
        builder = _prepared_builder(name, data_dir)
        everything = _read(builder, "train", official)
        test = _read(builder, "test", official) if with_test else None
    finally:
        logging.set_verbosity(verbosity)
    num_train = official.num_records["train"] - official.num_validation
    sizes = (num_train, official.num_validation)
    parts = _cut(everything, sizes, split_seed)
    return _dataset(name, *parts, test, augment=official.augment)


DATASETS: dict[str, Callable[[str | None, int, bool], Dataset]] = {
    "digits": _load_digits,
    **{name: functools.partial(_load_tfds, name) for name in _OFFICIAL},
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


def _prepared_builder(
    name: str, data_dir: str | None
) -> tfds.core.DatasetBuilder:
    import tensorflow_datasets as tfds  # not needed for digits

    if data_dir is not None:
        data_dir = os.path.expanduser(data_dir)
        if not tf.io.gfile.isdir(data_dir):
            raise InputError(
                f"dataset.data_dir {data_dir!r} is not a directory; expected a "
                f"TFDS directory holding {name}; pass another "
                "--config.dataset.data_dir=DIR or create it to download into"
            )
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        present = builder.data_path.exists()
    except Exception as error:
        path = os.path.join(data_dir or "TFDS' default directory", name)
        raise _unreadable(
            path, "metadata as TFDS writes them", error
        ) from error
    if not present:
        _download(builder)
    return builder


def _download(builder: tfds.core.DatasetBuilder) -> None:
    """Downloads and prepares; leaves nothing behind if that fails."""
    import requests  # TFDS' own client: same proxies, same certificates

    root = builder.data_path.parent.parent
    created = [p for p in (builder.data_path.parent, root) if not p.exists()]
    url = next(iter(builder.url_infos))
    try:
        # TFDS itself retries for more than three minutes without a network.
        requests.head(url, timeout=10)
        with tempfile.TemporaryDirectory() as downloads:
            builder.download_and_prepare(download_dir=downloads)
    except Exception as error:
        reason = _one_line(error)
        if isinstance(error, requests.RequestException):
            host = urllib.parse.urlsplit(url).hostname
            reason = f"no answer from {host}, {type(error).__name__}"
        raise InputError(
            f"dataset {builder.name!r} is not in {os.fspath(root)!r} and could "
            f"not be downloaded ({reason}); expected a TFDS directory holding "
            f"{builder.name}/{builder.version}; pass "
            "--config.dataset.data_dir=DIR, set TFDS_DATA_DIR, or run once "
            "with network access"
        ) from error
    finally:
        for path in created:
            with contextlib.suppress(OSError):  # full after a success
                path.rmdir()


def _read(
    builder: tfds.core.DatasetBuilder, split: str, official: _Official
) -> Split:
    """Reads an official split in the order of its files.

    TFDS' own reader parses record by record and takes four times as long.
    """
    expected = official.num_records[split]
    images = np.empty([expected, *official.image_shape], np.uint8)
    label_ids = np.empty([expected], np.int32)
    count = 0
    try:
        paths = [os.fspath(p) for p in builder.info.splits[split].filepaths]
        records = tf.data.TFRecordDataset(paths)
        decode = functools.partial(_decode, num_channels=images.shape[-1])
        chunks = records.batch(1000).map(decode, tf.data.AUTOTUNE)
        for image_chunk, label_chunk in chunks.as_numpy_iterator():
            start, count = count, count + len(label_chunk)
            if count <= expected:
                images[start:count] = image_chunk
                label_ids[start:count] = label_chunk
        if count != expected:
            raise ValueError(f"{count} records in split {split!r}")
    except Exception as error:
        wanted = f"{expected} records in split {split!r} as TFDS writes them"
        raise _unreadable(builder.data_path, wanted, error) from error
    return Split(images, label_ids)


def _decode(
    records: tf.Tensor, num_channels: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Serialised records [B] -> images [B, H, W, C] uint8, labels [B] int64."""
    scalars = {"image": tf.string, "label": tf.int64}
    features = tf.io.parse_example(
        records, {k: tf.io.FixedLenFeature([], v) for k, v in scalars.items()}
    )
    images = tf.map_fn(
        functools.partial(tf.io.decode_png, channels=num_channels),
        features["image"],
        fn_output_signature=tf.TensorSpec([None, None, num_channels], tf.uint8),
    )
    return images, features["label"]


def _unreadable(
    path: str | os.PathLike[str], expected: str, error: Exception
) -> InputError:
    return InputError(
        f"data in {os.fspath(path)!r} cannot be read ({_one_line(error)}); "
        f"expected {expected}; delete that directory to download it again, or "
        "pass another --config.dataset.data_dir=DIR"
    )


def _one_line(error: Exception) -> str:
    """The message without TensorFlow's node names, newlines and semicolons."""
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error), flags=re.DOTALL)
    text = " ".join(text.replace(";", ",").split())
    return text[:200] or type(error).__name__
