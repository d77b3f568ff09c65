"""Reads the files of an export, or says what is wrong with them.

No TensorFlow here.
"""

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gtn_tf.datasets.memory import memory_bytes
from gtn_tf.runtime.files import open_to_read, read_json
from gtn_tf.types import InputError, one_line

FORMAT_VERSION = 1
#: What curriculum.npz holds, in this order.
ARRAYS = ("images", "labels", "inner_learning_rate", "inner_momentum")


def read_metadata(path: Path) -> dict[str, Any]:
    """Reads metadata.json.

    Raises:
      InputError: it is absent, damaged, or of another version.
    """
    metadata = read_json(path)
    if not isinstance(metadata, dict) or "format_version" not in metadata:
        raise InputError(
            f"{str(path)!r} is of no export; expected one JSON object with "
            "'format_version'; give another path"
        )
    version = metadata["format_version"]
    if version != FORMAT_VERSION:
        raise InputError(
            f"{str(path)!r} has format_version {version!r}; expected "
            f"{FORMAT_VERSION}; read it with the gtn_tf that wrote it or run "
            "--mode=export again"
        )
    return metadata


def read_arrays(path: Path, metadata: dict[str, Any]) -> dict[str, np.ndarray]:
    """Reads curriculum.npz; returns float32 arrays, [T, ...] each.

    Raises:
      InputError: it is absent, damaged, or not as the metadata say.
    """
    try:
        steps = (metadata["num_inner_steps"],)
        examples = (*steps, metadata["inner_batch_size"])
        shapes = (
            (*examples, *metadata["image_shape"]),
            (*examples, metadata["num_classes"]),
            steps,
            steps,
        )
        # Opened here, for np.load leaves a damaged file open.
        with open_to_read(path) as raw:
            if zipfile.is_zipfile(raw):
                for name, shape in zip(ARRAYS, shapes, strict=True):
                    _check_header(raw, name, shape)
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ARRAYS}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are not finite")
    except Exception as error:  # zipfile raises anything
        raise damaged(path, error) from error
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _check_header(raw: BinaryIO, name: str, shape: tuple[int, ...]) -> None:
    """Reads what an array says of itself before all of it is unpacked."""
    with zipfile.ZipFile(raw) as file, file.open(f"{name}.npy") as array:
        if np.lib.format.read_magic(array) != (1, 0):  # others may be long
            raise ValueError(f"{name} has an unknown header")
        found, _, dtype = np.lib.format.read_array_header_1_0(array)
    # Bundled ones are in half precision.
    is_float = dtype in (np.float32, np.float16)
    if not dtype.hasobject and not (is_float and found == shape):
        raise ValueError(
            f"{name} is {dtype}{found} where metadata.json says float32{shape}"
        )
    if 4 * math.prod(shape) > memory_bytes():
        raise ValueError(f"{name} is float32{shape}, more than the memory")


def damaged(path: Path, error: Exception) -> InputError:
    """Returns the error of a file that cannot be used."""
    return InputError(
        f"{str(path)!r} is damaged ({one_line(error)}); expected a file that "
        "--mode=export wrote; run it again"
    )
