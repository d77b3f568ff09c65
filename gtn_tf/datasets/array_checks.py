"""Arrays of any type, as pixels and labels; or one line that says why not."""

from typing import Any

import numpy as np

from gtn_tf.types import InputError

MOST_CLASSES = 1000
_SHOWN = 8  # classes of a mapping that is offered
_MOST_CHANNELS = 4


def to_pixels(images: Any, what: str) -> np.ndarray:
    """Returns images as raw pixels.

    Args:
      images: [N, H, W, C], C at most 4, or [N, H, W] where C is 1: whole
        numbers in 0 .. 255; or float (or bool) in 0 .. 1, which becomes the
        nearest of 0 / 255 .. 255 / 255.
      what: they are; begins the message.

    Returns:
      [N, H, W, C] uint8.

    Raises:
      InputError: another shape, more channels, other values, or NaN.
    """
    try:
        images = np.asarray(images)
    except ValueError as error:  # a ragged list
        raise _no_images(f"{what} are of several shapes") from error
    shape = f"{images.dtype}{list(images.shape)}"
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not images.size or images.dtype.kind not in "buif":
        raise _no_images(f"{what} are {shape}")
    if images.shape[-1] > _MOST_CHANNELS:
        remedy = "give grey, RGB or RGBA images"
        if images.shape[1] in (1, 3, 4):
            remedy = "take images.transpose(0, 2, 3, 1)"
        raise InputError(
            f"{what} are {shape}, of {images.shape[-1]} channels; expected "
            f"[N, H, W, C] of at most {_MOST_CHANNELS}; {remedy}"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind == "b":
        return images.astype(np.uint8) * 255
    if not np.isfinite(images).all():
        bad = np.flatnonzero(~np.isfinite(images).all((1, 2, 3)))
        raise InputError(
            f"{what} hold NaN or infinite pixels in {len(bad)} of "
            f"{len(images)} images, the first of them number {bad[0]}; "
            "expected finite pixels; leave those images out or repair them"
        )
    low, high = images.min(), images.max()
    is_float = images.dtype.kind == "f"
    most = 1 if is_float else 255
    if low < 0 or high > most:
        raise _no_images(f"{what} are {shape} from {low:g} to {high:g}")
    if is_float:
        return np.rint(images * 255).astype(np.uint8)
    return images.astype(np.uint8)


def _no_images(received: str) -> InputError:
    return InputError(
        f"{received}; expected one array [N, H, W, C] or [N, H, W] of pixels, "
        "uint8 in 0 .. 255 or float in 0 .. 1; scale and convert them"
    )


def to_label_ids(label_ids: Any, num_images: int, what: str) -> np.ndarray:
    """Returns labels as an array [N], if there is one for each image.

    Args:
      label_ids: [N] or [N, 1], of any type.
      num_images: N.
      what: they are; begins the message.

    Returns:
      [N], whole numbers as int64, else as they are.

    Raises:
      InputError: another shape, or NaN.
    """
    label_ids = np.asarray(label_ids)
    if label_ids.shape == (num_images, 1):
        label_ids = label_ids[:, 0]
    if label_ids.shape != (num_images,):
        remedy = "give one for each image"
        if label_ids.ndim == 2 and len(label_ids) == num_images:
            remedy = "of one-hot ones take label_ids.argmax(-1)"
        raise InputError(
            f"{what} are {label_ids.dtype}{list(label_ids.shape)} for "
            f"{num_images} images; expected whole numbers [{num_images}]; "
            f"{remedy}"
        )
    if label_ids.dtype.kind == "f":
        if np.isnan(label_ids).any():
            raise InputError(
                f"{what} hold NaN at {np.isnan(label_ids).argmax()}; expected "
                "whole numbers; leave those images out"
            )
        if not (label_ids % 1).any():
            label_ids = label_ids.astype(np.int64)
    return label_ids.astype(np.int64) if label_ids.dtype == bool else label_ids


def number_of_classes(
    label_ids: np.ndarray, num_names: int | None, what: str
) -> int:
    """Returns K, if labels number the classes from 0.

    Args:
      label_ids: [N] of the training images.
      num_names: number of classes, if their names are known; else each of
        them has an image.
      what: the labels are; begins the message.

    Raises:
      InputError: they are not 0 .. K - 1, or K is not in 2 .. 1000.
    """
    found = np.unique(label_ids)
    num_classes = len(found) if num_names is None else num_names
    numbers = np.arange(num_classes)
    is_whole = found.dtype.kind in "iu"
    if is_whole and num_names is not None:
        fits = found.min() >= 0 and found.max() < num_names
    else:
        fits = is_whole and np.array_equal(found, numbers)
    if not fits:
        raise _unnumbered(found, num_names, what)
    if not 2 <= num_classes <= MOST_CLASSES:
        raise InputError(
            f"{what} are of {num_classes} class(es); expected 2 to "
            f"{MOST_CLASSES}; give images of as many"
        )
    return num_classes


def _unnumbered(
    found: np.ndarray, num_names: int | None, what: str
) -> InputError:
    values = [repr(value).replace(";", ",") for value in found.tolist()]
    last = (len(values) if num_names is None else num_names) - 1
    more = ", .." if len(values) > _SHOWN else ""
    shown = values[:_SHOWN]
    mapping = ", ".join(f"{v}: {number}" for number, v in enumerate(shown))
    return InputError(
        f"{what} are {', '.join(shown)}{more}; expected 0 to {last}, each of "
        f"them; map them by {{{mapping}{more}}}, which is "
        "label_ids = numpy.unique(label_ids, return_inverse=True)[1]"
    )
