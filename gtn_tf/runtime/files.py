"""Files that are written as a whole, and JSON in them. No TensorFlow here."""

import contextlib
import errno
import json
import math
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gtn_tf.types import InputError, one_line

_DISK_FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
#: How JSON begins that is not plain UTF-8: a mark, or a null byte.
_OTHER_ENCODINGS = (
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"),
    *(b"{\0", b"[\0", b"\0"),
)


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replaces a file as a whole: its readers see the old or the new content.

    Args:
      path: of the file.
      data: what it holds, or pieces of it, which are asked for one by one.

    Raises:
      OSError: It cannot be written; the old file, if any, is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def disk_failure(error: Exception) -> str:
    """Returns what to say of an error of the disk, or '' if it is none."""
    text = one_line(error)
    # Errors of a network, too, are OSErrors; they have no file.
    if isinstance(error, OSError) and (
        error.filename or error.errno in _DISK_FAILURES
    ):
        place = f" {str(error.filename)!r}" if error.filename else ""
        text = f"{error.strerror}{place}"
    elif not any(os.strerror(code) in text for code in _DISK_FAILURES):
        return ""  # TensorFlow's errors quote the system's
    return (
        f"{text}; expected a disk with space that can be written; free some "
        "and run the same command, which goes on from what was saved"
    )


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


def open_to_read(path: Path) -> BinaryIO:
    """Opens a file; not what is none, such as a pipe, which may never end.

    Raises:
      OSError: It is absent, unreadable or no regular file.
    """
    # A pipe that nobody writes to would wait already when it is opened.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        reason = os.strerror(code) if stat.S_ISDIR(mode) else "Not a file"
        raise OSError(code, reason, str(path))
    return open(number, "rb")


def parse_json(text: bytes | str) -> Any:
    """Returns the value of a JSON text, with or without a byte order mark.

    Raises:
      ValueError: It is none, or is nested too deeply.
    """
    try:
        # Of bytes, json guesses the encoding: longer than it parses a row.
        if isinstance(text, str):
            text = text.removeprefix("\ufeff")
        elif not text.startswith(_OTHER_ENCODINGS):
            text = text.decode()
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
      InputError: It is absent, unreadable or no JSON.
    """
    try:
        with open_to_read(path) as file:
            return parse_json(file.read())
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except ValueError as error:
        reason = f"is no JSON ({error})"
    raise InputError(
        f"{str(path)!r} {reason}; expected a JSON file written by gtn_tf; give "
        "another path or run again what writes it"
    )


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder that in the end becomes `path`.

    A kill leaves the old folder or the new one, but between the two renames
    at the end: there it leaves none, and the next call puts the old one back.
    """
    new, old = (path.with_name(f".{path.name}.{s}") for s in ("new", "old"))
    if old.exists() and not path.exists():
        os.replace(old, path)
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    yield new
    if path.exists():
        os.replace(path, old)
    os.replace(new, path)
    shutil.rmtree(old, ignore_errors=True)
