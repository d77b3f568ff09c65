"""Scores by training on a fixed subset: as many images as the GTN has."""

from typing import Any

import numpy as np
import tensorflow as tf

from gtn_tf.evaluation.constant_rates import choose_subset
from gtn_tf.nas.evaluators.real import DrawBatch, OnReal
from gtn_tf.nas.evaluators.trained import Trained
from gtn_tf.nas.session import Session, keep
from gtn_tf.types import Batch


class OnRealSubset(OnReal):
    """`real_subset`: the classes in turn, in a fixed order, as they are."""

    def own_budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        num_images = self.spec.num_inner_steps * self.spec.inner_batch_size
        return (
            self.spent_budget()
            | {"num_images": num_images}
            | Trained.own_budget(self)
        )

    def draw(self, seed: tf.Tensor, session: Session) -> tuple[DrawBatch, int]:
        """See `OnReal`."""
        batch_size, spec = self.training.batch_size, self.spec
        shape = spec.num_inner_steps, spec.inner_batch_size
        dataset = session.data.dataset
        chosen = keep(
            session.kept,
            "real_subset",
            lambda: choose_subset(spec.seed, shape, dataset).reshape(-1),
        )

        def draw(step: int) -> Batch:
            positions = np.arange(step * batch_size, (step + 1) * batch_size)
            return session.training_images(chosen[positions % len(chosen)])

        return draw, len(chosen)
