"""From the splits that a source has to a `Dataset`: checked and completed."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from gtn_tf.datasets.array_checks import number_of_classes
from gtn_tf.datasets.loading import (
    Dataset,
    DatasetSpec,
    Split,
    chosen,
    cut,
    make_dataset,
    shuffled,
)
from gtn_tf.datasets.resizing import resized
from gtn_tf.types import InputError

SPLITS = ("train", "validation", "test")
_HELD_OUT = 10  # one in so many images is held out for a missing split


def dataset_from_splits(
    spec: DatasetSpec,
    splits: Mapping[str, Split],
    class_names: Any,
    *,
    with_test: bool,
    where: str,
    unread: Collection[str] = (),
    by_class: bool = True,
) -> Dataset:
    """Chooses, resizes and checks images; cuts the splits that are missing.

    A missing validation or test split is a tenth of the training images, cut
    by `spec.split_seed`, class by class: each class of at least three images
    is in all. All splits come in a random order, by that seed: files are often
    in the order of their classes, and the first thousand images, half of them,
    or those of one forward pass must stand for all.

    Args:
      spec: what is asked for.
      splits: raw images of any size, at least "train"; of "validation" and
        "test" those that there are. Labels may be of any type.
      class_names: a list of K texts, if they are known.
      with_test: whether the result holds the test images.
      where: the data are; begins messages.
      unread: splits that there are and that were not read: nothing is cut
        off in their place.
      by_class: False: a validation split that alone is missing is a tenth at
        random, whatever the classes.

    Raises:
      InputError: the splits do not fit together, a class has no image, or
        class names are no list.
    """
    splits = {name: _fitted(split, spec) for name, split in splits.items()}
    names = _class_names(class_names, where)
    num_classes = number_of_classes(
        splits["train"].label_ids,
        None if names is None else len(names),
        f"{where}: labels of train",
    )
    _check_alike(splits, num_classes, where)
    splits = {
        name: Split(split.images, split.label_ids.astype(np.int32))
        for name, split in splits.items()
    }
    missing = [n for n in SPLITS if n not in splits and n not in unread]
    if not missing:
        parts = [shuffled(splits["train"], spec.split_seed)]
    elif missing == ["validation"] and not by_class:
        num_images = len(splits["train"].images)
        held_out = max(1, num_images // _HELD_OUT)
        sizes = (num_images - held_out, held_out)
        parts = cut(splits["train"], sizes, spec.split_seed)
    else:
        parts = _cut_by_class(splits["train"], len(missing), spec.split_seed)
    splits = {
        name: shuffled(split, spec.split_seed)
        for name, split in splits.items()
        if name != "train"
    }
    splits |= zip(("train", *missing), parts, strict=True)
    dataset = make_dataset(
        spec.name,
        splits["train"],
        splits["validation"],
        splits["test"] if with_test else None,
        num_classes=num_classes,
        class_names=names,
    )
    check_class_sizes(dataset, 1)
    if not all(std > 1e-6 for std in dataset.std):  # 0, or NaN by rounding
        raise InputError(
            f"{where}: training images have a channel of one value; expected "
            "different pixels; leave that channel or data set out"
        )
    return dataset


def _class_names(given: Any, where: str) -> tuple[str, ...] | None:
    """Returns the names as texts; refuses one text, which is letters."""
    if given is None:
        return None
    is_listed = isinstance(given, list | tuple) or (
        isinstance(given, np.ndarray) and given.ndim == 1
    )
    if not is_listed:
        raise InputError(
            f"{where}: class_names is {given!r}; expected a list of texts, one "
            "for each class; give one or leave it out"
        )
    return tuple(map(str, given))


def check_class_sizes(dataset: Dataset, batch_size: int) -> None:
    """Refuses a class with fewer training images than a batch has of it.

    Args:
      dataset: whose training images.
      batch_size: B of batches that hold all classes alike.

    Raises:
      InputError: naming the smallest class.
    """
    sizes = np.bincount(dataset.train.label_ids, minlength=dataset.num_classes)
    needed = -(-batch_size // dataset.num_classes)
    label = int(sizes.argmin())
    if sizes[label] < needed:
        name = ""
        if dataset.class_names is not None:
            name = f" ({dataset.class_names[label].replace(';', ',')})"
        raise InputError(
            f"{dataset.name} has {sizes[label]} training image(s) of class "
            f"{label}{name}; expected at least {needed}, as a batch of "
            f"{batch_size} holds all {dataset.num_classes} classes alike; add "
            "images, leave the class out, or set a smaller "
            "--config.inner.batch_size"
        )


def _fitted(split: Split, spec: DatasetSpec) -> Split:
    images, label_ids = split
    kept = chosen(len(images), spec)
    if len(kept) < len(images):
        images, label_ids = images[kept], label_ids[kept]
    return Split(resized(images, spec.height_width), label_ids)


def _check_alike(
    splits: Mapping[str, Split], num_classes: int, where: str
) -> None:
    shape = splits["train"].images.shape[1:]
    for name, (images, label_ids) in splits.items():
        if images.shape[1:] != shape:
            raise InputError(
                f"{where}: images of {name} are {list(images.shape[1:])}, of "
                f"train {list(shape)}; expected one shape; resize them, or set "
                "--config.dataset.image_size"
            )
        found = np.setdiff1d(label_ids, np.arange(num_classes))
        if len(found):
            raise InputError(
                f"{where}: {name} has label {found.tolist()[0]!r}; expected "
                f"0 to {num_classes - 1}, the classes of train; leave those "
                "images out, or number the classes of all splits alike"
            )


def _cut_by_class(everything: Split, num_held: int, seed: int) -> list[Split]:
    """Cuts off `num_held` tenths of each class; the rest comes first."""
    rng = np.random.default_rng(seed)
    parts: list[list[np.ndarray]] = [[] for _ in range(num_held + 1)]
    for label in np.unique(everything.label_ids):
        order = rng.permutation(np.flatnonzero(everything.label_ids == label))
        size = max(1, len(order) // _HELD_OUT)
        if len(order) <= num_held:
            size = 0
        rest = len(order) - num_held * size
        ends = [rest + size * number for number in range(num_held)]
        for part, found in zip(parts, np.split(order, ends), strict=True):
            part.append(found)
    return [
        Split(*(array[order] for array in everything))
        for order in map(rng.permutation, map(np.concatenate, parts))
    ]
