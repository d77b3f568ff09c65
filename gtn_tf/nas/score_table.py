"""Scores that were found elsewhere, as CSV; imports no TensorFlow."""

import csv
import functools
import math
from pathlib import Path

from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.types import InputError


@functools.lru_cache(maxsize=4)
def read_scores(path: Path) -> dict[str, float]:
    """Reads a table of scores; kept for the next call.

    Args:
      path: a CSV file with the columns `genotype` (as text) and `score`;
        others are ignored.

    Returns:
      Scores by the key of the genotype.

    Raises:
      InputError: no such file or columns, a genotype or a score that cannot
        be read.
    """
    try:
        with Path(path).open(newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"table {str(path)!r} cannot be read ({error}); expected a CSV "
            "file; correct search.evaluators"
        ) from error
    if not rows or not {"genotype", "score"} <= rows[0].keys():
        columns = ", ".join(map(str, rows[0])) if rows else "no rows"
        raise InputError(
            f"table {str(path)!r} has {columns}; expected rows with the "
            "columns genotype and score; rename them"
        )
    return {
        Genotype.from_text(row["genotype"]).key(): _score(path, row)
        for row in rows
    }


def _score(path: Path, row: dict[str, str]) -> float:
    try:
        score = float(row["score"])
        if math.isfinite(score):
            return score
    except (TypeError, ValueError):
        pass
    raise InputError(
        f"table {str(path)!r} has the score {row['score']!r}; expected "
        "numbers; leave such rows out"
    )
