"""Folders of image files, and TFDS data, that a test makes."""

from pathlib import Path

import numpy as np
from PIL import Image

#: Four classes of unequal size, whose images no size divides.
SIZES = {"ant": 24, "bee": 40, "cat": 13, "dog": 30}
HEIGHT_WIDTH = 9, 7


def write_image(path: Path, image: np.ndarray | Image.Image) -> None:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def class_image(number: int, label: int, channels: int = 3) -> np.ndarray:
    """One image, uint8 [9, 7, channels]: noise, and a line that says which."""
    rng = np.random.default_rng((label, number))
    image = rng.integers(0, 100, (*HEIGHT_WIDTH, channels), np.uint8)
    image[2 * label + 1] = 250
    return image if channels > 1 else image[..., 0]


def write_folder(root: Path, sizes: dict[str, int] | None = None) -> Path:
    """Writes PNG files, `root/CLASS/NUMBER.png`; returns root."""
    for label, (name, size) in enumerate((sizes or SIZES).items()):
        for number in range(size):
            path = root / name / f"{number:03}.png"
            write_image(path, class_image(number, label))
    return root
