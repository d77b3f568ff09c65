"""Scores by training on real images, for some steps, epochs or seconds."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from gtn_tf.config.choices import SCHEDULES
from gtn_tf.datasets.batches import sample_batch
from gtn_tf.import_paths import choose
from gtn_tf.nas.evaluators.evaluator import Evaluation, Job
from gtn_tf.nas.evaluators.trained import Trained
from gtn_tf.nas.session import Session, keep
from gtn_tf.nas.spec import RealTraining
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.runtime.global_switches import synchronize
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.types import Batch, SyntheticData

#: Step -> (images and labels of that step).
DrawBatch = Callable[[int], Batch]


# Share of the budget that is spent -> factor of the learning rate;
# `config.choices.SCHEDULES` names them.
def constant(share: float) -> float:
    """Returns 1."""
    return 1.0


def cosine(share: float) -> float:
    """Returns half a cosine, from 1 to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * share))


class OnReal(Trained):
    """`real`: batches at random, augmented where the data set is."""

    @property
    def training(self) -> RealTraining:
        """Batch size, rate, momentum and schedule."""
        spec = self.spec
        return spec.truth_training if self.is_truth else spec.training

    @property
    def follows_teacher(self) -> bool:
        """See `Evaluator`."""
        return self.name.unit is None

    def own_budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        apart = {} if self.is_truth else {"batches": "not the truth's"}
        return self.spent_budget() | apart | super().own_budget()

    def spent_budget(self) -> dict[str, Any]:
        """Returns how much is trained, and how, as JSON."""
        unit, number = self.name.unit, self.name.number
        if unit is None:
            unit, number = "steps", self.spec.num_inner_steps
        return {unit: number, **dataclasses.asdict(self.training)}

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""
        return self.train(
            job,
            session,
            "sgd",
            lambda seed: self._batches(*self.draw(seed, session), session),
        )

    def draw(self, seed: tf.Tensor, session: Session) -> tuple[DrawBatch, int]:
        """Returns what draws the batches, and the number of all images."""
        batch_size = self.training.batch_size

        def trace() -> Callable[..., Batch]:
            @tf.function(autograph=False)
            def draw(seed: tf.Tensor, step: tf.Tensor) -> Batch:
                seed = fold(seed, Purpose.REAL_BATCH, step)
                return sample_batch(session.data.train, seed, batch_size)

            return draw

        traced = keep(session.kept, ("draw_real", batch_size), trace)
        # Batches that are the truth's first ones would make a score look like
        # it.
        drawn = seed if self.is_truth else fold(seed, Purpose.SEARCH)
        num_images = len(session.data.dataset.train.images)
        return lambda step: traced(drawn, tf.constant(step)), num_images

    def _batches(
        self, draw: DrawBatch, num_images: int, session: Session
    ) -> Iterator[SyntheticData]:
        """Yields batches and rates until the budget is spent."""
        training = self.training
        rate_at = choose(training.schedule, SCHEDULES, "search.real_schedule")
        momentum = tf.constant(training.momentum)
        for step, share in self._spend(num_images):
            if session.should_stop():
                raise Stopped(0)
            rate = training.learning_rate * rate_at(share)
            images, labels = draw(step)
            yield SyntheticData(
                images,
                labels,
                {
                    "learning_rate": tf.constant(rate, momentum.dtype),
                    "momentum": momentum,
                },
            )

    def _spend(self, num_images: int) -> Iterator[tuple[int, float]]:
        """Yields (step, share of the budget spent before it)."""
        unit, number = self.name.unit, self.name.number
        if unit == "seconds":
            began, step, share = time.perf_counter(), 0, 0.0
            while share < 1.0:
                yield step, share
                synchronize()
                step += 1
                share = (time.perf_counter() - began) / number
            return
        if unit is None:
            number = self.spec.num_inner_steps
        elif unit == "epochs":
            steps = number * num_images / self.training.batch_size
            number = max(1, math.ceil(steps))
        for step in range(number):
            yield step, step / number
