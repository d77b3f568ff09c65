"""What a search asks of a strategy; imports no TensorFlow."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from gtn_tf.search_spaces.protocol import Space

State = dict[str, Any]  # plain JSON


class Told(NamedTuple):
    """A proposal whose score is known.

    Attributes:
      architecture: as text.
      key: of the architecture; equal ones are the same function.
      score: by the first evaluator, higher is better; None: it failed, which
        is worse than all numbers.
    """

    architecture: str
    key: str
    score: float | None


class Strategy(Protocol):
    """Pure functions over a state of plain JSON.

    It is told in the order of its proposals, whatever order their evaluations
    end in, and asked after each; all that it draws comes from its state. So a
    search is the same for any number of workers, and one that was stopped
    begins anew and finds its results in the store.

    Attributes:
      adapts: whether proposals depend on scores.
    """

    adapts: bool

    def init(self, space: Space, seed: int) -> State:
        """Returns the state before the first proposal."""

    def num_asked(self, num_open: int, num_left: int) -> int:
        """Returns how many proposals it can make now.

        Args:
          num_open: proposals that it has not been told about.
          num_left: that the search still wants; at least 1.

        Returns:
          0 to num_left, more than 0 where num_open is 0.
        """

    def ask(
        self, space: Space, state: State, history: Sequence[Told], count: int
    ) -> tuple[State, list[str]]:
        """Proposes architectures.

        Args:
          space: of the architectures.
          state: after the last call.
          history: all that it was told, in the order of the proposals.
          count: how many, see `num_asked`.

        Returns:
          The next state, and the architectures as text. One that was proposed
          before counts again, and costs nothing.
        """

    def tell(self, space: Space, state: State, told: Told) -> State:
        """Returns the state after one more score is known."""
