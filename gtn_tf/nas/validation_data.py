"""The real images that a person's own networks are asked about."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gtn_tf.datasets import loading
from gtn_tf.datasets.batches import RealData
from gtn_tf.export.load import Teacher
from gtn_tf.types import InputError

Arrays = tuple[np.ndarray, np.ndarray]
Given = Arrays | Mapping[str, Arrays]


def validation_data(
    teacher: Teacher, given: Given | None, data_dir: Path | str | None
) -> RealData:
    """Returns the images that networks are asked about, on the device.

    Args:
      teacher: whose data they are like.
      given: raw images uint8 [N, H, W, C] and label_ids [N], or a dict of such
        splits, of which `validation` is taken; None: the validation split of
        the teacher's own data set.
      data_dir: where that is, if it is one of TFDS.

    Raises:
      InputError: they cannot be read, or do not fit the teacher.
    """
    metadata = teacher.metadata
    if isinstance(given, Mapping):
        if "validation" not in given:
            raise InputError(
                f"data has the splits {', '.join(map(str, given)) or 'none'}; "
                "expected 'validation' among them; name it so"
            )
        given = given["validation"]
    if given is None:
        # Exports that do not name the split are of the default one, or refused.
        split_seed = metadata.get("split_seed", 0)
        try:
            dataset = loading.load(
                metadata["dataset"],
                None if data_dir is None else str(data_dir),
                split_seed,
                image_size=metadata.get("image_size"),
                max_images=metadata.get("max_images"),
            )
        except InputError as error:
            reason = str(error).split(";")[0]
            raise InputError(
                f"the validation images of '{metadata['dataset']}' cannot be "
                f"read ({reason}); expected them in data_dir or where "
                "the environment's TFDS_DATA_DIR leads; give data_dir, or give "
                "them as `validation`"
            ) from error
        if not teacher.was_made_with(dataset.mean):
            raise InputError(
                f"the GTN was made with other training images of "
                f"'{dataset.name}' than those of split_seed {split_seed}; "
                "expected their validation images; give them as `validation`"
            )
        given = dataset.validation
    images, label_ids = _checked(given, metadata)
    return RealData(
        images=tf.constant(images),
        label_ids=tf.constant(label_ids, tf.int32),
        mean=tuple(metadata["normalisation"]["mean"]),
        std=tuple(metadata["normalisation"]["std"]),
        num_classes=metadata["num_classes"],
        augment=False,
    )


def _checked(
    given: Arrays, metadata: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    try:
        images, label_ids = map(np.asarray, given)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"data is a {type(given).__name__}; expected (images, label_ids); "
            "give two arrays"
        ) from error
    shape = tuple(metadata["image_shape"])
    if (
        images.dtype != np.uint8
        or images.shape[1:] != shape
        or label_ids.shape != images.shape[:1]
        or not len(images)
    ):
        raise InputError(
            f"validation is {images.dtype}{images.shape} with label_ids "
            f"{label_ids.shape}; expected raw pixels uint8 (N, "
            f"{', '.join(map(str, shape))}) and label_ids (N,), N at least 1; "
            "convert them"
        )
    if label_ids.dtype.kind not in "iuf" or np.any(label_ids % 1 != 0):
        raise InputError(
            f"label_ids of validation are {label_ids.dtype}, such as "
            f"{label_ids.flat[0].item()!r}; expected whole numbers; number the "
            "classes"
        )
    largest = metadata["num_classes"] - 1
    if label_ids.min() < 0 or label_ids.max() > largest:
        raise InputError(
            f"label_ids of validation are {label_ids.min()} to "
            f"{label_ids.max()}; expected 0 to {largest}, in the order of the "
            "GTN's classes; subtract the first or map them"
        )
    return images, label_ids
