"""A few real images of all classes, chosen once."""

import numpy as np

from gtn_tf.datasets.loading import Dataset
from gtn_tf.types import InputError


def choose_subset(
    seed: int,
    shape: tuple[int, int],
    dataset: Dataset,
    num_images: int | None = None,
) -> np.ndarray:
    """Chooses as many training images as there are synthetic ones.

    Args:
      seed: of the run.
      shape: (T, B).
      dataset: whose training images.
      num_images: different ones at most, at least K; None: no limit.

    Returns:
      [T, B] positions; the classes come in turn.

    Raises:
      InputError: a class has no training image.
    """
    num_classes = dataset.num_classes
    label_ids = (np.arange(np.prod(shape)) % num_classes).reshape(shape)
    rng = np.random.default_rng(seed)
    chosen = np.empty(shape, np.int64)
    for label in range(num_classes):
        places = label_ids == label
        of_label = np.flatnonzero(dataset.train.label_ids == label)
        if not of_label.size:
            raise InputError(
                f"class {label} of {dataset.name} has no training image; "
                "expected at least one of every class; add some, or leave "
                "warm_start and the real subset out"
            )
        drawn = rng.permutation(of_label)
        if num_images is not None:
            drawn = drawn[: -(-(num_images - label) // num_classes)]
        # More places than images: they come round again.
        chosen[places] = np.resize(drawn, places.sum())
    return chosen
