"""Architectures that were found before, one after the other."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from gtn_tf.nas.strategies.strategy import State, Told
from gtn_tf.search_spaces.protocol import Space


@dataclasses.dataclass(frozen=True)
class Listed:
    """Proposes those of a list; the first again where it is too short.

    Attributes:
      architectures: as text, at least one.
    """

    architectures: tuple[str, ...]

    adapts: ClassVar[bool] = False

    def init(self, space: Space, seed: int) -> State:
        """See `Strategy`."""
        return {"num_asked": 0}

    def num_asked(self, num_open: int, num_left: int) -> int:
        """See `Strategy`; all at once."""
        return num_left

    def ask(
        self, space: Space, state: State, history: Sequence[Told], count: int
    ) -> tuple[State, list[str]]:
        """See `Strategy`."""
        before, texts = state["num_asked"], self.architectures
        asked = [
            texts[number] if number < len(texts) else texts[0]
            for number in range(before, before + count)
        ]
        return {**state, "num_asked": before + count}, asked

    def tell(self, space: Space, state: State, told: Told) -> State:
        """See `Strategy`."""
        return state
