"""The real images that a person's own networks are asked about."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from gtn_tf.datasets import loading
from gtn_tf.datasets.batches import RealData
from gtn_tf.datasets.registry import DATASETS, SCHEMES, split_scheme
from gtn_tf.export.load import Teacher
from gtn_tf.export.own_images import own_images
from gtn_tf.types import InputError

Arrays = tuple[np.ndarray, np.ndarray]
Given = Arrays | tf.data.Dataset | Mapping[str, Arrays | tf.data.Dataset]


def validation_data(
    teacher: Teacher, given: Given | None, data_dir: Path | str | None
) -> RealData:
    """Returns the images that networks are asked about, on the device.

    Args:
      teacher: whose data they are like.
      given: what `own_images` takes, or a dict of such splits, of which
        `validation` is taken; None: the validation split of
        the teacher's own data set.
      data_dir: where that is, if it is one of TFDS.

    Raises:
      InputError: they cannot be read, or do not fit the teacher.
    """
    metadata = teacher.metadata
    if isinstance(given, Mapping):
        splits = [str(k) for k, split in given.items() if split is not None]
        if "validation" not in splits:
            raise InputError(
                f"data has the splits {', '.join(splits) or 'none'}; "
                "expected 'validation' among them; name it so"
            )
        given = given["validation"]
    if given is None:
        given = _own_validation(teacher, data_dir)
    own = own_images(given, metadata, "{} of data")
    # In the order of their classes, those of one forward pass would be few.
    images, label_ids = loading.shuffled(own, 0)
    return RealData(
        images=tf.constant(images),
        label_ids=tf.constant(label_ids),
        mean=tuple(metadata["normalisation"]["mean"]),
        std=tuple(metadata["normalisation"]["std"]),
        num_classes=metadata["num_classes"],
        augment=False,
    )


def _own_validation(
    teacher: Teacher, data_dir: Path | str | None
) -> loading.Split:
    """Returns the validation split of the teacher's own data set."""
    metadata = teacher.metadata
    name = metadata["dataset"]
    # Exports that do not name the split are of the default one, or refused.
    split_seed = metadata.get("split_seed", 0)
    try:
        dataset = loading.load(
            name,
            None if data_dir is None else str(data_dir),
            split_seed,
            image_size=metadata.get("image_size"),
            max_images=metadata.get("max_images"),
        )
    except InputError as error:
        reason = str(error).split(";")[0]
        wanted = "expected them as in meta-training; give data"
        if _is_of_tfds(name):
            wanted = (
                "expected them in data_dir or where the environment's "
                "TFDS_DATA_DIR leads; give data_dir, or data"
            )
        raise InputError(
            f"the validation images of '{name}' cannot be read ({reason}); "
            f"{wanted}=(images, label_ids)"
        ) from error
    if not teacher.was_made_with(dataset.mean):
        raise InputError(
            f"the GTN was made with other training images of "
            f"'{dataset.name}' than those of split_seed {split_seed}; "
            "expected their validation images; give data=(images, label_ids)"
        )
    return dataset.validation


def _is_of_tfds(name: str) -> bool:
    """Whether `data_dir` is read for a data set."""
    loader = SCHEMES.get(split_scheme(name)[0]) or DATASETS.get(name, "")
    return "tfds:" in loader
