from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tiny

from gtn_tf import data, evaluation
from gtn_tf.assembly import build_gtn, build_problem
from gtn_tf.gtn import SyntheticData
from gtn_tf.learners import Learner
from gtn_tf.real_batches import RealData, device_split, sample_batch
from gtn_tf.seeds import fold, root_seed
from gtn_tf.types import LearnerState

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
    # The filling of the last chunk repeats the last image: let it be right.
    label_ids[-1] = logits[-1].argmax()
    real = real._replace(label_ids=tf.constant(label_ids))
    expected = (logits.argmax(-1) == label_ids).mean()

    state = LearnerState([tf.constant(weights)], [], [])
    learner = Learner("linear", lambda seed: None, _linear)
    found = tf.function(evaluation.accuracy)(learner, state, real)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_fresh_learner_depends_on_its_seed_alone(digits):
    config = tiny.get_config()
    gtn = build_gtn(config)
    problem = build_problem(config, device_split(digits, "train"))
    real = device_split(digits, "validation")

    @tf.function
    def accuracy_of(index):
        return evaluation.fresh_learner_accuracy(
            gtn, problem, gtn.read(), real, fold(_SEED, index)
        )

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
    gtn = SimpleNamespace(synthesize=lambda meta_params, seed: synthetic)
    problem = build_problem(config, train)
    real = device_split(digits, "validation")

    @tf.function
    def accuracy():
        return evaluation.fresh_learner_accuracy(gtn, problem, {}, real, _SEED)

    assert accuracy() > 0.85
