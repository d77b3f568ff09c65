"""A person's own images: `dataset.name="package.module:function"`.

The function takes no arguments and returns a dict of NumPy arrays:

    {
        "train": (images, label_ids),
        "validation": (images, label_ids),  # or a tenth of train is taken
        "test": (images, label_ids),        # needed to evaluate
        "class_names": ["cat", "dog"],      # or as many as labels in train
    }

images are uint8 [N, H, W, C], or [N, H, W] where C is 1; label_ids are whole
numbers [N] from 0.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gtn_tf.datasets.loading import Dataset, Split, cut, make_dataset
from gtn_tf.import_paths import import_attribute
from gtn_tf.types import InputError, one_line

_SPLITS = ("train", "validation", "test")


def load_arrays(
    name: str, data_dir: str | None, split_seed: int, with_test: bool
) -> Dataset:
    """Calls the function that `name` leads to; arguments as of `load`.

    Raises:
      InputError: the function fails, or returns something else than above.
    """
    del data_dir
    function = import_attribute(name, "dataset.name")
    try:
        found = function()
    except Exception as error:  # a person's function may raise anything
        raise InputError(
            f"dataset.name is {name!r}, which fails "
            f"({type(error).__name__}: {one_line(error)}); expected a function "
            "without arguments that returns arrays; correct it"
        ) from error
    if not isinstance(found, Mapping) or "train" not in found:
        raise _unfit(name, f"{type(found).__name__} without 'train'")
    unknown = set(found) - {*_SPLITS, "class_names"}
    if unknown:
        raise _unfit(name, f"the key {min(map(repr, unknown))}")
    splits = {
        split: _read_split(name, split, found[split])
        for split in _SPLITS
        if found.get(split) is not None
    }
    if with_test and "test" not in splits:
        raise _unfit(name, "no test images, which are evaluated on")
    class_names = found.get("class_names")
    if class_names is not None:
        class_names = tuple(map(str, class_names))
        num_classes = len(class_names)
    else:
        num_classes = int(splits["train"].label_ids.max()) + 1
    _check_alike(name, splits, num_classes)
    if "validation" not in splits:
        num_images = len(splits["train"].images)
        num_validation = max(1, num_images // 10)
        splits["train"], splits["validation"] = cut(
            splits["train"],
            (num_images - num_validation, num_validation),
            split_seed,
        )
    dataset = make_dataset(
        name,
        splits["train"],
        splits["validation"],
        splits.get("test") if with_test else None,
        num_classes=num_classes,
        class_names=class_names,
    )
    if not all(std > 1e-6 for std in dataset.std):  # 0, or NaN by rounding
        raise _unfit(name, "training images with a channel of one value")
    return dataset


def _read_split(name: str, split: str, value: Any) -> Split:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise _unfit(name, f"for {split} no pair")
    images, label_ids = map(np.asarray, value)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        shape = f"{images.dtype}{list(images.shape)}"
        raise _unfit(name, f"for {split} images {shape}")
    if (
        label_ids.dtype.kind not in "iu"
        or label_ids.shape != images.shape[:1]
        or label_ids.min() < 0
    ):
        shape = f"{label_ids.dtype}{list(label_ids.shape)}"
        raise _unfit(
            name, f"for {split} {len(images)} images with labels {shape}"
        )
    return Split(images, label_ids.astype(np.int32))


def _check_alike(
    name: str, splits: Mapping[str, Split], num_classes: int
) -> None:
    if num_classes < 2 or len(splits["train"].images) < 2:
        raise _unfit(name, f"{num_classes} classes in train")
    shape = splits["train"].images.shape[1:]
    for split, (images, label_ids) in splits.items():
        if images.shape[1:] != shape:
            raise _unfit(
                name, f"for {split} images {list(images.shape)}, train's differ"
            )
        if label_ids.max() >= num_classes:
            raise _unfit(
                name, f"for {split} label {label_ids.max()} of {num_classes}"
            )


def _unfit(name: str, received: str) -> InputError:
    return InputError(
        f"dataset.name is {name!r}, which returns {received}; expected "
        "{'train': (images, label_ids)} and, if there are any, 'validation', "
        "'test' and 'class_names', images uint8 [N, H, W, C] of one shape, "
        "label_ids whole numbers [N] of at least 2 classes from 0; correct it"
    )
