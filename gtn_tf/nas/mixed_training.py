"""The training of DARTS; see `strategies.darts`."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import RealData, sample_batch
from gtn_tf.meta.inner_loop import cross_entropy
from gtn_tf.meta.inner_optimizers import ADAM, SGD
from gtn_tf.nas.bilevel import Loss, architecture_gradient
from gtn_tf.nas.evaluators.real import cosine
from gtn_tf.nas.first_training import (
    METADATA,
    FirstTraining,
    finish,
    steps_per_epoch,
    train_strategy,
)
from gtn_tf.nas.session import Session
from gtn_tf.nas.strategies.darts import Darts
from gtn_tf.nas.strategies.strategy import Found
from gtn_tf.ops.seeds import ALGORITHM, Purpose, fold, root_seed
from gtn_tf.runtime.files import read_json
from gtn_tf.runtime.graph_rewriting import not_rewritten
from gtn_tf.runtime.row_log import read_rows
from gtn_tf.types import Batch

Tensors = list[tf.Tensor]

# As published, for alpha.
_ALPHA_SCALE = 1e-3
_ALPHA_DECAY = 1e-3
_BETA_1 = 0.5


def find(darts: Darts, session: Session, workdir: Path) -> Found:
    """Returns the architectures of all epochs, each once, the last one first.

    Raises:
      InputError: the space has no shared weights.
      Stopped: a signal stopped it; it is saved.
      DivergenceError: a weight is not finite.
    """
    folder = train_strategy(
        *(darts, "darts", session, workdir),
        *(session.spec.training, _train),
    )
    rows = read_rows(folder / "metrics.jsonl")
    found = dict.fromkeys(row["architecture"] for row in reversed(rows))
    return Found(list(found), read_json(folder / METADATA)["seconds"])


def _train(
    darts: Darts, session: Session, settings: dict[str, Any], folder: Path
) -> None:
    mixed = Mixed(darts, session)
    training = FirstTraining(folder, mixed.objects())
    with not_rewritten():
        seconds = training.run(
            "darts",
            mixed.num_steps,
            mixed.take_step,
            mixed.is_finite,
            "validation_loss",
        )
    finish(folder, settings, seconds=seconds, shares=mixed.shares().tolist())


class Mixed:
    """The weights, alpha and their steps.

    Args:
      darts: its options.
      session: of the search.

    Attributes:
      num_steps, per_epoch: of the training.
    """

    def __init__(self, darts: Darts, session: Session) -> None:
        self._darts, self._session = darts, session
        self._shared = session.space.shared_weights(session.network("search"))
        if self._shared.mix is None:
            raise session.space.lacks("mix of its operations")
        seed = fold(root_seed(session.spec.seed), Purpose.SUPERNET)
        params, self._statistics = self._shared.init(seed)
        self._params = [tf.Variable(value) for value in params]
        self._slots = [tf.Variable(tf.zeros_like(value)) for value in params]
        alpha = _ALPHA_SCALE * tf.random.stateless_normal(
            self._shared.num_mixed, fold(seed, 0), alg=ALGORITHM
        )
        self._alpha = tf.Variable(alpha)
        self._alpha_slots = [tf.Variable(v) for v in ADAM.init([alpha])]
        halves = _halves(session.data.train)
        batch_size = session.spec.training.batch_size
        self.per_epoch = steps_per_epoch(session, len(halves[0].images))
        self.num_steps = darts.num_epochs * self.per_epoch

        @tf.function(autograph=False)
        def step(number: tf.Tensor, scalars: dict) -> tf.Tensor:
            batches = [
                sample_batch(
                    half, fold(seed, Purpose.REAL_BATCH, number, i), batch_size
                )
                for i, half in enumerate(halves)
            ]
            return self._step(*map(self._loss_on, batches), scalars)

        self._traced_step = step

    def objects(self) -> dict[str, Any]:
        """Returns all that a step changes, by name."""
        return {
            "params": self._params,
            "slots": self._slots,
            "alpha": self._alpha,
            "alpha_slots": self._alpha_slots,
        }

    def shares(self) -> np.ndarray:
        """Returns the softmax of alpha, [places, operations]."""
        return tf.nn.softmax(self._alpha).numpy()

    def is_finite(self) -> bool:
        """Whether all weights and alpha are finite numbers."""
        norm = tf.linalg.global_norm([*self._params, self._alpha])
        return bool(np.isfinite(norm.numpy()))

    def take_step(self, step: int) -> dict[str, Any] | None:
        """Takes a step, from 1; returns the row of an epoch's end."""
        training = self._session.spec.training
        rate = training.learning_rate * cosine((step - 1) / self.num_steps)
        scalars = {
            "learning_rate": tf.constant(rate, tf.float32),
            "momentum": tf.constant(training.momentum, tf.float32),
        }
        losses = self._traced_step(tf.constant(step), scalars).numpy()
        if step % self.per_epoch:
            return None
        shares, space = self.shares(), self._session.space
        return {
            "epoch": step // self.per_epoch,
            "learning_rate": rate,
            "training_loss": float(losses[0]),
            "validation_loss": float(losses[1]),
            "largest_share": float(shares.max()),
            "architecture": space.to_text(self._shared.derive(shares)),
        }

    def _loss_on(self, batch: Batch) -> Loss:
        def loss(params: Tensors, alphas: Tensors) -> tf.Tensor:
            logits = self._shared.mix(
                params, self._statistics, tf.nn.softmax(alphas[0]), batch.images
            )
            return cross_entropy(logits, batch.labels)

        return loss

    def _step(
        self, train_loss: Loss, held_out_loss: Loss, scalars: dict
    ) -> tf.Tensor:
        """Alpha first, then the weights; returns the losses of both."""
        params = [tf.convert_to_tensor(v) for v in self._params]
        slots = [tf.convert_to_tensor(v) for v in self._slots]
        alpha = tf.convert_to_tensor(self._alpha)

        def update(gradients: Tensors, params: Tensors) -> Tensors:
            return SGD.update(gradients, params, slots, scalars)[0]

        validation_loss, (gradient,) = architecture_gradient(
            train_loss,
            held_out_loss,
            params,
            [alpha],
            update if self._darts.second_order else None,
        )
        rates = {
            "learning_rate": tf.constant(self._darts.learning_rate),
            "momentum": tf.constant(_BETA_1),
        }
        (alpha,), alpha_slots = ADAM.update(
            [gradient + _ALPHA_DECAY * alpha],
            [alpha],
            [tf.convert_to_tensor(v) for v in self._alpha_slots],
            rates,
        )
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            loss = train_loss(params, [alpha])
        gradients = tape.gradient(
            loss, params, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        after, slots_after = SGD.update(gradients, params, slots, scalars)
        for variable, value in zip(
            (*self._params, *self._slots, self._alpha, *self._alpha_slots),
            (*after, *slots_after, alpha, *alpha_slots),
            strict=True,
        ):
            variable.assign(value)
        return tf.stack([loss, validation_loss])


def _halves(real: RealData) -> tuple[RealData, RealData]:
    """Parts the images: the first half for the weights, the rest for alpha."""
    middle = len(real.images) // 2
    return tuple(
        real._replace(images=real.images[part], label_ids=real.label_ids[part])
        for part in (slice(middle), slice(middle, None))
    )
