"""A search that is charged for what it asks, of `benchmarks.search_methods`."""

from collections.abc import Mapping
from typing import Any, Protocol

from gtn_tf.nas.proposals import Proposal, Proposals
from gtn_tf.nas.strategies.strategy import Strategy
from gtn_tf.search_spaces.protocol import Space
from gtn_tf.statistics.picks import best_keys

TOP = 10


class Scores(Protocol):
    """What is known of cells.

    Attributes:
      space: of the cells.
      truth: the evaluator that is right.
    """

    space: Space
    truth: str

    def get(self, evaluator: str, proposal: Proposal) -> float | None:
        """Returns a score, None for a failure."""


def run_search(
    strategy: Strategy,
    evaluator: str,
    seed: int,
    scores: Scores,
    price: Mapping[str, float],
    most_seconds: float,
    most_proposals: int,
) -> dict[str, Any]:
    """Searches until the seconds are spent, or the proposals are made.

    Returns:
      `seconds` and `truths`, one of each for every different cell: when it was
      scored, and the best accuracy among the ten best of then; `pick`, `num`
      proposals and `num_different`, and the `keys`.
    """
    proposals = Proposals(strategy, scores.space, seed, most_proposals)
    known: dict[str, float | None] = {}
    truths: dict[str, float] = {}
    spent, curve = price["setup"], []
    number = 0
    while number < len(proposals.made):
        proposal = proposals.made[number]
        if proposal.key not in known:
            if spent + price["price"] > most_seconds:
                break
            spent += price["price"]
            known[proposal.key] = scores.get(evaluator, proposal)
            truths[proposal.key] = scores.get(scores.truth, proposal)
            top = best_keys(known, TOP)
            curve.append((spent, max(truths[key] for key in top)))
        number += 1
        proposals.tell(known)
    return {
        "seconds": [at for at, _ in curve],
        "truths": [best for _, best in curve],
        "pick": curve[-1][1] if curve else None,
        "num": number,
        "num_different": len(known),
        "keys": list(known),
    }
