"""Images of another size, by Pillow."""

import math

import numpy as np
from PIL import Image

from gtn_tf.datasets.memory import check_fits

#: With antialiasing where an image shrinks.
RESAMPLING = Image.Resampling.BILINEAR


def resized(
    images: np.ndarray, height_width: tuple[int, int] | None
) -> np.ndarray:
    """Resizes images, each side by its own factor: nothing is cut off.

    Args:
      images: [N, H, W, C] uint8.
      height_width: of the result; None: as they are.

    Returns:
      [N, height, width, C] uint8, by bilinear interpolation, which averages
      where it shrinks.

    Raises:
      InputError: they do not fit into the memory.
    """
    if height_width is None or images.shape[1:3] == height_width:
        return images
    size = height_width[::-1]
    num_pixels = math.prod((len(images), *height_width, images.shape[-1]))
    check_fits(num_pixels, f"{len(images)} images of {height_width}")
    out = np.empty((len(images), *height_width, images.shape[-1]), images.dtype)
    for image, place in zip(images, out, strict=True):
        for channel in range(images.shape[-1]):
            plane = Image.fromarray(image[..., channel])
            place[..., channel] = plane.resize(size, RESAMPLING)
    return out
