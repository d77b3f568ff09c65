"""Files that are written as a whole, and JSON in them. No TensorFlow here."""

import json
import math
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from gtn_tf.types import InputError


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces a file as a whole: its readers see the old or the new content.

    Raises:
      OSError: It cannot be written; the old file, if any, is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(value: Any) -> Any:
    """Returns `value` in types that JSON has; NaN and infinities become None.

    Args:
      value: Nested dicts, lists and tuples of Python, NumPy or scalar tensor
        values.
    """
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return to_json(value.tolist())
    if hasattr(value, "numpy"):
        return to_json(value.numpy())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, keys in their order; NaN becomes null."""
    text = json.dumps(to_json(value), indent=2, allow_nan=False)
    write_atomically(Path(path), (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
      InputError: It is absent, unreadable or no JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except ValueError as error:
        reason = f"is no JSON ({error})"
    raise InputError(
        f"{str(path)!r} {reason}; expected a JSON file written by gtn_tf; give "
        "another path or run again what writes it"
    )
