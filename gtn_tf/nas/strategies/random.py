"""Random search: different architectures, whatever they score."""

from collections.abc import Sequence

from gtn_tf.nas.strategies.strategy import State, Told
from gtn_tf.search_spaces.protocol import Space


class Random:
    """Draws architecture i by the seed (run's seed, i), each one once.

    Raises:
      InputError: the space holds fewer than are asked for.
    """

    adapts = False

    def init(self, space: Space, seed: int) -> State:
        """See `Strategy`."""
        return {"seed": seed, "num_drawn": 0}

    def num_asked(self, num_open: int, num_left: int) -> int:
        """See `Strategy`; all at once."""
        return num_left

    def ask(
        self, space: Space, state: State, history: Sequence[Told], count: int
    ) -> tuple[State, list[str]]:
        """See `Strategy`."""
        before = state["num_drawn"]
        drawn = space.sample_different(
            before + count, (state["seed"],), "search.num_architectures"
        )
        texts = [space.to_text(architecture) for architecture in drawn.values()]
        return {**state, "num_drawn": before + count}, texts[before:]

    def tell(self, space: Space, state: State, told: Told) -> State:
        """See `Strategy`."""
        return state
