"""What gives any architecture weights, once it is trained."""

import abc
import hashlib

import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import RealData
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.evaluation import (
    CHUNK_SIZE,
    predict,
    readouts,
)
from gtn_tf.search_spaces.protocol import Architecture, SharedWeights
from gtn_tf.types import Batch, LearnerState, SyntheticData

Tensors = list[tf.Tensor]


class WeightSource(abc.ABC):
    """Variables that the weights of all architectures come from.

    Normalisation uses the statistics of the batch at hand, in training and in
    scoring, as statistics that are kept would be another architecture's. All
    are scored on the same batches of the validation images.

    Args:
      shared: of the space.
      validation: the images that scores are about; what does not fill the last
        batch is left out, for its statistics would be others.

    Attributes:
      params, slots: what is trained, and its optimizer's, as variables.
    """

    params: list[tf.Variable]
    slots: list[tf.Variable]

    def __init__(self, shared: SharedWeights, validation: RealData) -> None:
        self._shared = shared
        number = len(validation.images)
        number -= number % min(number, CHUNK_SIZE)
        validation = validation.first(number)

        def apply(
            params: Tensors,
            statistics: Tensors,
            images: tf.Tensor,
            training: bool,
        ) -> tuple[tf.Tensor, Tensors]:
            del training
            return shared.apply(params, statistics, images, True)

        self._learner = Learner("shared", shared.init, apply)

        @tf.function(autograph=False)
        def read(told: Tensors) -> dict[str, tf.Tensor]:
            logits = predict(self._learner, self.path(told), validation)
            return readouts(logits, validation)

        @tf.function(autograph=False)
        def reward(told: Tensors, batch: Batch) -> tf.Tensor:
            state = self.path(told)
            logits, _ = apply(*state[:2], batch.images, True)
            right = tf.argmax(logits, -1) == tf.argmax(batch.labels, -1)
            return tf.reduce_mean(tf.cast(right, tf.float32))

        self._step = tf.function(self._update, autograph=False)
        self._read, self._reward = read, reward

    @abc.abstractmethod
    def tell(self, architecture: Architecture) -> Tensors:
        """Returns an architecture as tensors."""

    @abc.abstractmethod
    def path(self, told: Tensors) -> LearnerState:
        """Returns the weights of an architecture, as a learner's state.

        Args:
          told: see `tell`.
        """

    @abc.abstractmethod
    def _update(self, told: Tensors, data: SyntheticData) -> None:
        """Changes the variables by one step with one batch."""

    def train(self, architecture: Architecture, data: SyntheticData) -> None:
        """Takes one step with one batch."""
        self._step(self.tell(architecture), data)

    def read(self, architecture: Architecture) -> dict[str, float]:
        """Returns `accuracy` and `log_likelihood` of the validation images."""
        values = self._read(self.tell(architecture))
        return {name: float(value) for name, value in values.items()}

    def score(self, architecture: Architecture) -> float:
        """Returns the share of the validation images that are right."""
        return self.read(architecture)["accuracy"]

    def reward(self, architecture: Architecture, batch: Batch) -> float:
        """Returns the share of the images of one batch that are right."""
        return float(self._reward(self.tell(architecture), batch))

    def is_finite(self) -> bool:
        """Whether all that is trained is finite numbers."""
        return bool(np.isfinite(tf.linalg.global_norm(self.params).numpy()))

    def digest(self) -> str:
        """Returns a hash of what is trained."""
        digest = hashlib.sha256()
        for value in self.params:
            digest.update(np.ascontiguousarray(value.numpy()).tobytes())
        return digest.hexdigest()
