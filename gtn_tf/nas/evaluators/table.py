"""Scores that were found elsewhere, as CSV."""

import csv
import hashlib
import math
import time
from pathlib import Path
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
from gtn_tf.search_spaces.protocol import Space
from gtn_tf.types import InputError


class Table(Evaluator):
    """`table:PATH`: the row of the architecture.

    Raises:
      InputError: see `read_scores`.
    """

    def __init__(
        self, name: EvaluatorName, spec: SearchSpec, space: Space
    ) -> None:
        super().__init__(name, spec, space)
        self._path = Path(spec.folder) / name.path
        self._scores = read_scores(self._path, space)

    def budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        text = repr(sorted(self._scores.items()))
        return {"scores_sha256": hashlib.sha256(text.encode()).hexdigest()}

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""
        began = time.perf_counter()
        score = self._scores.get(self.space.key(job.architecture))
        if score is None:
            raise LookupError(f"{self._path} has no such genotype")
        return untrained(score, began)


def read_scores(path: Path, space: Space) -> dict[str, float]:
    """Reads a table of scores.

    Args:
      path: a CSV file with the columns `genotype` (as text) and `score`;
        others are ignored.
      space: of its architectures.

    Returns:
      Scores by the key of the architecture.

    Raises:
      InputError: no such file or columns, an architecture or a score that
        cannot be read.
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
        space.key(space.from_text(row["genotype"])): _score(path, row)
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
