"""Real images that lie beside an export, for pictures; no TensorFlow here."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gtn_tf.export.reading import damaged
from gtn_tf.runtime.files import write_atomically

#: In the folder of an export.
FILE_NAME = "real_images.npz"


class RealImages(NamedTuple):
    """What a learner's curriculum stands for.

    Attributes:
      examples: [K, N, H, W, C] uint8, N training images of each class.
      mean: [C], of the training images, in units of pixel / 255.
      std: [C], likewise.
    """

    examples: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def write_real_images(path: Path, real: RealImages) -> None:
    """Writes them as .npz; atomic."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **real._asdict())
    write_atomically(path, buffer.getvalue())


def read_real_images(path: Path) -> RealImages | None:
    """Reads them; None where there are none, as in older exports.

    Raises:
      InputError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        # Opened here, for np.load leaves a damaged file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            found = RealImages(*(file[name] for name in RealImages._fields))
        if found.examples.ndim != 5 or found.examples.dtype != np.uint8:
            raise ValueError(
                f"examples are {found.examples.dtype}{found.examples.shape}"
            )
    except Exception as error:  # zipfile raises anything
        raise damaged(path, error) from error
    return found
