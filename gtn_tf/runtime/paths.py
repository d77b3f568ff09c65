"""Paths as people write them: `~` is their home; a bucket is no folder."""

import re
from pathlib import Path

from gtn_tf.types import InputError

_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:/")


def local_path(path: Path | str, what: str) -> Path:
    """Returns a path of this machine's file system.

    Args:
      path: `~` and `~name` stand for home folders.
      what: names the path in messages.

    Raises:
      InputError: it is in a bucket (`gs://..`), of an unknown user, or holds
        bytes that are no UTF-8, in which TensorFlow takes its paths.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} is {str(path)!r}, which is no UTF-8; expected a name in "
            "UTF-8; rename it or link to it"
        ) from error
    if _SCHEME.match(str(path)):
        raise InputError(
            f"{what} is {str(path)!r}; expected a folder of this machine's "
            "file system; mount the bucket, or copy from and to it"
        )
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{what} is {str(path)!r}, of no known user; expected a folder; "
            "write its whole path"
        ) from error
