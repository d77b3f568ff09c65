"""A workdir: one run at a time, and one config. No TensorFlow here."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.config import FIELDS, flatten
from gtn_tf.runtime.files import read_json, to_json
from gtn_tf.types import InputError, InUseError


@contextlib.contextmanager
def claim_workdir(workdir: Path) -> Iterator[None]:
    """Holds the workdir, created where absent, for this process alone.

    The kernel drops the lock when the process ends, however it ends.

    Raises:
      InUseError: Another run holds it.
      InputError: It cannot be created or written.
    """
    workdir = Path(workdir)
    with contextlib.ExitStack() as stack:
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            # Not "w": that would empty the pid of the run that holds it.
            lock = stack.enter_context((workdir / ".lock").open("a+"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise InUseError(
                f"workdir {str(workdir)!r} is in use by another run (pid "
                f"{pid}); expected one run per workdir; wait for it or give "
                "another --workdir"
            ) from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise InputError(
                f"workdir {str(workdir)!r} cannot be used ({error.strerror}); "
                "expected a directory that can be created and written; give "
                "another --workdir"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def check_workdir(config: config_dict.ConfigDict, workdir: Path) -> None:
    """Compares a config with the config.json of a workdir, if it has one.

    Raises:
      InputError: They differ in a key that may not change, or the file is
        damaged.
    """
    path = Path(workdir) / "config.json"
    if path.exists():
        saved = read_json(path)
        if not isinstance(saved, dict):
            raise InputError(
                f"{str(path)!r} holds no config; expected one JSON object; "
                "restore it from a copy or give another --workdir"
            )
        saved.pop("environment", None)
        # A key that came after the workdir was begun: its default is what the
        # run did then.
        defaults = {key: field.default for key, field in FIELDS.items()}
        free = [key for key, field in FIELDS.items() if field.may_change]
        check_same_config(
            defaults | dict(flatten(saved)), config.to_dict(), free
        )


def check_same_config(
    saved: dict,
    config: dict,
    may_change: Collection[str],
    remedy: str = "give another --workdir",
) -> None:
    """Compares a config with the one that a workdir, or training, began with.

    Args:
      saved: Nested dicts, as read from config.json.
      config: Nested dicts; tuples equal lists.
      may_change: Dotted keys, or prefixes of them ('evaluation' stands for
        'evaluation.num_learners' too), that may differ.
      remedy: What to do but to set the values back.

    Raises:
      InputError: Any other key differs or is in one of them only.
    """
    before, now = (dict(flatten(to_json(c))) for c in (saved, config))
    different = [
        f"{key}={_shown(now, key)} (saved: {_shown(before, key)})"
        for key in {**now, **before}
        if (key in now, now.get(key)) != (key in before, before.get(key))
        and not any(f"{key}.".startswith(f"{free}.") for free in may_change)
    ]
    if different:
        raise InputError(
            f"config has {', '.join(different)}; expected the values that it "
            f"was begun with; set them back or {remedy}"
        )


def _shown(flat: dict[str, Any], key: str) -> str:
    return repr(flat[key]) if key in flat else "absent"
