"""First-order training of fresh learners, and their accuracy on real data."""

from collections.abc import Sequence

import tensorflow as tf

from gtn_tf.datasets.batches import RealData, normalize
from gtn_tf.learners.functional import Learner, with_drawn_learner
from gtn_tf.meta.inner_loop import (
    cross_entropy,
    initial_state,
    inner_step,
    step_data,
    unroll,
)
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.ops.counted_loop import counted_loop, counted_map
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.types import LearnerState, SyntheticData

CHUNK_SIZE = 500  # images per forward pass: bounds memory, fills two cores
_NUM_STATISTICS_BATCHES = 4


def predict(learner: Learner, state: LearnerState, real: RealData) -> tf.Tensor:
    """Returns the logits [N, K] of a split's N images."""
    num_images = real.images.shape[0]
    chunk = min(CHUNK_SIZE, num_images)
    num_chunks = -(-num_images // chunk)

    def logits_of(index: tf.Tensor) -> tf.Tensor:
        # The last chunk is filled up with the first images, which do not count
        # there; copies of one would, where a learner normalises by its batch.
        indices = (index * chunk + tf.range(chunk)) % num_images
        images = normalize(tf.gather(real.images, indices), real.mean, real.std)
        logits, _ = learner.apply(
            state.params,
            state.statistics,
            tf.cast(images, state.params[0].dtype),
            training=False,
        )
        return logits

    logits = counted_map(
        logits_of, num_chunks, state.params[0].dtype, parallel_iterations=1
    )
    return tf.reshape(logits, (num_chunks * chunk, -1))[:num_images]


def share_right(logits: tf.Tensor, real: RealData) -> tf.Tensor:
    """Returns the share of a split's images whose logits [N, K] are right.

    Logits that are NaN are wrong: argmax takes the first class, which of a
    learner that diverged would make the share of that class.
    """
    is_right = tf.argmax(logits, -1, tf.int32) == real.label_ids
    is_known = tf.logical_not(tf.reduce_any(tf.math.is_nan(logits), -1))
    num_right = tf.math.count_nonzero(
        tf.logical_and(is_right, is_known), dtype=tf.int32
    )
    return tf.cast(num_right, tf.float32) / real.images.shape[0]


def log_likelihood(logits: tf.Tensor, real: RealData) -> tf.Tensor:
    """Returns the mean log-probability, in nats, of a split's labels []."""
    labels = tf.one_hot(real.label_ids, real.num_classes, dtype=logits.dtype)
    return -cross_entropy(logits, labels)


def readouts(logits: tf.Tensor, real: RealData) -> dict[str, tf.Tensor]:
    """Returns `accuracy` and `log_likelihood`, NaN where a logit is.

    The largest of NaN is a class like any other, and may be the right one.
    """
    likelihood = log_likelihood(logits, real)
    nothing = tf.constant(float("nan"), tf.float32)
    is_known = tf.logical_not(tf.math.is_nan(likelihood))
    return {
        "accuracy": tf.where(is_known, share_right(logits, real), nothing),
        "log_likelihood": likelihood,
    }


def accuracy(
    learner: Learner, state: LearnerState, real: RealData
) -> tf.Tensor:
    """Returns the share of a split's images that the learner gets right."""
    return share_right(predict(learner, state, real), real)


def measured(
    problem: InnerProblem,
    learner: Learner,
    state: LearnerState,
    seed: tf.Tensor,
) -> LearnerState:
    """Returns the state with batch statistics of real images, unlabelled.

    Means over training batches, by the parameters as they are (Wu & Johnson
    2021, "PreciseBN"). After a few steps on synthetic images they are better
    than those of the last batch (docs/usage.md).

    Args:
      problem: draws the images.
      learner: its `batch_statistics` say which; others stay.
      state: at the end of a training.
      seed: [2], the learner's.
    """
    if not learner.batch_statistics:
        return state
    found = []
    for number in range(_NUM_STATISTICS_BATCHES):
        batch_seed = fold(seed, Purpose.BATCH_STATISTICS, number)
        images = tf.cast(
            problem.sample_real(batch_seed).images, state.params[0].dtype
        )
        _, after = learner.apply(
            state.params, state.statistics, images, training=True
        )
        found.append([after[place] for place in learner.batch_statistics])
    statistics = list(state.statistics)
    for place, values in zip(
        learner.batch_statistics, zip(*found, strict=True), strict=True
    ):
        statistics[place] = tf.add_n(values) / len(values)
    return state._replace(statistics=statistics)


def fresh_learner_logits(
    problem: InnerProblem,
    data: SyntheticData,
    real: RealData,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Trains one fresh learner for all T steps; returns its logits [N, K].

    Args:
      problem: the learners, of which `seed` draws one, and their optimizer.
      data: what it trains on.
      real: the split that is asked about.
      seed: [2], the learner's.
    """

    def train_and_predict(learner: Learner) -> tf.Tensor:
        state = initial_state(learner, problem.optimizer, seed)
        state = unroll(learner, problem.optimizer, state, data)
        state = measured(problem, learner, state, seed)
        return predict(learner, state, real)

    return with_drawn_learner(problem.learners, seed, train_and_predict)


def fresh_learner_accuracy(
    problem: InnerProblem,
    data: SyntheticData,
    real: RealData,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns that learner's accuracy; arguments as above."""
    return fresh_learner_accuracy_on(problem, data, [real], seed)[0]


def fresh_learner_accuracy_on(
    problem: InnerProblem,
    data: SyntheticData,
    splits: Sequence[RealData],
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns that one learner's accuracy on each of S splits, [S]."""

    def train_and_test(learner: Learner) -> tf.Tensor:
        state = initial_state(learner, problem.optimizer, seed)
        state = unroll(learner, problem.optimizer, state, data)
        state = measured(problem, learner, state, seed)
        return tf.stack([accuracy(learner, state, real) for real in splits])

    return with_drawn_learner(problem.learners, seed, train_and_test)


def fresh_learner_accuracies(
    problem: InnerProblem,
    data: SyntheticData,
    real: RealData,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns the accuracy after every inner step, [T]; else as above."""
    num_steps = data.images.shape[0]

    def train_and_test(learner: Learner) -> tf.Tensor:
        state = initial_state(learner, problem.optimizer, seed)

        def body(
            step: tf.Tensor, flat: list[tf.Tensor], found: tf.TensorArray
        ) -> tuple:
            after = inner_step(
                learner,
                problem.optimizer,
                tf.nest.pack_sequence_as(state, flat),
                step_data(data, step),
            )
            asked = measured(problem, learner, after, seed)
            found = found.write(step, accuracy(learner, asked, real))
            return step + 1, tf.nest.flatten(after), found

        found = tf.TensorArray(tf.float32, num_steps, element_shape=[])
        _, _, found = counted_loop(
            num_steps, body, (tf.constant(0), tf.nest.flatten(state), found)
        )
        return found.stack()

    return with_drawn_learner(problem.learners, seed, train_and_test)


def train_fresh_learner(
    problem: InnerProblem, data: SyntheticData, seed: tf.Tensor
) -> tf.Tensor:
    """Trains one fresh learner; returns the norm of its parameters.

    For timing: the norm needs all T steps and costs nothing beside them.
    """

    def train(learner: Learner) -> tf.Tensor:
        state = initial_state(learner, problem.optimizer, seed)
        state = unroll(learner, problem.optimizer, state, data)
        return tf.linalg.global_norm(state.params)

    return with_drawn_learner(problem.learners, seed, train)
