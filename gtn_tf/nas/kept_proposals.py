"""What a strategy took long to propose is kept, and not found again.

A strategy such as `nao` trains networks to propose: minutes that a search which
goes on, or the replay of one, need not spend again. Nor do its proposals depend
on the number of threads of the later process then, as those of a training do.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gtn_tf.import_paths import is_import_path
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.nas.strategies.strategy import State, Strategy, Told
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.search_spaces.protocol import Space

_LONG_SECONDS = 1.0


def kept_proposals(
    strategy: Strategy, spec: SearchSpec, workdir: Path
) -> Strategy:
    """Returns the strategy, which looks up what it took long to propose.

    Args:
      strategy: of the search; one of a person's own is returned as it is.
      spec: of the search; its space and strategy tell those of others apart.
      workdir: proposals are in `search/proposals` of it.

    Raises:
      InputError: the folder cannot be created.
    """
    # What a person wrote may be another function tomorrow.
    is_own = is_import_path(spec.strategy) or is_import_path(spec.space)
    if is_own or not strategy.adapts:
        return strategy
    store = JobStore(workdir / "search" / "proposals", _problem_of)
    space = spec.space, spec.num_nodes, spec.ops
    return Kept(strategy, store, (*space, spec.strategy, spec.strategy_options))


@dataclasses.dataclass
class Kept:
    """A strategy, and what it took long to propose.

    Attributes:
      strategy: that is asked.
      store: of what took long.
      identity: what tells its proposals from those of others.
      seconds: of all proposals so far, by whichever process.
    """

    strategy: Strategy
    store: JobStore
    identity: tuple[Any, ...]
    seconds: float = 0.0

    @property
    def adapts(self) -> bool:
        """See `Strategy`."""
        return self.strategy.adapts

    def init(self, space: Space, seed: int) -> State:
        """See `Strategy`."""
        return self.strategy.init(space, seed)

    def num_asked(self, num_open: int, num_left: int) -> int:
        """See `Strategy`."""
        return self.strategy.num_asked(num_open, num_left)

    def ask(
        self, space: Space, state: State, history: Sequence[Told], count: int
    ) -> tuple[State, list[str]]:
        """See `Strategy`; looks it up first."""
        asked = [self.identity, state, history, count]
        key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        kept = self.store.get(key)
        if kept is None:
            began = time.perf_counter()
            state, texts = self.strategy.ask(space, state, history, count)
            spent = time.perf_counter() - began
            kept = {"state": state, "architectures": texts, "seconds": spent}
            if spent >= _LONG_SECONDS:
                self.store.put(key, kept)
        self.seconds += kept.get("seconds", 0.0)  # older ones have none
        return kept["state"], kept["architectures"]

    def tell(self, space: Space, state: State, told: Told) -> State:
        """See `Strategy`."""
        return self.strategy.tell(space, state, told)


def _problem_of(key: str, value: Any) -> str:
    """Returns what is wrong with a file of proposals, '' if nothing."""
    if not isinstance(value, dict) or not isinstance(value.get("state"), dict):
        return "no state"
    texts = value.get("architectures")
    is_sound = isinstance(texts, list) and all(
        isinstance(text, str) for text in texts
    )
    return "" if is_sound and texts else "no architectures"
