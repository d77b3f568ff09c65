import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import (
    RealData,
    device_split,
    sample_batch,
)
from gtn_tf.learners.functional import Learner
from gtn_tf.meta import evaluation
from gtn_tf.meta.inner_loop import (
    initial_state,
    inner_step,
    step_data,
)
from gtn_tf.ops.seeds import fold, root_seed
from gtn_tf.training.assembly import build_problem, build_teacher
from gtn_tf.types import LearnerState, SyntheticData
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close

_SEED = root_seed(5)


def _linear(params, statistics, images, training):
    assert training is False
    return tf.reshape(images, [images.shape[0], -1]) @ params[0], statistics


@pytest.mark.parametrize("num_images", [1, 499, 500, 501, 1203])
def test_accuracy_counts_every_image_once(num_images):
    rng = np.random.default_rng(num_images)
    images = rng.integers(0, 256, (num_images, 2, 3, 1), np.uint8)
    label_ids = rng.integers(0, 4, num_images, np.int32)
    weights = rng.normal(size=(6, 4)).astype(np.float32)
    mean, std = 0.4, 0.3
    real = RealData(
        tf.constant(images), tf.constant(label_ids), (mean,), (std,), 4, False
    )
    logits = ((images / 255 - mean) / std).reshape(num_images, 6) @ weights
    # The filling of the last chunk repeats the first image: let it be right.
    label_ids[0] = logits[0].argmax()
    real = real._replace(label_ids=tf.constant(label_ids))
    expected = (logits.argmax(-1) == label_ids).mean()

    state = LearnerState([tf.constant(weights)], [], [])
    learner = Learner("linear", lambda seed: None, _linear)
    found = tf.function(evaluation.accuracy, autograph=False)(
        learner, state, real
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("num_images", [3, 500, 501, 700])
def test_a_chunk_is_filled_up_with_different_images(num_images):
    """Else a learner that normalises by them would see copies of one."""

    def relative(params, statistics, images, training):
        values = tf.reshape(images, [images.shape[0], -1])
        return values - tf.reduce_mean(values, axis=0), statistics

    rng = np.random.default_rng(num_images)
    images = rng.integers(0, 256, (num_images, 2, 2, 1), np.uint8)
    real = RealData(
        tf.constant(images),
        tf.zeros(num_images, tf.int32),
        (0.0,),
        (1 / 255,),
        4,
        False,
    )
    values = images.reshape(num_images, 4).astype(np.float64)
    last = np.concatenate([values[500:], values])[:500]
    expected = values - values[:500].mean(axis=0)
    expected[500:] = values[500:] - last.mean(axis=0)
    state = LearnerState([tf.zeros([])], [], [])
    learner = Learner("relative", lambda seed: None, relative)
    logits = evaluation.predict(learner, state, real)
    assert_close(logits, expected, 500, 255.0)


def test_logits_that_are_no_numbers_are_no_accuracy():
    """The largest of NaN is the first class, which may be the right one."""
    none = np.zeros((4, 2, 2, 1), np.uint8)
    label_ids = tf.zeros(4, tf.int32)
    real = RealData(tf.constant(none), label_ids, (0.0,), (1.0,), 3, False)
    logits = np.eye(4, 3, dtype=np.float32)
    known = evaluation.readouts(tf.constant(logits), real)
    assert float(known["accuracy"]) == 0.5
    logits[2, 1] = np.nan
    unknown = evaluation.readouts(tf.constant(logits), real)
    assert all(np.isnan(float(value)) for value in unknown.values())


def test_logits_that_are_no_numbers_are_wrong():
    """So that of two rates the one that diverges is never the better."""
    none = tf.zeros((4, 2, 2, 1), tf.uint8)
    real = RealData(none, tf.zeros(4, tf.int32), (0.0,), (1.0,), 3, False)
    logits = np.tile(np.float32([3, 2, 1]), (4, 1))
    assert float(evaluation.share_right(tf.constant(logits), real)) == 1
    logits[2, 1] = np.nan
    assert float(evaluation.share_right(tf.constant(logits), real)) == 0.75
    unknown = tf.fill((4, 3), float("nan"))
    assert float(evaluation.share_right(unknown, real)) == 0


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_fresh_learner_depends_on_its_seed_alone(digits):
    config = tiny.get_config()
    train = device_split(digits, "train")
    gtn = build_teacher(config, train)
    problem = build_problem(config, train)
    real = device_split(digits, "validation")

    @tf.function(autograph=False)
    def accuracy_of(index):
        seed = fold(_SEED, index)
        data = gtn.synthesize(gtn.read(), seed)
        return evaluation.fresh_learner_accuracy(problem, data, real, seed)

    first = [float(accuracy_of(tf.constant(i))) for i in range(4)]
    again = [float(accuracy_of(tf.constant(i))) for i in reversed(range(4))]
    assert first == again[::-1]
    assert len(set(first)) > 1
    assert all(0 <= value < 0.5 for value in first)


def test_real_data_teach_a_learner(digits):
    """The path of a GTN's learner, with real batches in place of its data."""
    num_steps = 100
    config = tiny.get_config()
    config.learner.widths = (64, 32)
    train = device_split(digits, "train")
    batches = [
        sample_batch(train, fold(_SEED, t), 32) for t in range(num_steps)
    ]
    synthetic = SyntheticData(
        images=tf.stack([batch.images for batch in batches]),
        labels=tf.stack([batch.labels for batch in batches]),
        hyperparameters={
            "learning_rate": tf.fill([num_steps], 0.05),
            "momentum": tf.fill([num_steps], 0.5),
        },
    )
    problem = build_problem(config, train)
    real = device_split(digits, "validation")

    @tf.function(autograph=False)
    def accuracy():
        return evaluation.fresh_learner_accuracy(
            problem, synthetic, real, _SEED
        )

    assert accuracy() > 0.85


def test_accuracies_per_step_are_those_of_shorter_trainings(digits):
    config = tiny.get_config()
    config.inner.num_steps = 4
    train = device_split(digits, "train")
    gtn = build_teacher(config, train)
    problem = build_problem(config, train)
    real = device_split(digits, "validation")
    data = gtn.synthesize(gtn.read(), _SEED)

    def first(number):
        return tf.nest.map_structure(lambda values: values[:number], data)

    per_step = tf.function(
        evaluation.fresh_learner_accuracies, autograph=False
    )(problem, data, real, _SEED)
    for number in range(1, 5):
        expected = tf.function(
            evaluation.fresh_learner_accuracy, autograph=False
        )(problem, first(number), real, _SEED)
        np.testing.assert_array_equal(per_step[number - 1], expected)
    assert len(set(per_step.numpy())) > 1


def test_training_alone_ends_where_training_with_tests_does(digits):
    """Its seconds are those of the same T steps: the norm depends on all."""
    config = tiny.get_config()
    train = device_split(digits, "train")
    gtn = build_teacher(config, train)
    problem = build_problem(config, train)
    data = gtn.synthesize(gtn.read(), _SEED)
    (learner,) = problem.learners
    state = initial_state(learner, problem.optimizer, _SEED)
    for step in range(config.inner.num_steps):
        batch = step_data(data, step)
        state = inner_step(learner, problem.optimizer, state, batch)
    norm = tf.function(evaluation.train_fresh_learner, autograph=False)(
        problem, data, _SEED
    )
    expected = np.sqrt(sum(np.sum(np.square(p)) for p in state.params))
    # The first layer, of 64 pixels and 4 units, has the longest sums.
    assert_close(norm, expected, num_roundings=64 * 4)
