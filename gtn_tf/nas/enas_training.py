"""The training of ENAS; see `strategies.enas`."""

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from gtn_tf.datasets.batches import sample_batch
from gtn_tf.nas.alternating_training import AlternatingTraining
from gtn_tf.nas.first_training import (
    METADATA,
    finish,
    train_strategy,
)
from gtn_tf.nas.session import Session
from gtn_tf.nas.strategies.enas import Enas
from gtn_tf.nas.strategies.strategy import Found, State, Told
from gtn_tf.nas.weight_sources import WeightSource
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.files import read_json
from gtn_tf.search_spaces.protocol import Architecture
from gtn_tf.types import Batch

_FIRST_DRAW = 2**40


def find(enas: Enas, session: Session, workdir: Path) -> Found:
    """Returns what the controller draws in the end, and the supernet.

    Raises:
      InputError: the space has no shared weights or no decisions.
      Stopped: a signal stopped it; it is saved.
      DivergenceError: a weight is not finite.
    """
    folder = train_strategy(
        *(enas, "enas", session, workdir),
        *(session.spec.supernet_training, _train),
    )
    metadata = read_json(folder / METADATA)
    _, texts = enas.controller.ask(
        session.space,
        metadata["controller"],
        [],
        session.spec.num_architectures,
    )
    return Found(texts, metadata["seconds"], folder / "supernet")


def _train(
    enas: Enas, session: Session, settings: dict[str, Any], folder: Path
) -> None:
    training = AlternatingTraining(session, settings, folder)
    controller = Controller(enas, session, training.supernet)
    num_steps = enas.num_epochs * training.per_epoch
    train = training.stepper(num_steps, controller.draw)

    def take_step(step: int) -> dict[str, Any] | None:
        row = train(step)
        if row is None:
            return None
        return {**row, "reward": controller.learn(step)}

    learned = {"controller": controller.saved}
    seconds = training.run("enas", learned, num_steps, take_step, "reward")
    finish(folder, settings, seconds=seconds, controller=controller.state)


class Controller:
    """Draws architectures, and learns from what the supernet makes of them.

    Args:
      enas: its options.
      session: of the search.
      supernet: that rewards.

    Attributes:
      saved: its state, as a variable.
    """

    def __init__(
        self, enas: Enas, session: Session, supernet: WeightSource
    ) -> None:
        self._enas, self._session = enas, session
        self._strategy, self._supernet = enas.controller, supernet
        spec = session.spec
        state = self._strategy.init(session.space, spec.seed)
        self.saved = tf.Variable(json.dumps(state))
        self._state: State | None = None  # until it is restored
        seed = fold(root_seed(spec.seed), Purpose.SUPERNET, 1)

        @tf.function(autograph=False)
        def draw(step: tf.Tensor, update: tf.Tensor) -> Batch:
            return sample_batch(
                session.data.validation,
                fold(seed, step, update),
                spec.training.batch_size,
            )

        self._draw_batch = draw

    @property
    def state(self) -> State:
        """Of `Reinforce`."""
        if self._state is None:
            self._state = json.loads(self.saved.numpy())
        return self._state

    def draw(self, step: int) -> Architecture:
        """Returns an architecture, for a step of the supernet."""
        # By numbers that no update asks for; nothing is learned from it.
        state = {**self.state, "num_asked": _FIRST_DRAW + step}
        return self._ask(state)[1]

    def learn(self, step: int) -> float:
        """Makes its updates; returns the mean reward of all that it drew."""
        state, rewards = self.state, []
        for update in range(self._enas.num_updates):
            batch = self._draw_batch(tf.constant(step), tf.constant(update))
            for _ in range(self._enas.batch):
                state, architecture, text = self._ask(state)
                reward = self._supernet.reward(architecture, batch)
                rewards.append(reward)
                told = Told(text, "", reward)
                state = self._strategy.tell(self._session.space, state, told)
        self._state = state
        self.saved.assign(json.dumps(state))
        return sum(rewards) / len(rewards)

    def _ask(self, state: State) -> tuple[State, Architecture, str]:
        space = self._session.space
        state, (text,) = self._strategy.ask(space, state, [], 1)
        return state, space.from_text(text), text
