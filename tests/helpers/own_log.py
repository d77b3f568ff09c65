"""A log of somebody's own, which `log.to` names."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np


class OwnLog:
    """Writes a line of JSON for all that it is given."""

    def __init__(self, folder: Path, hparams: Mapping) -> None:
        self._file = (folder / "own_log.jsonl").open("a")
        self._write("hparams", 0, dict(hparams))

    def _write(self, kind: str, step: int, value: object) -> None:
        self._file.write(json.dumps([kind, step, value]) + "\n")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._write("scalars", step, dict(values))

    def inner_rates(self, step: int, rates: Mapping[str, np.ndarray]) -> None:
        found = {name: len(values) for name, values in rates.items()}
        self._write("inner_rates", step, found)

    def image(self, step: int, name: str, picture: np.ndarray) -> None:
        self._write("image", step, [name, str(picture.dtype), picture.ndim])

    def close(self) -> None:
        self._file.close()
