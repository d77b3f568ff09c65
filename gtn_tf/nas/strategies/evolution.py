"""Aging evolution (Real et al., arXiv 1802.01548, algorithm 1).

The best of a few, drawn with replacement from the youngest, has a mutated
child; the oldest dies, whatever it scores. What is picked in the end is the
best of all, not of the last population.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from gtn_tf.nas.strategies.strategy import State, Told
from gtn_tf.search_spaces.protocol import Space


@dataclasses.dataclass(frozen=True)
class Evolution:
    """Mutates the best of a sample of the population.

    Attributes:
      population: P, the last so many proposals that it was told about; the
        first so many are drawn at random.
      sample: S, drawn for each child.
      in_flight: proposals that may be open; the run depends on it, not on the
        number of workers.
    """

    population: int
    sample: int
    in_flight: int

    adapts: ClassVar[bool] = True

    def init(self, space: Space, seed: int) -> State:
        """See `Strategy`.

        Raises:
          InputError: the space cannot sample or mutate.
        """
        space.mutate(space.sample((seed, 0)), (seed, 0))
        return {"seed": seed, "num_asked": 0}

    def num_asked(self, num_open: int, num_left: int) -> int:
        """See `Strategy`."""
        return min(max(0, self.in_flight - num_open), num_left)

    def ask(
        self, space: Space, state: State, history: Sequence[Told], count: int
    ) -> tuple[State, list[str]]:
        """See `Strategy`."""
        seed, before = state["seed"], state["num_asked"]
        population = history[-self.population :]
        asked = []
        for number in range(before, before + count):
            if number < self.population or not population:
                found = space.sample((seed, number))
            else:
                rng = np.random.default_rng((seed, number))
                drawn = rng.integers(len(population), size=self.sample)
                parent = max((population[i] for i in drawn), key=_fitness)
                found = space.mutate(
                    space.from_text(parent.architecture), (seed, number, 1)
                )
            asked.append(space.to_text(found))
        return {**state, "num_asked": before + count}, asked

    def tell(self, space: Space, state: State, told: Told) -> State:
        """See `Strategy`; the history is all that it remembers."""
        return state


def _fitness(told: Told) -> float:
    return -math.inf if told.score is None else told.score
