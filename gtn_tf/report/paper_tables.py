"""The paper's tables of CIFAR-10 test error (section 6, appendix).

`paper_tables.json` holds the values of the tables in arXiv 1912.07768, taken
from seminar slides that copy them; rows of other methods repeat what their own
papers say. The main text has the rows of random proposals, the appendix all of
them, in the order of the file. GPU days are those of the search: the final
training is not in them. The paper's own were measured on an NVIDIA P6000.

No TensorFlow here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_TABLES = json.loads((Path(__file__).parent / "paper_tables.json").read_text())
#: Where the values are from, in words.
SOURCE: str = _TABLES["source"]
_CUTOUT_PIXELS = 16


class PaperRow(NamedTuple):
    """One row, as printed.

    Attributes:
      model: what the row is called.
      test_error: in percent.
      params: as printed, such as "8.2M".
      gpu_days: of the search.
      test_error_std: of five trainings of one architecture, or None.
      is_random: whether architectures are proposed at random.
      genotype: name of a published genotype that a run may have, or None.
      strategy: that is the row's method here, with its evaluator: a search
        whose pick a run may have.
      evaluator: of that search; None: whatever it is.
      has_cutout: whether trained with Cutout.
      num_cells: N of the runs that belong here.
      channels: F of them.
    """

    model: str
    test_error: float
    params: str
    gpu_days: float
    test_error_std: float | None = None
    is_random: bool = False
    genotype: str | None = None
    strategy: str = "random"
    evaluator: str | None = None
    has_cutout: bool = False
    num_cells: int = 6
    channels: int = 36

    @property
    def method(self) -> str:
        """What the row's method is here."""
        if self.evaluator is None:
            return self.strategy
        return f"{self.strategy} by {self.evaluator}"


#: In the order of the appendix' table.
PAPER_ROWS = tuple(PaperRow(**row) for row in _TABLES["rows"])


def belongs(row: PaperRow, result: Mapping[str, Any]) -> bool:
    """Whether a training is of a row's kind, at whatever scale.

    The kind is the architecture's origin and Cutout; F counts only where both
    an F of 36 and one of 128 have a row.

    Args:
      row: of `PAPER_ROWS`.
      result: `retrain/NAME/result.json`.
    """
    rows = [r for r in PAPER_ROWS if _is_origin(r, result)]
    if row not in rows:
        return False
    widths = {r.channels for r in rows}
    return len(widths) == 1 or (row.channels == 128) == (
        result["channels"] >= 128
    )


def _is_origin(row: PaperRow, result: Mapping[str, Any]) -> bool:
    """Whether a training's architecture is of a row's, with its Cutout."""
    if row.has_cutout != (result["cutout"] > 0):
        return False
    search = result.get("search")
    if not search:
        return result["genotype_name"] == row.genotype is not None
    # Without its budget: "real:epochs=3" is a search with real data.
    evaluator = (search.get("evaluator") or "").partition(":")[0] or None
    is_strategy = search.get("strategy", "random") == row.strategy
    is_own = row.evaluator is None and row.strategy != "random"
    return is_strategy and (is_own or evaluator == row.evaluator is not None)


def paper_protocol(row: PaperRow) -> dict[str, Any]:
    """Returns the protocol of a row, by key of result.json.

    It is the paper's, of its own cells; other methods had protocols of their
    own, which differ little (`docs/architectures.md` has their N and F).
    """
    width = "of_128" if row.channels == 128 else "below_128"
    return {
        **_TABLES["protocol"],
        **_TABLES[f"protocol_{width}_channels"],
        "num_cells": row.num_cells,
        "channels": row.channels,
        "cutout": _CUTOUT_PIXELS if row.has_cutout else 0,
    }


def is_paper_scale(row: PaperRow, result: Mapping[str, Any]) -> bool:
    """Whether a training has the row's protocol, N and F, and says so."""
    return all(
        result.get(key) == value for key, value in paper_protocol(row).items()
    )
