"""Where the numbers of a run go beside its files: TensorBoard, or a tracker.

A log of your own is a class like `RunLog`, named by `log.to`. No TensorFlow
here.
"""

import importlib.util
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from gtn_tf.config.choices import LOGS
from gtn_tf.import_paths import choose
from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.types import InputError

#: Prefixes of a row's names that become groups.
_GROUPS = ("meta", "validation", "training")

#: By which runs are compared.
HParams = Mapping[str, bool | int | float | str]


class RunLog(Protocol):
    """What takes the numbers of one run, opened again where it resumes.

    A resumed run repeats the steps since its checkpoint, with the same
    numbers.

    Args:
      folder: of the run.
      hparams: by which runs are compared; there may be none.
    """

    def __init__(self, folder: Path, hparams: HParams) -> None: ...

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Takes a row's scalars of one step, by the names of the row."""

    def inner_rates(self, step: int, rates: Mapping[str, np.ndarray]) -> None:
        """Takes the rates [T] of the inner optimizer, by name."""

    def image(self, step: int, name: str, picture: np.ndarray) -> None:
        """Takes one picture, uint8 [H, W, C] of 1 to 4 channels."""

    def close(self) -> None:
        """Writes what is still held; nothing is taken after it."""


def find_logs(tensorboard: bool, to: str | None) -> tuple[type[RunLog], ...]:
    """Returns the logs that a config asks for.

    Args:
      tensorboard: `log.tensorboard`.
      to: `log.to`.

    Raises:
      InputError: the package of a log is not installed, or an import path
        leads nowhere.
    """
    names = ["tensorboard"] if tensorboard else []
    if to is not None and to not in names:
        names.append(to)
    return tuple(map(_find_log, names))


def _find_log(name: str) -> type[RunLog]:
    # The logs of ours have the names of their packages, and of the extras.
    if name in LOGS and not _is_installed(name):
        raise InputError(
            f"log.to is {name!r}, and {name} is not installed; expected its "
            f"package; pip install 'gtn_tf[{name}]'"
        )
    return choose(name, LOGS, "log.to")


def _is_installed(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    # A folder of that name, as wandb leaves one, is found without an origin.
    return spec is not None and spec.origin is not None


def tag(name: str) -> str:
    """Returns a row's name with its group: 'meta_loss' is 'meta/loss'."""
    if name == "final_meta_loss":
        return "meta/final_loss"
    for group in _GROUPS:
        if name.startswith(f"{group}_"):
            return f"{group}/{name.removeprefix(f'{group}_')}"
    return f"{_GROUPS[0]}/{name}"


def rate_scalars(
    rates: Mapping[str, np.ndarray],
) -> Iterator[tuple[str, float]]:
    """Yields the first, last and mean value of rates [T], each with its tag."""
    for name, values in rates.items():
        for part, value in (
            ("first", values[0]),
            ("last", values[-1]),
            ("mean", np.mean(values)),
        ):
            yield f"inner/{name}_{part}", float(value)


def kept_run_id(folder: Path, log: str) -> str:
    """Returns a tracker's id of the run in a folder, the same ever after.

    Args:
      folder: of the run; the id is in its `LOG.json`.
      log: of `log.to`.

    Raises:
      InputError: the file is damaged.
    """
    path = folder / f"{log}.json"
    if not path.exists():
        write_json(path, {"run_id": secrets.token_hex(8)})
    kept = read_json(path)
    if not isinstance(kept, dict) or not isinstance(kept.get("run_id"), str):
        raise InputError(
            f"{str(path)!r} holds no run_id; expected the id under which "
            f"{log} knows this run; delete the file to begin another run there"
        )
    return kept["run_id"]
