"""The paper's tables of CIFAR-10 test error, as data (section 6, appendix).

Values are those of the tables in arXiv 1912.07768, taken from seminar slides
that copy them; rows of other methods repeat what their own papers say. The
main text has the rows of random proposals, the appendix all of them. GPU days
are those of the search: the final training is not in them. The paper's own
were measured on an NVIDIA P6000.

Imports no TensorFlow.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

SOURCE = "table of arXiv 1912.07768, as copied in seminar slides"


class PaperRow(NamedTuple):
    """One row, as printed.

    Attributes:
      model: what the row is called.
      test_error: in percent.
      test_error_std: of five trainings of one architecture, or None.
      params: as printed, such as "8.2M".
      gpu_days: of the search.
      is_random: whether architectures are proposed at random.
      genotype: name of a published genotype that a run may have, or None.
      evaluator: of a search whose pick a run may have, or None.
      has_cutout: whether trained with Cutout.
      num_cells: N of the runs that belong here.
      channels: F of them.
    """

    model: str
    test_error: float
    test_error_std: float | None
    params: str
    gpu_days: float
    is_random: bool = False
    genotype: str | None = None
    evaluator: str | None = None
    has_cutout: bool = False
    num_cells: int = 6
    channels: int = 36


_CUTOUT: dict[str, Any] = {"has_cutout": True}
_ENAS: dict[str, Any] = {"genotype": "ENAS", "num_cells": 5}
_REAL: dict[str, Any] = {"is_random": True, "evaluator": "real"}
_GTN: dict[str, Any] = {"is_random": True, "evaluator": "gtn"}

#: In the order of the appendix' table.
PAPER_ROWS = (
    PaperRow(
        "NASNet-A", 3.41, None, "3.3M", 2000, genotype="NASNet-A", channels=32
    ),
    PaperRow(
        "AmoebaNet-B + Cutout",
        2.13,
        None,
        "34.9M",
        3150,
        genotype="AmoebaNet-B",
        channels=128,
        **_CUTOUT,
    ),
    PaperRow(
        "DARTS + Cutout", 2.83, None, "4.6M", 4, genotype="DARTS-V2", **_CUTOUT
    ),
    PaperRow(
        "NAONet + Cutout",
        2.48,
        None,
        "10.6M",
        200,
        genotype="NAONet-A",
        **_CUTOUT,
    ),
    PaperRow("NAONet-WS", 3.53, None, "2.5M", 0.3, genotype="NAONet-B"),
    PaperRow(
        "NAONet-WS + Cutout",
        2.93,
        None,
        "2.5M",
        0.3,
        genotype="NAONet-B",
        **_CUTOUT,
    ),
    PaperRow("ENAS", 3.54, None, "4.6M", 0.45, **_ENAS),
    PaperRow("ENAS + Cutout", 2.89, None, "4.6M", 0.45, **_ENAS, **_CUTOUT),
    PaperRow("GHN Top-Best + Cutout", 2.84, 0.07, "5.7M", 0.84, **_CUTOUT),
    PaperRow("GHN Top", 4.3, 0.1, "5.1M", 0.42, is_random=True),
    PaperRow(
        "Random search + weight sharing",
        3.92,
        None,
        "3.9M",
        0.25,
        is_random=True,
    ),
    PaperRow("Random search + real data", 3.88, 0.08, "12.4M", 10, **_REAL),
    PaperRow("Random search + GTN", 3.84, 0.06, "8.2M", 0.67, **_GTN),
    PaperRow(
        "Random search + real data + Cutout",
        3.02,
        0.03,
        "12.4M",
        10,
        **_REAL,
        **_CUTOUT,
    ),
    PaperRow(
        "Random search + GTN + Cutout",
        2.92,
        0.06,
        "8.2M",
        0.67,
        **_GTN,
        **_CUTOUT,
    ),
    PaperRow(
        "Random search + real data + Cutout (F=128)",
        2.51,
        0.13,
        "151.7M",
        10,
        channels=128,
        **_REAL,
        **_CUTOUT,
    ),
    PaperRow(
        "Random search + GTN + Cutout (F=128)",
        2.42,
        0.03,
        "97.9M",
        0.67,
        channels=128,
        **_GTN,
        **_CUTOUT,
    ),
)


def belongs(row: PaperRow, result: Mapping[str, Any]) -> bool:
    """Whether a training is of a row's kind, at whatever scale.

    The kind is the architecture's origin and Cutout; F counts only where both
    an F of 36 and one of 128 have a row.

    Args:
      row: of `PAPER_ROWS`.
      result: `retrain/NAME/result.json`.
    """
    search = result.get("search") or {}
    # Without its budget: "real:epochs=3" is a search with real data.
    evaluator = (search.get("evaluator") or "").partition(":")[0] or None
    name = None if search else result["genotype_name"]
    if evaluator is name is None:
        return False
    origin = (name, evaluator, result["cutout"] > 0)
    if origin != _origin(row):
        return False
    widths = {r.channels for r in PAPER_ROWS if _origin(r) == origin}
    return len(widths) == 1 or (row.channels == 128) == (
        result["channels"] >= 128
    )


def _origin(row: PaperRow) -> tuple[str | None, str | None, bool]:
    return row.genotype, row.evaluator, row.has_cutout


#: The protocol of all rows, by key of result.json.
_PROTOCOL = {
    "dataset": "cifar10",
    "use_validation": True,
    "num_epochs": 600,
    "batch_size": 128,
    "learning_rate": 0.025,
    "momentum": 0.9,
    "global_clipnorm": 5.0,
    "auxiliary_weight": 0.4,
    "dropout_keep": 0.6,
    "precision": "float32",
}
_CUTOUT_PIXELS = 16
_WIDE = {"weight_decay": 5e-4, "drop_path_keep": 0.7}
_NARROW = {"weight_decay": 3e-4, "drop_path_keep": 0.8}


def paper_protocol(row: PaperRow) -> dict[str, Any]:
    """Returns the protocol of a row, by key of result.json.

    It is the paper's, of its own cells; other methods had protocols of their
    own, which differ little (`docs/architectures.md` has their N and F).
    """
    return {
        **_PROTOCOL,
        **(_WIDE if row.channels == 128 else _NARROW),
        "num_cells": row.num_cells,
        "channels": row.channels,
        "cutout": _CUTOUT_PIXELS if row.has_cutout else 0,
    }


def is_paper_scale(row: PaperRow, result: Mapping[str, Any]) -> bool:
    """Whether a training has the row's protocol, N and F, and says so."""
    return all(
        result.get(key) == value for key, value in paper_protocol(row).items()
    )
