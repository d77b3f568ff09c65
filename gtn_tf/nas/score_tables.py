"""Tables of scores, as the evaluator `table` reads them; no TensorFlow."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

_Scores = Mapping[str, float | None]


def to_csv(
    texts: Mapping[str, str],
    keys: Iterable[str],
    truth: _Scores,
    others: Mapping[str, _Scores],
) -> bytes:
    """Returns a table of a row for each architecture.

    Args:
      texts: of architectures, by their key.
      keys: of those that are wanted, in their order.
      truth: its scores are the column `score`.
      others: likewise, by the name of the column. What is not known, or failed,
        is left empty.
    """
    columns = {"score": truth, **others}
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["genotype", *columns])
    for key in keys:
        found = [scores.get(key) for scores in columns.values()]
        shown = ["" if score is None else f"{score:.6g}" for score in found]
        lines.writerow([texts[key], *shown])
    return text.getvalue().encode()


def from_csv(path: Path) -> dict[str, dict[str, float | None]]:
    """Returns what `to_csv` has written: by column, by architecture's text."""
    with path.open(newline="") as file:
        rows = {row.pop("genotype"): row for row in csv.DictReader(file)}
    first = next(iter(rows.values()), {})
    return {
        name: {
            text: float(row[name]) if row[name] else None
            for text, row in rows.items()
        }
        for name in first
    }
