"""TFDS data sets: read as they were prepared, downloaded where absent.

Every failure is one `InputError`: no data and no network, damaged metadata,
truncated or corrupt records.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import tempfile
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from gtn_tf.datasets.loading import (
    Dataset,
    DatasetSpec,
    Split,
    cut,
    make_dataset,
)
from gtn_tf.types import InputError, one_line

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


class Official(NamedTuple):
    """What is known of a TFDS data set before it is read."""

    image_shape: tuple[int, int, int]
    num_records: dict[str, int]  # by official split
    num_validation: int  # cut from the official training split
    augment: bool


OFFICIAL = {
    name: Official(shape, {"train": train, "test": 10000}, validation, augment)
    for name, shape, train, validation, augment in (
        ("mnist", (28, 28, 1), 60000, 10000, False),
        ("fashion_mnist", (28, 28, 1), 60000, 10000, False),
        ("cifar10", (32, 32, 3), 50000, 5000, True),
    )
}


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Keeps TFDS, which is talkative, to errors."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.ERROR))
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def load_official(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Loads a data set of `OFFICIAL`, as it is split officially."""
    official = OFFICIAL[spec.name]
    with quiet_tfds():
        builder = prepared_builder(spec.name, spec.data_dir)
        everything = Split(*read_split(builder, "train", official))
        test = (
            Split(*read_split(builder, "test", official)) if with_test else None
        )
    num_train = official.num_records["train"] - official.num_validation
    sizes = (num_train, official.num_validation)
    labels = builder.info.features["label"]
    return make_dataset(
        spec.name,
        *cut(everything, sizes, spec.split_seed),
        test,
        num_classes=labels.num_classes,
        augment=official.augment,
        class_names=tuple(labels.names),
    )


def load_halved(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Loads `cifar10_16`: CIFAR-10 at half its height and width (2x2 means).

    Real images that two CPU cores can train many networks on.
    """
    full = load_official(dataclasses.replace(spec, name="cifar10"), with_test)
    halved = [
        None if split is None else Split(_halve(split.images), split.label_ids)
        for split in (full.train, full.validation, full.test)
    ]
    # Built anew: means keep, standard deviations do not.
    return make_dataset(
        spec.name,
        *halved,
        num_classes=full.num_classes,
        augment=full.augment,
        class_names=full.class_names,
    )


def _halve(images: np.ndarray) -> np.ndarray:
    """[N, H, W, C] uint8 -> [N, H/2, W/2, C], rounded to nearest."""
    corners = [
        images[:, row::2, column::2].astype(np.uint16)
        for row in (0, 1)
        for column in (0, 1)
    ]
    return ((sum(corners) + 2) // 4).astype(np.uint8)


def prepared_builder(
    name: str, data_dir: str | None
) -> tfds.core.DatasetBuilder:
    """Returns the builder of a data set that is on disk, or is so now.

    Raises:
      InputError: no directory, no data and no network, or damaged metadata.
    """
    import tensorflow_datasets as tfds  # not needed for digits

    if data_dir is not None:
        data_dir = os.path.expanduser(data_dir)
        if not _is_folder(data_dir):
            raise InputError(
                f"dataset.data_dir {data_dir!r} is not a directory; expected a "
                f"TFDS directory holding {name}; pass another "
                "--config.dataset.data_dir=DIR or create it to download into"
            )
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        present = builder.data_path.exists()
    except tfds.core.DatasetNotFoundError as error:
        raise InputError(
            f"{name!r} is no data set of TFDS' ({one_line(error)}); expected a "
            "name of its catalogue; set --config.dataset.name=tfds:NAME"
        ) from error
    except Exception as error:
        path = os.path.join(data_dir or "TFDS' default directory", name)
        raise unreadable(path, "metadata as TFDS writes them", error) from error
    if not present:
        _download(builder)
    return builder


def _is_folder(path: str) -> bool:
    try:
        return tf.io.gfile.isdir(path)
    except tf.errors.OpError as error:  # of a bucket
        raise unreadable(path, "a folder that can be reached", error) from error


def _download(builder: tfds.core.DatasetBuilder) -> None:
    """Downloads and prepares; leaves nothing behind if that fails."""
    import requests  # TFDS' own client: same proxies, same certificates

    root = builder.data_path.parent.parent
    created = [p for p in (builder.data_path.parent, root) if not p.exists()]
    url = next(iter(builder.url_infos), None)
    try:
        if url is not None:
            # TFDS itself tries for more than three minutes without a network.
            requests.head(url, timeout=10)
        with tempfile.TemporaryDirectory() as downloads:
            builder.download_and_prepare(download_dir=downloads)
    except Exception as error:
        reason = one_line(error)
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
            # Full after a success, which TFDS' paths call a ValueError.
            with contextlib.suppress(OSError, ValueError):
                path.rmdir()


def read_split(
    builder: tfds.core.DatasetBuilder, split: str, official: Official
) -> tuple[np.ndarray, np.ndarray]:
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
        raise unreadable(builder.data_path, wanted, error) from error
    return images, label_ids


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


def unreadable(
    path: str | os.PathLike[str], expected: str, error: Exception
) -> InputError:
    """Returns the error for data that TFDS has and that cannot be read."""
    return InputError(
        f"data in {os.fspath(path)!r} cannot be read ({one_line(error)}); "
        f"expected {expected}; delete that directory to download it again, or "
        "pass another --config.dataset.data_dir=DIR"
    )
