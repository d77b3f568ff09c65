"""Paths as people write them: `~` is their home; `gs://..` is in a bucket.

What is in a bucket is read and written by `tf.io.gfile`, whole files at a time.
TensorFlow is imported by what is called with a bucket only.
"""

import contextlib
import functools
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gtn_tf.types import InputError, one_line

_SCHEME = re.compile(r"([A-Za-z][\w+.-]+):/+")
_THREADS = 16
_PART = ".part-"


def path_to_read(path: Path | str, what: str) -> Path:
    """Returns a path of this machine; what is in a bucket is copied here.

    Args:
      path: as of `local_path`, or of a file or folder in a bucket.
      what: names it in messages.

    Returns:
      The path; the same one each time, absent where the bucket has none.

    Raises:
      InputError: as of `local_path`, or the bucket cannot be read.
    """
    if not is_in_bucket(path):
        return local_path(path, what)
    remote, local = copy_of(path, "read")
    with refused_bucket(remote, what):
        if gfile().exists(remote) and not gfile().isdir(remote):
            download([(remote, local)])
        else:
            names = files_in(remote)
            _remove_others(local, names)
            download([(f"{remote}/{n}", local / n) for n in names])
    return local


def local_path(path: Path | str, what: str) -> Path:
    """Returns a path of this machine's file system.

    Args:
      path: `~` and `~name` stand for home folders.
      what: names the path in messages.

    Raises:
      InputError: it is no path, in a bucket (`gs://..`), of an unknown user,
        or holds bytes that are no UTF-8, in which TensorFlow takes its paths.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} is {str(path)!r}, which is no UTF-8; expected a name in "
            "UTF-8; rename it or link to it"
        ) from error
    if is_in_bucket(path):
        raise InputError(
            f"{what} is {str(path)!r}; expected a folder of this machine's "
            "file system; mount the bucket, or copy from and to it"
        )
    try:
        return Path(path).expanduser()
    except TypeError as error:
        raise InputError(
            f"{what} is a {type(path).__name__}; expected a text or a "
            "pathlib.Path; give one"
        ) from error
    except RuntimeError as error:
        raise InputError(
            f"{what} is {str(path)!r}, of no known user; expected a folder; "
            "write its whole path"
        ) from error


def is_in_bucket(path: Path | str) -> bool:
    """Whether a path has a scheme, as `gs://bucket/run` has."""
    return _SCHEME.match(str(path)) is not None


def copy_of(path: Path | str, use: str) -> tuple[str, Path]:
    """Returns a path in a bucket, and where its copy here belongs.

    Args:
      path: in a bucket.
      use: of the copy: what is only read is no run's own.
    """
    scheme = _SCHEME.match(str(path))[1]
    rest = _SCHEME.sub("", str(path), count=1)
    parts = [part for part in rest.split("/") if part not in ("", ".", "..")]
    root = Path(tempfile.gettempdir(), f"gtn_tf-{os.getuid()}", use, scheme)
    slashes = "///" if scheme == "file" else "//"
    return f"{scheme}:{slashes}{'/'.join(parts)}", root.joinpath(*parts)


def files_in(remote: str) -> set[str]:
    """Returns the files of a folder in a bucket, as paths in it."""
    found: set[str] = set()
    folders = [""]
    with ThreadPoolExecutor(_THREADS) as pool:
        while folders:
            folder = folders.pop()
            try:
                names = gfile().listdir(f"{remote}/{folder}")
            except tf_errors().NotFoundError:
                continue
            paths = [folder + n.rstrip("/") for n in names if n.strip("/")]
            whole = [f"{remote}/{path}" for path in paths]
            are_folders = pool.map(gfile().isdir, whole)
            for path, is_folder in zip(paths, are_folders, strict=True):
                if is_folder:
                    folders.append(f"{path}/")
                else:
                    found.add(path)
    return found


def download(pairs: Sequence[tuple[str, Path]]) -> None:
    """Copies files from a bucket, but those that are here as they are there."""

    def copy(pair: tuple[str, Path]) -> None:
        remote, local = pair
        there = gfile().stat(remote)
        if _is_same(there, local):
            return
        local.parent.mkdir(parents=True, exist_ok=True)
        with gfile().GFile(remote, "rb") as file:
            data = file.read()
        # Another process may copy the same file.
        number, part = tempfile.mkstemp(dir=local.parent, prefix=_PART)
        with open(number, "wb") as file:
            file.write(data)
        os.utime(part, ns=(there.mtime_nsec, there.mtime_nsec))
        os.replace(part, local)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(copy, pairs))


def _remove_others(local: Path, names: set[str]) -> None:
    """Removes copies of what the bucket no longer has."""
    if local.is_file():
        local.unlink(missing_ok=True)
    for path in [*local.rglob("*")]:
        name = path.relative_to(local).as_posix()
        is_part = path.name.startswith(_PART)  # of another process
        if path.is_file() and name not in names and not is_part:
            path.unlink(missing_ok=True)


def _is_same(there: Any, here: Path) -> bool:
    """Whether a file was copied here since it was last written there."""
    try:
        stat = here.stat()
    except OSError:
        return False
    is_same = (stat.st_size, stat.st_mtime_ns) == (
        there.length,
        there.mtime_nsec,
    )
    return is_same and there.mtime_nsec > 0  # in memory, files have no time


def upload(remote: str, data: bytes) -> None:
    """Writes a file of a bucket as a whole."""
    _make_folder(remote.rpartition("/")[0])
    with gfile().GFile(remote, "wb") as file:
        file.write(data)


@functools.cache
def _make_folder(remote: str) -> None:
    gfile().makedirs(remote)


@contextlib.contextmanager
def refused_bucket(remote: str, what: str) -> Iterator[None]:
    """Makes an InputError of what TensorFlow says of a bucket."""
    try:
        yield
    except tf_errors().OpError as error:
        schemes = [f"{s}://" for s in gfile().get_registered_schemes() if s]
        raise InputError(
            f"{what} {remote!r} cannot be used ({one_line(error)}); expected "
            f"a path here, or in {' or '.join(sorted(schemes))}, which "
            "TensorFlow reaches; look at credentials and network, or mount it"
        ) from error


def gfile() -> Any:
    """Returns `tf.io.gfile`."""
    import tensorflow as tf

    return tf.io.gfile


def tf_errors() -> Any:
    """Returns `tf.errors`."""
    import tensorflow as tf

    return tf.errors
