"""A search that is charged for what it asks, of `search_methods`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from gtn_tf.nas.proposals import Proposal, Proposals
from gtn_tf.nas.strategies.strategy import Strategy
from gtn_tf.search_spaces.protocol import Space
from gtn_tf.statistics.picks import best_keys


class Scores(Protocol):
    """What is known of architectures.

    Attributes:
      space: of them.
      is_looked_up: whether the truth is a table, which costs nothing.
    """

    space: Space
    is_looked_up: bool

    def get(self, evaluator: str, proposal: Proposal) -> float | None:
        """Returns a score, None for a failure."""

    def true_score(self, proposal: Proposal) -> float | None:
        """Returns the accuracy by the truth; None where that failed."""


def best_of(truths: Iterable[float | None]) -> float | None:
    """Returns the highest, None where all failed."""
    return max((t for t in truths if t is not None), default=None)


def run_search(
    strategy: Strategy,
    evaluator: str,
    seed: int,
    scores: Scores,
    price: Mapping[str, float],
    most_seconds: float,
    most_proposals: int,
    top: int,
    told: Callable[[int], None] = lambda number: None,
) -> dict[str, Any]:
    """Searches until the seconds are spent, or the proposals are made.

    Args:
      strategy: proposes.
      evaluator: is asked for scores.
      seed: of the search.
      scores: what it says.
      price: `setup` and `price` of a different architecture, in seconds.
      most_seconds: of the search.
      most_proposals: likewise.
      top: of the best by the evaluator the truth selects one.
      told: is called with the number of proposals that are scored.

    Returns:
      `seconds` and `truths`, one of each for every different one: when it was
      scored, and the best accuracy among the `top` best of then (without a
      table of the last one alone: the truth is dear); `pick`, None if all
      failed; `num_different`, and their `keys`.
    """
    proposals = Proposals(strategy, scores.space, seed, most_proposals)
    known: dict[str, float | None] = {}
    asked: dict[str, Proposal] = {}
    spent, curve = price["setup"], []

    truths: dict[str, float | None] = {}

    def true_score(key: str) -> float | None:
        if key not in truths:
            truths[key] = scores.true_score(asked[key])
        return truths[key]

    def best() -> tuple[float, float | None]:
        leading = best_keys(known, top)
        found = (true_score(key) for key in leading if known[key] is not None)
        return spent, best_of(found)

    number = 0
    while number < len(proposals.made):
        proposal = proposals.made[number]
        if proposal.key not in known:
            if spent + price["price"] > most_seconds:
                break
            spent += price["price"]
            known[proposal.key] = scores.get(evaluator, proposal)
            asked[proposal.key] = proposal
            if scores.is_looked_up:
                true_score(proposal.key)  # of all, for their ranking
                curve.append(best())
        number += 1
        proposals.tell(known)
        told(number)
    if known and not curve:
        curve.append(best())
    return {
        "seconds": [at for at, _ in curve],
        "truths": [best for _, best in curve],
        "pick": curve[-1][1] if curve else None,
        "num_different": len(known),
        "keys": list(known),
    }
