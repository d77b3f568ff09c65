"""A workdir in a bucket (`gs://..`): a folder here that is kept there.

An object store has no locks, no renames and no appends. So a run works in a
folder of this machine, as ever, and that folder is kept in the bucket:

* what the bucket holds is copied here first; every few seconds, and at the end,
  what is new is copied there, and what is gone is removed there;
* what says that other files are whole (`*.index` of a checkpoint,
  `metadata.json` of an export) is copied last, and removed before they change:
  a machine that vanishes leaves what a kill leaves, some seconds older;
* in place of a lock, the object `.lock` names the run and changes with every
  round: a run that finds one waits whether it changes, ends if it does, and
  takes the workdir over if it does not. Of two runs that begin within a second
  one ends at its next round at the latest.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gtn_tf.paths import (
    copy_of,
    download,
    files_in,
    gfile,
    is_in_bucket,
    local_path,
    refused_bucket,
    tf_errors,
    upload,
)
from gtn_tf.runtime.progress import say, shown_as
from gtn_tf.types import (
    DivergenceError,
    InputError,
    InUseError,
    LostWorkerError,
    one_line,
)

ROUND_SECONDS = 10.0
_DEAD_ROUNDS = 6  # without a change of the lock
_SETTLE_SECONDS = 1.0  # from writing a lock to reading it again
_LOCK = ".lock"
_LAST = ("metadata.json", ".index")


@contextlib.contextmanager
def opened_workdir(
    path: Path | str, what: str, alone: bool = True
) -> Iterator[Path]:
    """Yields a folder of this machine: the workdir, or one that is kept there.

    Args:
      path: of a folder, here or in a bucket.
      what: names it in messages.
      alone: claim the one in a bucket; else only read it and add to it.

    Raises:
      InUseError: another run has claimed it.
      InputError: it cannot be read or written.
      LostWorkerError: at the end the newest files could not be copied.
    """
    if not is_in_bucket(path):
        yield local_path(path, what)
        return
    remote, local = copy_of(path, "workdir")
    if not alone:
        local = Path(tempfile.mkdtemp(prefix="gtn_tf-"))
    with refused_bucket(remote, what):
        lease = _Lease(remote) if alone else None
        if lease is not None:
            lease.claim()
        shutil.rmtree(local, ignore_errors=True)
        local.mkdir(parents=True)
        found = files_in(remote)
        if alone and _LOCK not in found:  # never begin anew by mistake
            raise InputError(
                f"{what} {remote!r} is listed without what was just written "
                "there; expected a store that lists all that it holds; run "
                "the same command again"
            )
        found.discard(_LOCK)
        say(f"{remote} is kept in {local} while this runs")
        if found:
            say(f"copying its {len(found)} files here")
        download([(f"{remote}/{name}", local / name) for name in found])
    try:
        with _Mirror(remote, local, lease).kept(), _named(local, remote):
            yield local
    finally:
        if not alone:
            shutil.rmtree(local, ignore_errors=True)


@dataclasses.dataclass
class _Lease:
    """The object that stands for a lock.

    Attributes:
      remote: the folder that it is of.
      run: names this run.
      count: of its changes by this run.
    """

    remote: str
    run: str = dataclasses.field(default_factory=lambda: secrets.token_hex(8))
    count: int = 0

    def claim(self) -> None:
        """Waits whether another run is there; claims the folder.

        Raises:
          InUseError: there is one.
        """
        before = self._read()
        if before is not None:
            say(
                f"{self.remote} was claimed by {before.get('owner')}: waiting "
                "to see whether that run goes on"
            )
            end = time.monotonic() + _DEAD_ROUNDS * ROUND_SECONDS
            while before is not None and time.monotonic() < end:
                time.sleep(ROUND_SECONDS / 10)
                now = self._read()
                if now is not None and now != before:
                    raise self._in_use(before)
                before = now
        self._write()
        time.sleep(_SETTLE_SECONDS)
        self._check()

    def renew(self) -> None:
        """Says that this run goes on.

        Raises:
          InUseError: another one has taken over.
        """
        self._check()
        self._write()

    def end(self) -> None:
        """Gives the folder back."""
        gfile().remove(f"{self.remote}/{_LOCK}")

    def _check(self) -> None:
        now = self._read()
        if now and now.get("run") != self.run:
            raise self._in_use(now)

    def _in_use(self, found: dict[str, Any]) -> InUseError:
        return InUseError(
            f"workdir {self.remote!r} is in use by another run "
            f"({found.get('owner')}); expected one run per workdir; wait for "
            "it or give another --workdir"
        )

    def _read(self) -> dict[str, Any] | None:
        """Returns what it says, {} while it is being written, None: absent."""
        try:
            with gfile().GFile(f"{self.remote}/{_LOCK}", "rb") as file:
                found = json.loads(file.read())
        except tf_errors().NotFoundError:
            return None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self) -> None:
        self.count += 1
        owner = f"pid {os.getpid()} on {socket.gethostname()}"
        value = {"run": self.run, "owner": owner, "count": self.count}
        upload(f"{self.remote}/{_LOCK}", json.dumps(value).encode())


class _Mirror:
    """Copies what is new in a folder to a bucket, round by round."""

    def __init__(self, remote: str, local: Path, lease: _Lease | None) -> None:
        self._remote, self._local, self._lease = remote, local, lease
        self._copied = _states(local)
        self._ended = threading.Event()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Copies until the end, and once more then."""
        rounds = threading.Thread(target=self._go_round, daemon=True)
        rounds.start()
        try:
            yield
        finally:
            self._ended.set()
            rounds.join()
            self._finish()

    def _go_round(self) -> None:
        is_warned = False
        while not self._ended.wait(ROUND_SECONDS):
            try:
                self._copy()
                is_warned = False
            except InUseError as error:
                say(f"{error}; this run stops")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            except Exception as error:  # of a network: anything, and it passes
                if not is_warned:
                    say(
                        f"nothing is copied to {self._remote} at present "
                        f"({one_line(error)}); it is tried again"
                    )
                is_warned = True

    def _finish(self) -> None:
        try:
            self._copy()
            if self._lease is not None:
                self._lease.end()
        except InUseError:
            raise
        except Exception as error:  # of a network: anything
            raise LostWorkerError(
                f"{self._remote} cannot be written ({one_line(error)}); "
                f"expected to copy {str(self._local)!r} there; copy it by "
                "hand, or run the same command again, which goes on from what "
                "the bucket has"
            ) from error
        say(f"copied to {self._remote}")

    def _copy(self) -> None:
        """Copies one round.

        Raises:
          InUseError: another run has taken the folder over.
        """
        if self._lease is not None:
            self._lease.renew()
        found = _states(self._local)
        changed = [n for n in found if found[n] != self._copied.get(n)]
        changed.sort(key=lambda name: (name.endswith(_LAST), found[name]))
        for name in changed:
            if name.endswith(_LAST) and name in self._copied:
                self._remove(name)
        for name in changed:
            # Read after all are listed: rows of a log reach at least as far
            # as the checkpoints do. What is gone since, was rotated.
            with contextlib.suppress(FileNotFoundError):
                data = (self._local / name).read_bytes()
                upload(f"{self._remote}/{name}", data)
                self._copied[name] = found[name]
        # In reverse, an index goes before its data.
        for name in sorted(self._copied.keys() - found.keys(), reverse=True):
            self._remove(name)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(tf_errors().NotFoundError):
            gfile().remove(f"{self._remote}/{name}")
        del self._copied[name]


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns time and size of the files of a folder, but of hidden ones."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith("."):
                with contextlib.suppress(OSError):  # gone since
                    stat = path.stat()
                    key = path.relative_to(folder).as_posix()
                    found[key] = stat.st_mtime_ns, stat.st_size
    return found


@contextlib.contextmanager
def _named(local: Path, remote: str) -> Iterator[None]:
    """Names the bucket in messages, in place of the folder here."""
    try:
        with shown_as(str(local), remote):
            yield
    except (DivergenceError, InputError, LostWorkerError) as error:
        text = str(error).replace(str(local), remote)
        raise type(error)(text) from error
