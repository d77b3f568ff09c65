"""`dataset.name=tfds:NAME`: any image-classification set of TFDS'.

Read by TFDS itself, in the order of its files. Splits other than train,
validation and test are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.array_checks import to_pixels
from gtn_tf.datasets.from_splits import SPLITS, dataset_from_splits
from gtn_tf.datasets.loading import Dataset, DatasetSpec, Split, chosen
from gtn_tf.datasets.memory import check_fits
from gtn_tf.datasets.registry import split_scheme
from gtn_tf.datasets.resizing import resized
from gtn_tf.datasets.tfds import prepared_builder, quiet_tfds, unreadable
from gtn_tf.types import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


def load_tfds(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Reads the TFDS data set that `spec.name` names.

    Raises:
      InputError: no such data set, not one of images with one label each,
        images of several sizes without `spec.image_size`, missing or damaged
        data, or more than memory holds; or as
        `from_splits.dataset_from_splits`.
    """
    name = split_scheme(spec.name)[1]
    with quiet_tfds():
        builder = prepared_builder(name, spec.data_dir)
        image_key, label_key = _keys(builder, spec.name)
        present = [s for s in SPLITS if s in builder.info.splits]
        if "train" not in present:
            raise InputError(
                f"{spec.name} has the splits {', '.join(builder.info.splits)}; "
                "expected 'train' among them; give another data set"
            )
        read = [s for s in present if with_test or s != "test"]
        splits = {
            s: _read_split(builder, s, (image_key, label_key), spec)
            for s in read
        }
    return dataset_from_splits(
        spec,
        splits,
        builder.info.features[label_key].names,
        with_test=with_test,
        where=spec.name,
        unread=set(present) - set(read),
    )


def _keys(builder: tfds.core.DatasetBuilder, name: str) -> tuple[str, str]:
    """Returns the names of a record's image and label."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    keys = builder.info.supervised_keys or tuple(features)
    wanted = (tfds.features.Image, tfds.features.ClassLabel)
    found = tuple(
        [key for key in keys if isinstance(features[key], kind)]
        for kind in wanted
    )
    if any(len(of_kind) != 1 for of_kind in found):
        raise InputError(
            f"{name} yields {', '.join(map(str, keys))} to learn from; "
            "expected one image and its class; give a data set for image "
            "classification"
        )
    (image_key,), (label_key,) = found
    return image_key, label_key


def _read_split(
    builder: tfds.core.DatasetBuilder,
    split: str,
    keys: tuple[str, str],
    spec: DatasetSpec,
) -> Split:
    import tensorflow_datasets as tfds

    image_key, label_key = keys
    feature = builder.info.features[image_key]
    num_records = builder.info.splits[split].num_examples
    kept = chosen(num_records, spec)
    is_kept = np.zeros(num_records, bool)
    is_kept[kept] = True
    what = f"{spec.name}: images of {split}"
    images: list[np.ndarray] = []
    label_ids: list[int] = []
    try:
        records = builder.as_dataset(
            split=split, decoders={image_key: tfds.decode.SkipDecoding()}
        )
        # Decoded are those that are kept alone.
        decoded = (
            records.enumerate()
            .filter(lambda number, _: tf.gather(is_kept, number))
            .map(
                lambda _, record: (
                    feature.decode_example(record[image_key]),
                    record[label_key],
                ),
                tf.data.AUTOTUNE,
            )
        )
        for image, label_id in decoded.as_numpy_iterator():
            pixels = to_pixels(image[None], what)
            images.append(resized(pixels, spec.height_width)[0])
            label_ids.append(label_id)
            if images[-1].shape != images[0].shape:
                raise InputError(
                    f"{what} are {images[0].shape} and {images[-1].shape}; "
                    "expected one size; set --config.dataset.image_size to the "
                    "(height, width) that all are resized to"
                )
            if len(images) == 1:
                check_fits(images[0].nbytes * len(kept), what)
    except InputError:
        raise
    except Exception as error:
        wanted = f"{num_records} records in split {split!r} as TFDS writes them"
        raise unreadable(builder.data_path, wanted, error) from error
    if len(images) != len(kept):
        raise unreadable(
            builder.data_path,
            f"{len(kept)} of {num_records} records in split {split!r}",
            ValueError(f"{len(images)} records"),
        )
    return Split(np.stack(images), np.array(label_ids, np.int32))
