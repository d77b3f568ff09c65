"""Checkpoints: what a run needs to go on, rotated and whole."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import logging

from gtn_tf.runtime.files import write_atomically
from gtn_tf.types import InputError, one_line

_FILE = re.compile(r"ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})")


class Checkpoints:
    """Saves and restores TensorFlow objects by step: `ckpt-<step>.*`.

    A checkpoint is written in a folder `.part` beside them and renamed, the
    index last: what has an index is complete, so a kill at any moment leaves
    the earlier ones as they were. Which checkpoints there are is read from
    the directory. The file `checkpoint` is written for
    `tf.train.latest_checkpoint` and never read, for it may be lost or stale.

    Args:
      directory: Created at the first save.
      objects: By name: variables, Keras models and optimizers, modules, all
        of them built.
      max_to_keep: How many checkpoints to keep, at least 1.
    """

    def __init__(
        self, directory: Path, objects: dict[str, Any], max_to_keep: int
    ) -> None:
        if max_to_keep < 1:
            raise InputError(
                f"max_to_keep is {max_to_keep}; expected at least 1; set "
                "checkpoint.max_to_keep"
            )
        self._directory = Path(directory)
        self._checkpoint = tf.train.Checkpoint(**objects)
        self._max_to_keep = max_to_keep
        self._unusable: set[int] = set()

    def save(self, step: int) -> None:
        """Saves all objects as `step` and removes what is no longer kept.

        A checkpoint of a later step belongs to a course that was given up
        (it did not restore): it is removed, as are its rows in metrics.jsonl.
        """
        part = self._directory / ".part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        self._checkpoint.write(str(part / f"ckpt-{step}"))
        # "data" sorts before "index", the rename that makes it a checkpoint.
        for path in sorted(part.glob("ckpt-*")):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(path, self._directory / path.name)
        part.rmdir()
        self._unusable.discard(step)
        self._rotate(step)

    def restore_latest(self) -> int | None:
        """Restores the newest checkpoint that is whole and fits.

        Each candidate is read in full and compared, by names, types and
        shapes in both directions, before any object changes.

        Returns:
          The restored step, or None where there is no checkpoint.

        Raises:
          InputError: There are checkpoints, but none restores.
        """
        steps = self._steps()
        if not steps:
            return None
        expected = self._expected_entries()
        reasons = []
        for step in reversed(steps):
            prefix = self._directory / f"ckpt-{step}"
            reason = self._restore(prefix, expected)
            if not reason:
                for skipped in reasons:
                    logging.warning(
                        "Skipped checkpoint %s; restored %s.", skipped, prefix
                    )
                return step
            self._unusable.add(step)
            reasons.append(f"{prefix}.index ({reason})")
        raise InputError(
            f"no checkpoint restores: {', '.join(reasons)}; expected one that "
            "is whole and was saved by the same model; restore the files from "
            "a copy or start in another --workdir"
        )

    def _restore(self, prefix: Path, expected: dict[str, str]) -> str:
        """Returns why the checkpoint does not restore, '' where it did."""
        for path in prefix.parent.glob(f"{prefix.name}.*"):
            if not path.is_file():  # a pipe would be waited for
                return f"{path.name} is no file"
        try:
            found = self._entries(prefix, read_values=True)
            for name in sorted(found.keys() | expected.keys()):
                here = expected.get(name, "nothing")
                if found.get(name, "nothing") != here:
                    return (
                        f"does not fit: {name} is "
                        f"{found.get(name, 'nothing')} there and {here} here"
                    )
            self._checkpoint.read(str(prefix)).assert_consumed()
        except (
            tf.errors.OpError,
            AssertionError,
            LookupError,  # what TF makes of a truncated data file
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            return one_line(error)
        return ""

    def _entries(self, prefix: Path, read_values: bool) -> dict[str, str]:
        """Returns type and shape by name; `read_values` checks all sums."""
        reader = tf.train.load_checkpoint(str(prefix))
        types = reader.get_variable_to_dtype_map()
        shapes = reader.get_variable_to_shape_map()
        if read_values:
            for name in shapes:
                reader.get_tensor(name)
        return {
            name: f"{types[name].name}{shape}" for name, shape in shapes.items()
        }

    def _expected_entries(self) -> dict[str, str]:
        # No public call lists the names that an object graph is saved under,
        # and `read` finds a misfit only after it has assigned a part. So the
        # objects are saved once more, to be compared with. Not in the
        # directory: it may be read-only.
        with tempfile.TemporaryDirectory() as folder:
            self._checkpoint.write(f"{folder}/ckpt")
            return self._entries(Path(folder) / "ckpt", read_values=False)

    def _steps(self) -> list[int]:
        files = map(_FILE.fullmatch, _names(self._directory))
        return sorted(
            int(file[1]) for file in files if file and file[2] == "index"
        )

    def _rotate(self, step: int) -> None:
        usable = [s for s in self._steps() if s not in self._unusable]
        kept = [s for s in usable if s <= step][-self._max_to_keep :]
        lines = [f'model_checkpoint_path: "ckpt-{step}"']
        lines += [f'all_model_checkpoint_paths: "ckpt-{s}"' for s in kept]
        write_atomically(
            self._directory / "checkpoint", "\n".join([*lines, ""]).encode()
        )
        for name in sorted(_names(self._directory), reverse=True):
            # In reverse, an index goes before its data: never a false one.
            file = _FILE.fullmatch(name)
            if file and int(file[1]) not in kept:
                (self._directory / name).unlink(missing_ok=True)


def has_checkpoint(directory: Path, step: int) -> bool:
    """Whether a directory of `Checkpoints` holds a whole one of this step."""
    return (Path(directory) / f"ckpt-{step}.index").exists()


def _names(directory: Path) -> list[str]:
    return os.listdir(directory) if directory.is_dir() else []
