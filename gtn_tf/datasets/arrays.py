"""Images of a person's own: arrays, or a `tf.data.Dataset`.

`dataset.name="package.module:function"` names a function of no arguments that
returns one split, or a dict:

    {
        "train": (images, label_ids),
        "validation": (images, label_ids),  # or a tenth of train is taken
        "test": (images, label_ids),        # or a tenth of train is taken
        "class_names": ["cat", "dog"],      # or as many as labels in train
    }

A split is (images, label_ids), or a `tf.data.Dataset` of such pairs, batched or
one by one. Images are [N, H, W, C], or [N, H, W] where C is 1: uint8, other
whole numbers in 0 .. 255, or float in 0 .. 1, which is rounded to 255ths.
label_ids are whole numbers [N] from 0 to K - 1, K in 2 .. 1000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gtn_tf.datasets.array_checks import to_label_ids, to_pixels
from gtn_tf.datasets.from_splits import SPLITS, dataset_from_splits
from gtn_tf.datasets.loading import Dataset, DatasetSpec, Split
from gtn_tf.datasets.memory import check_fits
from gtn_tf.datasets.resizing import resized
from gtn_tf.import_paths import import_attribute
from gtn_tf.types import PERSONS_ERRORS, InputError, one_line

if TYPE_CHECKING:
    import tensorflow as tf

_CHUNK = 1000  # images between two looks at memory


def load_arrays(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Calls the function that `spec.name` leads to.

    Raises:
      InputError: the function fails; pixels or labels of another kind, NaN,
        labels that are not 0 .. K - 1 (with the mapping to them), splits that
        do not fit together, a class without images, or more than memory
        holds.
    """
    function = import_attribute(spec.name, "dataset.name")
    where = f"dataset.name {spec.name!r}"
    try:
        found = function()
    except PERSONS_ERRORS as error:
        raise InputError(
            f"{where} fails ({type(error).__name__}: {one_line(error)}); "
            "expected a function without arguments that returns arrays; "
            "correct it"
        ) from error
    splits, class_names = _read(found, spec, where)
    return dataset_from_splits(
        spec,
        splits,
        class_names,
        with_test=with_test,
        where=where,
        by_class=False,
    )


def _read(
    data: Any, spec: DatasetSpec, where: str
) -> tuple[dict[str, Split], Sequence[str] | None]:
    """Returns the splits that there are, of raw pixels, and class names."""
    found = {"train": data}
    if isinstance(data, Mapping):
        found = {key: value for key, value in data.items() if value is not None}
    class_names = found.pop("class_names", None)
    unknown = sorted(repr(key) for key in set(found) - set(SPLITS))
    if unknown or "train" not in found:
        wrong = f"the key {unknown[0]}" if unknown else "no 'train'"
        raise InputError(
            f"{where}: a dict with {wrong}; expected 'train' and, if there are "
            "any, 'validation', 'test' and 'class_names'; rename them"
        )
    splits = {
        name: read_split(
            found[name],
            f"{where}: {{}} of {name}",
            spec.height_width,
            "set --config.dataset.image_size",
        )
        for name in SPLITS
        if name in found
    }
    return splits, class_names


def read_split(
    value: Any,
    what: str,
    height_width: tuple[int, int] | None = None,
    remedy: str = "resize them",
) -> Split:
    """Returns raw pixels [N, H, W, C] uint8, and labels [N] of any type.

    Args:
      value: (images, label_ids), or a `tf.data.Dataset` of such pairs.
      what: they are, with {} for "images" or "labels"; begins messages.
      height_width: that the images of a `tf.data.Dataset` are resized to; None:
        they are of one size.
      remedy: against those of several.

    Raises:
      InputError: another value, or as of `read_pair`.
    """
    if isinstance(value, tuple | list) and len(value) == 2:
        return read_pair(*value, what)
    if is_pipeline(value):
        return _read_pipeline(value, what, height_width, remedy)
    raise InputError(
        f"{what.format('the split')} is a {type(value).__name__}; expected "
        "(images, label_ids) or a tf.data.Dataset of such pairs; put them in "
        "a tuple"
    )


def read_pair(images: Any, label_ids: Any, what: str) -> Split:
    """Returns raw pixels [N, H, W, C] uint8, and labels [N] of any type.

    Args:
      images: as `to_pixels` takes them.
      label_ids: as `to_label_ids` takes them.
      what: they are, with {} for "images" or "labels"; begins messages.

    Raises:
      InputError: another shape or other pixels, or not one label per image.
    """
    pixels = to_pixels(images, what.format("images"))
    labels = what.format("labels")
    try:
        label_ids = np.asarray(label_ids)
    except ValueError as error:  # a ragged list
        raise InputError(
            f"{labels} are lists of several lengths; expected whole numbers "
            f"[{len(pixels)}]; give one for each image"
        ) from error
    label_ids = to_label_ids(label_ids, len(pixels), labels)
    if label_ids.dtype.hasobject:  # None and texts cannot be sorted together
        label_ids = label_ids.astype(str)
    return Split(pixels, label_ids)


def is_pipeline(value: Any) -> bool:
    """Whether a value is a `tf.data.Dataset`."""
    import tensorflow as tf

    return isinstance(value, tf.data.Dataset)


def check_pipeline(value: tf.data.Dataset, what: str) -> None:
    """Refuses a pipeline that yields no pairs, or never ends.

    Args:
      value: it.
      what: it is; begins the message.

    Raises:
      InputError: so it is.
    """
    import tensorflow as tf

    element = value.element_spec
    shapes = [getattr(part, "shape", None) for part in _listed(element)]
    if len(shapes) != 2 or shapes[1] is None or shapes[1].rank not in (0, 1):
        raise InputError(
            f"{what} yields {one_line(ValueError(element))}; expected pairs "
            "(image, label_id), or batches of them, with whole numbers as "
            "labels; map it to that, one-hot labels by tf.argmax"
        )
    if value.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError(
            f"{what} never ends; expected a finite tf.data.Dataset; leave "
            "repeat() out, or take(n) of it"
        )


def _listed(element: Any) -> Sequence:
    return element if isinstance(element, tuple) else (element,)


def _read_pipeline(
    value: tf.data.Dataset,
    what: str,
    height_width: tuple[int, int] | None,
    remedy: str,
) -> Split:
    """Reads a `tf.data.Dataset` of (image, label_id), batched or not."""
    import tensorflow as tf

    what_it_is = what.format("the split")
    check_pipeline(value, what_it_is)
    is_batched = value.element_spec[1].shape.rank == 1
    if not is_batched:
        value = value.batch(_CHUNK if height_width is None else 1)
    images, labels, num_bytes = [], [], 0
    try:
        for chunk, label_ids in value.as_numpy_iterator():
            pixels = to_pixels(chunk, what.format("images"))
            images.append(resized(pixels, height_width))
            labels.append(label_ids)
            num_bytes += images[-1].nbytes
            check_fits(num_bytes, what_it_is)
    except tf.errors.OpError as error:
        raise InputError(
            f"{what_it_is} cannot be read ({one_line(error)}); expected "
            f"images of one shape; repair it, or {remedy}"
        ) from error
    if len({array.shape[1:] for array in images}) != 1:
        raise InputError(
            f"{what_it_is} yields {'other shapes' if images else 'nothing'}; "
            f"expected images of one shape; correct it, or {remedy}"
        )
    pixels = np.concatenate(images)
    label_ids = np.concatenate(labels)
    what = what.format("labels")
    return Split(pixels, to_label_ids(label_ids, len(pixels), what))
