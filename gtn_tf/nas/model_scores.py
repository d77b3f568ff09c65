"""What `rank` returns: scores as a list, and what is known beside them."""

import dataclasses
import math
from collections.abc import Sequence
from typing import SupportsIndex

from gtn_tf.statistics.intervals import Interval, shown
from gtn_tf.types import InputError


@dataclasses.dataclass(frozen=True)
class ModelScore:
    """One network.

    Attributes:
      name: of its builder: its key, or its place in the list.
      score: the mean over the initialisations; NaN where it has none.
      ci95: the interval of that mean; None for one initialisation.
      rates: with which it learned best, in words.
      seconds: that it took, its building and its tracing too.
      refusal: why it has no score; None where it has one.
    """

    name: str
    score: float
    ci95: tuple[float, float] | None = None
    rates: str | None = None
    seconds: float = 0.0
    refusal: str | None = None

    @classmethod
    def of(
        cls, name: str, values: Interval, rates: str, seconds: float
    ) -> "ModelScore":
        """Returns that of a network which has been trained."""
        return cls(name, values.mean, values.ci95, rates, seconds)


class ModelScores(list[float]):
    """The scores in the order of the builders; printed, a table.

    Args:
      rows: one per network.
      title: what is scored and how, for the table.

    Attributes:
      rows: as given.
      title: as given.
      best: the name of the best network.
      best_index: its place in the list.
    """

    def __init__(self, rows: Sequence[ModelScore], title: str) -> None:
        super().__init__(row.score for row in rows)
        self.rows, self.title = tuple(rows), title

    @property
    def best(self) -> str:
        """The name of the network with the highest score.

        Raises:
          InputError: as `best_index`.
        """
        return self.rows[self.best_index].name

    @property
    def best_index(self) -> int:
        """The place of the network with the highest score.

        Raises:
          InputError: none has a score.
        """
        places = range(len(self.rows))
        best = min(places, key=lambda place: _best_first(self.rows[place]))
        if math.isnan(self.rows[best].score):
            raise InputError(
                "no network has a score; expected at least one whose training "
                "did not diverge; print the scores, which says why"
            )
        return best

    def __getitem__(self, place: SupportsIndex | slice | str) -> float:
        """Returns a score by place, or by name where builders have names."""
        if isinstance(place, str):
            return {row.name: row.score for row in self.rows}[place]
        return super().__getitem__(place)

    def __str__(self) -> str:
        """Returns the table, the best first."""
        width = max(len("network"), *(len(row.name) for row in self.rows))
        rates = max(len("rates"), *(len(row.rates or "-") for row in self.rows))
        lines = [
            self.title,
            f"{'network':{width}} {'score':>8} {'95 % interval':>18} "
            f"{'rates':>{rates}} {'seconds':>8}",
        ]
        for row in sorted(self.rows, key=_best_first):
            score = "-" if math.isnan(row.score) else f"{row.score:.4f}"
            lines.append(
                f"{row.name:{width}} {score:>8} {shown(row.ci95):>18} "
                f"{row.rates or '-':>{rates}} {row.seconds:8.1f}"
                + (f"  {row.refusal}" if row.refusal else "")
            )
        return "\n".join(lines)


def _best_first(row: ModelScore) -> tuple[bool, float]:
    return math.isnan(row.score), -row.score
