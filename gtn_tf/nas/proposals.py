"""A strategy's proposals, told about in their order; imports no TensorFlow."""

from collections.abc import Mapping
from typing import NamedTuple

from gtn_tf.nas.strategies.strategy import Strategy, Told
from gtn_tf.search_spaces.protocol import Space
from gtn_tf.types import InputError


class Proposal(NamedTuple):
    """An architecture, as text, and its key."""

    architecture: str
    key: str


class Proposals:
    """Asks a strategy for architectures.

    Args:
      strategy: tells which ones.
      space: of the architectures.
      seed: of the run.
      count: of all proposals, repeats too.

    Attributes:
      made: all proposals so far, in their order.
    """

    def __init__(
        self, strategy: Strategy, space: Space, seed: int, count: int
    ) -> None:
        self._strategy, self._space, self._count = strategy, space, count
        self._state = strategy.init(space, seed)
        self._history: list[Told] = []
        self.made: list[Proposal] = []
        self._ask()

    @property
    def all_told(self) -> bool:
        """Whether nothing is left to ask or to tell."""
        return len(self._history) == self._count

    def tell(self, scores: Mapping[str, float | None]) -> None:
        """Tells of scores that are known, as far as there is no gap.

        Args:
          scores: by the key of the architecture; None are failures.
        """
        while (number := len(self._history)) < len(self.made):
            proposal = self.made[number]
            if proposal.key not in scores:
                return
            told = Told(*proposal, scores[proposal.key])
            self._state = self._strategy.tell(self._space, self._state, told)
            self._history.append(told)
            self._ask()

    def _ask(self) -> None:
        num_left = self._count - len(self.made)
        if not num_left:
            return
        num_open = len(self.made) - len(self._history)
        count = self._strategy.num_asked(num_open, num_left)
        _check_count(count, num_open, num_left)
        if not count:
            return
        self._state, texts = self._strategy.ask(
            self._space, self._state, self._history, count
        )
        if len(texts) != count:
            raise InputError(
                f"search.strategy proposes {len(texts)} architectures; "
                f"expected {count}, as many as its num_asked said; correct its "
                "ask"
            )
        for text in texts:
            key = self._space.key(self._space.from_text(text))
            self.made.append(Proposal(text, key))


def _check_count(count: int, num_open: int, num_left: int) -> None:
    """Refuses a number with which the search would end too early or late."""
    least = 0 if num_open else 1  # without any, nothing is left to wait for
    if not least <= count <= num_left:
        raise InputError(
            f"search.strategy asks for {count} proposals, where {num_open} of "
            f"its own have no score yet and {num_left} are left; expected "
            f"{least} to {num_left}; correct its num_asked"
        )
