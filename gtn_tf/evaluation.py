"""First-order training of fresh learners, and their accuracy on real data."""

import tensorflow as tf

from gtn_tf.gtn import GTN
from gtn_tf.inner_loop import initial_state, unroll
from gtn_tf.inner_problem import InnerProblem
from gtn_tf.learners import Learner, with_drawn_learner
from gtn_tf.real_batches import RealData, normalize
from gtn_tf.types import LearnerState

_CHUNK_SIZE = 500  # images per forward pass: bounds memory, fills two cores


def accuracy(
    learner: Learner, state: LearnerState, real: RealData
) -> tf.Tensor:
    """Returns the share of a split's images that the learner gets right."""
    num_images = real.images.shape[0]
    chunk = min(_CHUNK_SIZE, num_images)

    def body(start: tf.Tensor, num_right: tf.Tensor) -> tuple:
        positions = start + tf.range(chunk)
        # The last chunk is filled up with images that do not count.
        indices = tf.minimum(positions, num_images - 1)
        images = normalize(tf.gather(real.images, indices), real.mean, real.std)
        logits, _ = learner.apply(
            state.params,
            state.statistics,
            tf.cast(images, state.params[0].dtype),
            training=False,
        )
        predicted = tf.argmax(logits, -1, tf.int32)
        right = predicted == tf.gather(real.label_ids, indices)
        right &= positions < num_images
        return start + chunk, num_right + tf.reduce_sum(
            tf.cast(right, tf.int32)
        )

    _, num_right = tf.while_loop(
        lambda start, _: start < num_images,
        body,
        (tf.constant(0), tf.constant(0)),
        maximum_iterations=-(-num_images // chunk),
    )
    return tf.cast(num_right, tf.float32) / num_images


def fresh_learner_accuracy(
    gtn: GTN,
    problem: InnerProblem,
    meta_params: dict[str, tf.Tensor],
    real: RealData,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Trains one fresh learner on the GTN's data; returns its accuracy.

    Args:
      gtn: what makes the data.
      problem: the learners, of which `seed` draws one, and their optimizer.
      meta_params: from `gtn.read()`.
      real: the split that is asked about.
      seed: [2], the learner's.
    """
    data = gtn.synthesize(meta_params, seed)

    def train_and_test(learner: Learner) -> tf.Tensor:
        state = initial_state(learner, problem.optimizer, seed)
        state = unroll(learner, problem.optimizer, state, data)
        return accuracy(learner, state, real)

    return with_drawn_learner(problem.learners, seed, train_and_test)
