"""A person's own real images, for networks that a teacher has trained.

TensorFlow is imported by `prepared` alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gtn_tf.datasets.arrays import read_split
from gtn_tf.datasets.loading import Split
from gtn_tf.types import Batch, InputError


def prepared(images: Any, label_ids: Any, metadata: Mapping[str, Any]) -> Batch:
    """Returns images and labels as `Teacher.prepare` describes them.

    Raises:
      InputError: as of `own_images`.
    """
    from gtn_tf.datasets.batches import normalize

    pixels, label_ids = own_images((images, label_ids), metadata, "{}")
    normalisation = metadata["normalisation"]
    normalised = normalize(pixels, normalisation["mean"], normalisation["std"])
    one_hot = np.eye(metadata["num_classes"], dtype=np.float32)[label_ids]
    return Batch(normalised.numpy(), one_hot)


def own_images(given: Any, metadata: Mapping[str, Any], what: str) -> Split:
    """Returns images and labels that fit a teacher: raw pixels, int32.

    Args:
      given: (images, label_ids), or a `tf.data.Dataset` of such pairs. Images
        are [N, H, W, C], or [N, H, W] where C is 1: whole numbers in 0 .. 255,
        or float in 0 .. 1; label_ids are [N] whole numbers in [0, K), in the
        order of the teacher's classes.
      metadata: of the teacher.
      what: they are, with {} for "images" or "labels"; begins messages.

    Raises:
      InputError: other shapes or values.
    """
    pixels, label_ids = read_split(given, what)
    shape = list(metadata["image_shape"])
    if list(pixels.shape[1:]) != shape:
        raise InputError(
            f"{what.format('images')} are {list(pixels.shape)}; expected [N, "
            f"{', '.join(map(str, shape))}], as the GTN's are; resize or "
            "convert them"
        )
    labels = what.format("labels")
    if label_ids.dtype.kind not in "iu":
        first = repr(label_ids.tolist()[0]).replace(";", ",")
        raise InputError(
            f"{labels} are {label_ids.dtype}, such as {first}; expected whole "
            "numbers; number the classes"
        )
    largest = metadata["num_classes"] - 1
    if label_ids.min() < 0 or label_ids.max() > largest:
        raise InputError(
            f"{labels} are {label_ids.min()} to {label_ids.max()}; expected 0 "
            f"to {largest}, in the order of the GTN's classes; subtract the "
            "first or map them"
        )
    return Split(pixels, label_ids.astype(np.int32))
