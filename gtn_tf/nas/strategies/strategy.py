"""What a search asks of a strategy; imports no TensorFlow."""

from collections.abc import Sequence
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    NamedTuple,
    Protocol,
    runtime_checkable,
)

from gtn_tf.search_spaces.protocol import Space

if TYPE_CHECKING:
    from gtn_tf.nas.session import Session

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


class Found(NamedTuple):
    """What a coupled strategy ended in.

    Attributes:
      architectures: as text, its answer first, at least one.
      seconds: that its training took.
      supernet: the folder of the one that it has trained, if evaluators can
        score by it.
    """

    architectures: Sequence[str]
    seconds: float
    supernet: Path | None = None


@runtime_checkable
class Coupled(Protocol):
    """What trains the weights that it is guided by, and proposes in the end.

    Its training is its own: in a folder of the workdir, resumed after a stop,
    a function of the run's seed.

    Attributes:
      adapts: False, for no score changes what it proposes.
    """

    adapts: bool

    def find(self, session: "Session", workdir: Path) -> Found:
        """Trains, or finds what it has trained before.

        Raises:
          InputError: the space has not what it needs.
          Stopped: a signal stopped it.
        """
