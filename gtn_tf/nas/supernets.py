"""One network for all architectures: each trains the weights that it uses.

Single paths, drawn uniformly (Li and Talwalkar, arXiv 1902.07638; Guo et al.,
1904.00420). Operations have weights of their own at every place; the stem and
all else that is in every architecture are shared as a whole.

* A step changes the weights and the momentum of its own path. Those of others
  stay as they are: their momentum does not go on, and does not decay.
* Normalisation uses the statistics of the batch at hand, in training and in
  scoring, as statistics that are kept would be another path's. All are scored
  on the same batches of the validation images.
"""

import hashlib

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import RealData
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.evaluation import CHUNK_SIZE, accuracy
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.search_spaces.protocol import Architecture, SharedWeights
from gtn_tf.types import Batch, LearnerState, SyntheticData

Tensors = list[tf.Tensor]


class Supernet:
    """Weights and momenta of all architectures, as variables.

    Args:
      shared: of the space.
      validation: the images that scores are about; what does not fill the last
        batch is left out, for its statistics would be others.
      seed: [2], of the initial weights.

    Attributes:
      params, slots: of all architectures.
    """

    def __init__(
        self, shared: SharedWeights, validation: RealData, seed: tf.Tensor
    ) -> None:
        self._shared = shared
        params, self._statistics = shared.init(seed)
        self.params = [tf.Variable(value) for value in params]
        self.slots = [tf.Variable(tf.zeros_like(value)) for value in params]
        number = len(validation.images)
        number -= number % min(number, CHUNK_SIZE)
        validation = validation._replace(
            images=validation.images[:number],
            label_ids=validation.label_ids[:number],
        )

        def apply(
            params: Tensors,
            statistics: Tensors,
            images: tf.Tensor,
            training: bool,
        ) -> tuple[tf.Tensor, Tensors]:
            del training
            return shared.apply(params, statistics, images, True)

        learner = Learner("supernet", shared.init, apply)

        @tf.function(autograph=False)
        def step(encoded: Tensors, data: SyntheticData) -> None:
            state = inner_step(learner, SGD, self.path(encoded), data)
            self._put(encoded, state)

        @tf.function(autograph=False)
        def score(encoded: Tensors) -> tf.Tensor:
            return accuracy(learner, self.path(encoded), validation)

        @tf.function(autograph=False)
        def reward(encoded: Tensors, batch: Batch) -> tf.Tensor:
            state = self.path(encoded)
            logits, _ = apply(*state[:2], batch.images, True)
            right = tf.argmax(logits, -1) == tf.argmax(batch.labels, -1)
            return tf.reduce_mean(tf.cast(right, tf.float32))

        self._step, self._score, self._reward = step, score, reward

    def path(self, encoded: Tensors) -> LearnerState:
        """Returns what one architecture uses, as a learner's state."""
        rows = self._shared.rows(encoded)
        params, slots = (
            [
                tf.convert_to_tensor(v) if row is None else tf.gather(v, row)
                for v, row in zip(variables, rows, strict=True)
            ]
            for variables in (self.params, self.slots)
        )
        return LearnerState(params, [*encoded, *self._statistics], slots)

    def train(self, architecture: Architecture, data: SyntheticData) -> None:
        """Takes one step with one batch."""
        self._step(self._shared.encode(architecture), data)

    def score(self, architecture: Architecture) -> float:
        """Returns the share of the validation images that are right."""
        return float(self._score(self._shared.encode(architecture)))

    def reward(self, architecture: Architecture, batch: Batch) -> float:
        """Returns the share of the images of one batch that are right."""
        return float(self._reward(self._shared.encode(architecture), batch))

    def is_finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return bool(np.isfinite(tf.linalg.global_norm(self.params).numpy()))

    def digest(self) -> str:
        """Returns a hash of the weights."""
        digest = hashlib.sha256()
        for value in self.params:
            digest.update(np.ascontiguousarray(value.numpy()).tobytes())
        return digest.hexdigest()

    def _put(self, encoded: Tensors, state: LearnerState) -> None:
        rows = self._shared.rows(encoded)
        for variables, values in (
            (self.params, state.params),
            (self.slots, state.slots),
        ):
            for variable, value, row in zip(
                variables, values, rows, strict=True
            ):
                if row is None:
                    variable.assign(value)
                else:
                    variable.scatter_nd_update(row[:, None], value)
