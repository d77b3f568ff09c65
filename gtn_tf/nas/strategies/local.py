"""Local search: to the first better neighbour, and on from there.

Where no neighbour is better it starts again, from an architecture that is
drawn at random (White et al., arXiv 2005.02960, with first improvement).
"""

from collections.abc import Sequence

import numpy as np

from gtn_tf.nas.strategies.strategy import State, Told
from gtn_tf.search_spaces.protocol import Space


class Local:
    """Tries the neighbours of the best one since the last start, one by one.

    State: `at`, the score of that one, None before it is known; `due`, its
    neighbours that were not tried; `is_start`, whether the last one asked for
    was drawn.
    """

    adapts = True

    def init(self, space: Space, seed: int) -> State:
        """See `Strategy`.

        Raises:
          InputError: the space cannot sample, or has no neighbours.
        """
        next(iter(space.neighbours(space.sample((seed, 0)))), None)
        return {
            **{"seed": seed, "num_asked": 0, "at": None, "due": []},
            "is_start": False,
        }

    def num_asked(self, num_open: int, num_left: int) -> int:
        """See `Strategy`; each proposal depends on the score before."""
        return 0 if num_open else 1

    def ask(
        self, space: Space, state: State, history: Sequence[Told], count: int
    ) -> tuple[State, list[str]]:
        """See `Strategy`."""
        number, due = state["num_asked"], state["due"]
        after = {**state, "num_asked": number + 1, "due": due[1:]}
        after["is_start"] = not due
        if due:
            return after, due[:1]
        start = space.sample((state["seed"], number))
        return {**after, "at": None}, [space.to_text(start)]

    def tell(self, space: Space, state: State, told: Told) -> State:
        """See `Strategy`."""
        is_better = told.score is not None and (
            state["at"] is None or told.score > state["at"]
        )
        if not state["is_start"] and not is_better:
            return state
        found = space.neighbours(space.from_text(told.architecture))
        texts = [space.to_text(neighbour) for neighbour in found]
        rng = np.random.default_rng((state["seed"], state["num_asked"], 1))
        order = rng.permutation(len(texts))
        return {**state, "at": told.score, "due": [texts[i] for i in order]}
