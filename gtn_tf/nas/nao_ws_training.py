"""The training of NAO with weight sharing; see `strategies.nao_ws`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import sample_batch
from gtn_tf.nas.alternating_training import AlternatingTraining
from gtn_tf.nas.first_training import (
    METADATA,
    finish,
    train_strategy,
)
from gtn_tf.nas.session import Session
from gtn_tf.nas.strategies.nao_ws import NAOWS
from gtn_tf.nas.strategies.strategy import Found, Told
from gtn_tf.nas.weight_sources import WeightSource
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.files import read_json
from gtn_tf.search_spaces.protocol import Architecture
from gtn_tf.types import InputError

_NUM_SCORED_ON = 500  # images, as published


def find(nao: NAOWS, session: Session, workdir: Path) -> Found:
    """Returns the last pool, the best first, and the supernet.

    Raises:
      InputError: the space has no shared weights or no decisions, or a pool is
        replaced as a whole.
      Stopped: a signal stopped it; it is saved.
      DivergenceError: a weight is not finite.
    """
    folder = train_strategy(
        *(nao, "nao_ws", session, workdir),
        *(session.spec.supernet_training, _train),
    )
    metadata = read_json(folder / METADATA)
    return Found(metadata["pool"], metadata["seconds"], folder / "supernet")


def _train(
    nao: NAOWS, session: Session, settings: dict[str, Any], folder: Path
) -> None:
    training = AlternatingTraining(session, settings, folder)
    pool = Pool(nao, session, training.supernet)
    per_round = nao.num_epochs * training.per_epoch
    num_steps = nao.num_rounds * per_round
    train = training.stepper(num_steps, pool.draw)

    def take_step(step: int) -> dict[str, Any] | None:
        row = train(step)
        if step % per_round:
            return row
        scores = pool.renew(step // per_round)
        return {**row, "pool_accuracy": float(scores.mean())}

    learned = {"pool": pool.saved}
    seconds = training.run(
        "nao_ws", learned, num_steps, take_step, "validation_accuracy"
    )
    finish(folder, settings, seconds=seconds, pool=pool.members)


class Pool:
    """The architectures that a supernet is trained on.

    Args:
      nao: its options.
      session: of the search.
      supernet: that scores them.

    Attributes:
      saved: the architectures as JSON, as a variable.
    """

    def __init__(
        self, nao: NAOWS, session: Session, supernet: WeightSource
    ) -> None:
        self._nao, self._session, self._supernet = nao, session, supernet
        space, spec = session.space, session.spec
        if nao.num_new >= nao.pool:
            raise InputError(
                f"search.nao_ws.num_new is {nao.num_new} of "
                f"search.nao_ws.pool {nao.pool}; expected fewer, so that some "
                "are kept; lower --config.search.nao_ws.num_new"
            )
        drawn = space.sample_different(
            nao.pool, (spec.seed,), "search.nao_ws.pool"
        )
        first = [space.to_text(architecture) for architecture in drawn.values()]
        self.saved = tf.Variable(json.dumps(first))
        self._members: list[str] | None = None  # until it is restored
        self._seed = fold(root_seed(spec.seed), Purpose.SUPERNET, 3)

    @property
    def members(self) -> list[str]:
        """The architectures, as text; after a round the best first."""
        if self._members is None:
            self._members = json.loads(self.saved.numpy())
        return self._members

    def draw(self, step: int) -> Architecture:
        """Returns one of them, uniformly drawn, for a step of the supernet."""
        seed = (self._session.spec.seed, int(Purpose.SUPERNET), step)
        number = np.random.default_rng(seed).integers(len(self.members))
        return self._session.space.from_text(self.members[int(number)])

    def renew(self, number: int) -> np.ndarray:
        """Scores all and puts new ones in the place of the worst.

        Args:
          number: of the round that has ended; after the last one nothing is
            replaced.

        Returns:
          The scores, from the best.
        """
        space, nao = self._session.space, self._nao
        batch = sample_batch(
            self._session.data.validation,
            fold(self._seed, number),
            min(_NUM_SCORED_ON, len(self._session.data.validation.images)),
        )
        scores = np.array(
            [
                self._supernet.reward(space.from_text(text), batch)
                for text in self.members
            ]
        )
        order = np.argsort(-scores, kind="stable")
        ordered = [self.members[place] for place in order]
        if number < nao.num_rounds:
            told = [
                Told(text, space.key(space.from_text(text)), score)
                for text, score in zip(
                    ordered, scores[order].tolist(), strict=True
                )
            ]
            seed = (self._session.spec.seed, number)
            new = nao.proposer.new_ones(space, seed, told, nao.num_new)
            ordered = [
                *ordered[: len(ordered) - nao.num_new],
                *(space.to_text(architecture) for architecture in new),
            ]
        self._members = ordered
        self.saved.assign(json.dumps(ordered))
        return scores[order]
