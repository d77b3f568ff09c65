"""Scores that were found elsewhere, as CSV.

An architecture is read from the first of the columns `genotype`, `net_str`,
`net` that there is, its score from the one that is asked for, or the first of
`score`, `val_accs`: so the tables of NAS-Bench-201 are read as they are. Of
several rows of one function, as of several seeds, the mean counts. Rows whose
score is empty are left out.
"""

import csv
import hashlib
import io
import math
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from gtn_tf.config.evaluator_names import EvaluatorName
from gtn_tf.nas.evaluators.evaluator import (
    Evaluation,
    Evaluator,
    Job,
    untrained,
)
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.paths import path_to_read
from gtn_tf.runtime.files import open_to_read
from gtn_tf.search_spaces.protocol import Architecture, Space
from gtn_tf.types import InputError

_ARCHITECTURE = ("genotype", "net_str", "net")
_SCORE = ("score", "val_accs")


class Table(Evaluator):
    """`table`, `table:PATH`, `table:PATH:COLUMN`: the row of the architecture.

    Raises:
      InputError: no path is given; or see `read_scores`.
    """

    is_random = False

    def __init__(
        self, name: EvaluatorName, spec: SearchSpec, space: Space
    ) -> None:
        super().__init__(name, spec, space)
        path = name.path or spec.table
        if path is None:
            raise InputError(
                f"evaluator '{name.text}' without search.table; expected a CSV "
                "file with a column 'genotype' and a column 'score', or "
                "NAS-Bench-201's; set --config.search.table to its path"
            )
        self._path = Path(spec.folder) / path_to_read(path, name.text)
        self._scores = read_scores(self._path, space, name.column)

    def budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        text = repr(sorted(self._scores.items()))
        return {"scores_sha256": hashlib.sha256(text.encode()).hexdigest()}

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""
        began = time.perf_counter()
        score = self._scores.get(self.space.key(job.architecture))
        if score is None and self.is_truth:
            raise InputError(
                f"search.truth '{self.name.text}' has no row of '{job.text}'; "
                "expected one of every architecture that it is asked for; "
                "give a table that has, or another --config.search.truth"
            )
        if score is None:
            raise LookupError(f"{self._path} has no such genotype")
        return untrained(score, began)


def read_scores(
    path: Path, space: Space, column: str | None = None
) -> dict[str, float]:
    """Reads a table of scores.

    Args:
      path: a CSV file with columns as above; others are ignored.
      space: of its architectures.
      column: of the scores.

    Returns:
      Scores by the key of the architecture.

    Raises:
      InputError: no such file or columns, an architecture or a score that
        cannot be read.
    """
    try:
        with open_to_read(path) as file:
            text = file.read().decode("utf-8-sig")  # a byte order mark or none
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"table {str(path)!r} cannot be read ({error}); expected a CSV "
            "file; correct search.table or the evaluator that names it"
        ) from error
    there = rows[0] if rows else {}
    wanted = _SCORE if column is None else (column,)
    texts = next((name for name in _ARCHITECTURE if name in there), None)
    scores = next((name for name in wanted if name in there), None)
    if texts is None or scores is None:
        raise InputError(
            f"table {str(path)!r} has {', '.join(map(str, there)) or 'no rows'}"
            f"; expected rows with the columns genotype and {wanted[0]}; "
            "rename them"
        )
    found: dict[str, list[float]] = {}
    for row in rows:
        if row[scores] == "":
            continue
        architecture = _architecture(path, space, row[texts])
        score = _score(path, row[scores])
        found.setdefault(space.key(architecture), []).append(score)
    return {key: fmean(values) for key, values in found.items()}


def _architecture(path: Path, space: Space, text: str | None) -> Architecture:
    if text is None:
        raise InputError(
            f"table {str(path)!r} has a row without a genotype; expected one "
            "in each; leave such rows out"
        )
    try:
        return space.from_text(text)
    except InputError as error:
        raise InputError(f"table {str(path)!r}: {error}") from error


def _score(path: Path, text: str | None) -> float:
    try:
        score = float(text)
        if math.isfinite(score):
            return score
    except (TypeError, ValueError):
        pass
    raise InputError(
        f"table {str(path)!r} has the score {text!r}; expected "
        "numbers; leave such rows out"
    )
