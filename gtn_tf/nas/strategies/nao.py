"""Neural architecture optimization (Luo et al., arXiv 1808.07233).

Rounds: random architectures first, then new ones in each, from the best of all
so far. Their embeddings move along the gradient of a predictor that all scores
have trained, and a decoder writes them down (section 3.3, algorithm 1).

Differences: the predictor learns ranks in [0, 1] instead of accuracies, so
that any score will do (NAS-Bench-201, 500 for training: .87 of other pairs
right, .84 with accuracies); it is trained on all scores anew in every round,
and so its weights are no part of the state. Step sizes are 1, 2, .., 50 until
there are enough new architectures, as published with weight sharing; what then
lacks is drawn at random.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy import stats

from gtn_tf.nas.strategies.strategy import State, Told
from gtn_tf.search_spaces.protocol import Architecture, Space
from gtn_tf.statistics.correlation import with_failures_last

_MAX_STEP_SIZE = 50
_NEW_PER_START = 3  # 300 new ones from the 100 best
_NUM_REWRITTEN = 9  # other ways to write each one, for training
_MOST_DRAWS_PER_PROPOSAL = 100


@dataclasses.dataclass(frozen=True)
class NAO:
    """Moves the best along the gradient of what predicts their score.

    Attributes:
      num_first: proposals that are drawn at random, before the others.
      num_new: proposals of a round.
      num_epochs: of the training of encoder, predictor and decoder.
    """

    num_first: int
    num_new: int
    num_epochs: int

    adapts: ClassVar[bool] = True

    def init(self, space: Space, seed: int) -> State:
        """See `Strategy`.

        Raises:
          InputError: architectures of the space are no sequences of decisions.
        """
        space.encode(space.decode([0] * len(space.decisions())))
        return {"seed": seed, "num_asked": 0}

    def num_asked(self, num_open: int, num_left: int) -> int:
        """See `Strategy`; a round once the one before is known."""
        return 0 if num_open else min(self.num_new, num_left)

    def ask(
        self, space: Space, state: State, history: Sequence[Told], count: int
    ) -> tuple[State, list[str]]:
        """See `Strategy`."""
        seed, before = state["seed"], state["num_asked"]
        num_random = max(0, min(count, self.num_first - before))
        found: list[Architecture] = []
        if num_random:
            drawn = space.sample_different(
                before + num_random, (seed,), "search.nao.num_first"
            )
            found = list(drawn.values())[before:]
        if num_random < count:
            rest = count - num_random
            found += self.new_ones(space, (seed, before), history, rest)
        texts = [space.to_text(architecture) for architecture in found]
        return {**state, "num_asked": before + count}, texts

    def tell(self, space: Space, state: State, told: Told) -> State:
        """See `Strategy`."""
        return state

    def new_ones(
        self,
        space: Space,
        seed: tuple[int, int],
        history: Sequence[Told],
        count: int,
    ) -> list[Architecture]:
        """Returns architectures that are not in the history.

        Args:
          space: of the architectures.
          seed: of the run and the round.
          history: all of known scores.
          count: how many; where the space is used up, with repeats.
        """
        from gtn_tf.nas.strategies.nao_networks import Networks  # TensorFlow

        if not history:  # a first round that is not all random
            return [space.sample((*seed, draw)) for draw in range(count)]
        known = {told.key: told for told in history}
        options = [
            space.encode(space.from_text(told.architecture))
            for told in known.values()
        ]
        scores = scaled_ranks([told.score for told in known.values()])
        network_seed = int(np.random.default_rng(seed).integers(2**31))
        networks = Networks(space.decisions(), network_seed)
        networks.train(
            *rewritten(space, options, scores, network_seed),
            self.num_epochs,
        )
        num_starts = max(1, count // _NEW_PER_START)
        starts = np.argsort(-scores, kind="stable")[:num_starts]
        found: dict[str, Architecture] = {}
        for step_size in range(1, _MAX_STEP_SIZE + 1):
            if len(found) >= count:
                break
            moved, _ = networks.moved(np.array(options)[starts], step_size)
            for row in moved:
                _add(space, space.decode(row.tolist()), known, found)
        for draw in range(_MOST_DRAWS_PER_PROPOSAL * count):
            if len(found) >= count:
                break
            _add(space, space.sample((*seed, draw)), known, found)
        if not found:  # the space is used up: a repeat, which costs nothing
            best = history[0].architecture
            return [space.from_text(best)] * count
        new = list(found.values())
        return [new[i % len(new)] for i in range(count)]


def scaled_ranks(scores: Sequence[float | None]) -> np.ndarray:
    """Returns ranks [N] from 0, the worst, to 1; None is worse than all."""
    ranks = stats.rankdata(with_failures_last(scores))
    return (ranks - 1) / max(1, len(ranks) - 1)


def rewritten(
    space: Space,
    options: Sequence[Sequence[int]],
    scores: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Adds other ways to write each architecture, as far as there are some.

    Returns:
      Options [M, D] and scores [M], M at most ten times N.
    """
    rows: list[Sequence[int]] = []
    of_rows: list[float] = []
    for number, (given, score) in enumerate(zip(options, scores, strict=True)):
        architecture = space.decode(given)
        ways = {tuple(given): None}
        for way in range(_NUM_REWRITTEN):
            other = space.rewritten(architecture, (seed, number, way))
            ways[tuple(space.encode(other))] = None
        rows += ways
        of_rows += [score] * len(ways)
    return np.array(rows), np.array(of_rows)


def _add(
    space: Space,
    architecture: Architecture,
    known: dict[str, Told],
    found: dict[str, Architecture],
) -> None:
    architecture = space.canonical(architecture)
    key = space.key(architecture)
    if key not in known:
        found.setdefault(key, architecture)
