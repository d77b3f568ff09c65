import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.ops.seeds import root_seed
from gtn_tf.teachers.generator import IMAGE_SCALE
from gtn_tf.types import Batch
from tests.helpers.float_tolerance import assert_close
from tests.helpers.teachers import SPEC, make_teacher

NUM_STEPS, BATCH_SIZE = SPEC.num_steps, SPEC.batch_size
NUM_CLASSES = SPEC.num_classes
NUM_EXAMPLES = NUM_STEPS * BATCH_SIZE
LABEL_IDS = np.arange(NUM_EXAMPLES).reshape(NUM_STEPS, BATCH_SIZE) % 3


def build(seed=0, **changes):
    return make_teacher(root_seed(seed), **changes)


def synthesize(gtn, seed, **values):
    return gtn.synthesize({**gtn.read(), **values}, root_seed(seed))


def distilled(curriculum, **changes):
    """A GTN whose images are variables: they can be told apart."""
    gtn = build(source="distillation", curriculum=curriculum, **changes)
    rates = tf.range(1.0, NUM_STEPS + 1) / 10.0
    gtn.variables_by_name["inner_learning_rate"].assign(tf.math.log(rates))
    return gtn, rates


def examples(data):
    """Flattened image -> its label, for each example in order."""
    images = data.images.numpy().reshape(NUM_EXAMPLES, -1)
    labels = data.labels.numpy().reshape(NUM_EXAMPLES, -1)
    return [
        (tuple(image), tuple(label))
        for image, label in zip(images, labels, strict=True)
    ]


def batches(data):
    pairs = examples(data)
    return [
        frozenset(pairs[i : i + BATCH_SIZE])
        for i in range(0, NUM_EXAMPLES, BATCH_SIZE)
    ]


@pytest.mark.parametrize("curriculum", ["full", "fixed_noise"])
def test_a_shared_curriculum_is_the_same_for_all_learners(curriculum):
    gtn = build(curriculum=curriculum)
    first, second = (synthesize(gtn, seed) for seed in (0, 1))
    assert first.images.shape == (NUM_STEPS, BATCH_SIZE, 8, 8, 1)
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.labels, np.eye(NUM_CLASSES)[LABEL_IDS])
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("learn_labels", [False, True])
@pytest.mark.parametrize("curriculum", ["shuffled_batch", "all_shuffled"])
def test_shuffles_move_labels_with_images_and_leave_rates(
    curriculum, learn_labels
):
    gtn, rates = distilled(curriculum, learn_labels=learn_labels)
    unshuffled, _ = distilled("full", learn_labels=learn_labels)
    if learn_labels:
        logits = tf.random.stateless_normal(
            (NUM_STEPS, BATCH_SIZE, NUM_CLASSES), [0, 0]
        )
        for each in (gtn, unshuffled):
            each.variables_by_name["label_logits"].assign(logits)
    original = synthesize(unshuffled, 0)
    shuffled = [synthesize(gtn, seed) for seed in range(3)]
    for data in shuffled:
        assert sorted(examples(data)) == sorted(examples(original))
        same = set(batches(data)) == set(batches(original))
        assert same == (curriculum == "shuffled_batch")
        np.testing.assert_allclose(
            data.hyperparameters["learning_rate"], rates, rtol=1e-6
        )
    assert len({tuple(examples(data)) for data in shuffled}) == 3
    again = synthesize(gtn, 2)
    np.testing.assert_array_equal(again.images, shuffled[2].images)


def test_shuffled_batches_of_generated_images_are_the_same_batches():
    # Normalisation per batch: a batch's images do not depend on its position.
    gtn, ordered = build(curriculum="shuffled_batch"), build(curriculum="full")
    shuffled, original = synthesize(gtn, 3), synthesize(ordered, 3)
    means = [
        np.sort(tf.reduce_mean(data.images, axis=(1, 2, 3, 4)))
        for data in (shuffled, original)
    ]
    # Dense sums of 8 and 6 terms, convolutions of 9 x 4 and 9 x 3, the mean.
    num_roundings = 8 + 6 + 9 * 4 + 9 * 3 + BATCH_SIZE * 8 * 8
    assert_close(*means, num_roundings, IMAGE_SCALE)


def test_no_curriculum_draws_noise_and_labels_per_learner():
    gtn = build(curriculum="none")
    assert "noise" not in gtn.variables_by_name
    data = [synthesize(gtn, seed) for seed in range(20)]
    again = synthesize(gtn, 0)
    np.testing.assert_array_equal(data[0].images, again.images)
    np.testing.assert_array_equal(data[0].labels, again.labels)
    assert not np.allclose(data[0].images, data[1].images)
    assert not np.allclose(data[0].labels, data[1].labels)
    label_ids = np.concatenate([np.argmax(d.labels, -1).ravel() for d in data])
    # 160 of each, with a standard deviation of sqrt(480 x 2 / 9) = 10.3.
    assert np.all(np.abs(np.bincount(label_ids) - 160) < 42)


def names(**changes):
    gtn = build(**changes)
    return list(gtn.variables_by_name), gtn.trained_names


def test_the_order_of_variables_and_what_is_trained():
    # Two dense layers and a convolution with kernel, gain, gamma and beta; a
    # convolution with kernel, gain and bias.
    generator = [f"generator_{i:02d}" for i in range(3 * 4 + 3)]
    rates = ["inner_learning_rate", "inner_momentum"]
    everything = [*generator, "noise", *rates]
    assert names() == (everything, everything)
    assert names(curriculum="fixed_noise") == (
        everything,
        [*generator, *rates],
    )
    assert names(learn_hyperparameters=False) == (
        everything,
        [*generator, "noise"],
    )
    assert names(curriculum="none")[0] == [*generator, *rates]
    assert names(learn_labels=True)[1] == [
        *generator,
        "noise",
        "label_logits",
        *rates,
    ]
    assert names(source="distillation")[1] == ["images", *rates]


def test_read_and_trained_variables():
    gtn = build(curriculum="fixed_noise")
    values = gtn.read()
    assert list(values) == list(gtn.variables_by_name)
    trained = gtn.trained_variables()
    for name, variable in zip(gtn.trained_names, trained, strict=True):
        assert variable is gtn.variables_by_name[name]
        np.testing.assert_array_equal(values[name], variable)
    assert all(isinstance(v, tf.Variable) for v in trained)


@pytest.mark.parametrize(
    "changes",
    [{}, {"source": "distillation"}, {"curriculum": "shuffled_batch"}],
)
def test_values_are_a_function_of_the_seed(changes):
    first, again, other = (build(seed, **changes).read() for seed in (0, 0, 1))
    random = {"noise", "images", "generator_00"} & set(first)
    assert random
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
        if name in random:
            assert not np.allclose(value, other[name])


@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.0])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_hyperparameters_start_at_the_configured_values(optimizer, momentum):
    gtn = build(optimizer=optimizer, learning_rate=0.02, momentum=momentum)
    found = gtn.hyperparameters(gtn.read())
    # Exact zero has no logarithm: it starts at _SMALLEST = 1e-6.
    for name, value in (("learning_rate", 0.02), ("momentum", momentum)):
        np.testing.assert_allclose(
            found[name], np.full(NUM_STEPS, value), rtol=0.0, atol=1.1e-6
        )
        assert np.all(np.isfinite(gtn.read()[f"inner_{name}"]))


@pytest.mark.parametrize(
    ("optimizer", "highest"), [("adam", 1.0), ("sgd", np.e**3)]
)
def test_only_adams_momentum_is_bounded_by_1(optimizer, highest):
    gtn = build(optimizer=optimizer)
    values = {**gtn.read(), "inner_momentum": tf.fill((NUM_STEPS,), 3.0)}
    found = gtn.hyperparameters(values)["momentum"].numpy()
    expected = 1 / (1 + np.exp(-3.0)) if optimizer == "adam" else highest
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.all(found > 0.0)


def test_each_step_has_hyperparameters_of_its_own():
    gtn, rates = distilled("full")
    found = gtn.hyperparameters(gtn.read())
    np.testing.assert_allclose(found["learning_rate"], rates, rtol=1e-6)
    assert found["momentum"].shape == (NUM_STEPS,)


def test_learned_labels_start_at_nine_tenths():
    labels = synthesize(build(learn_labels=True), 0).labels.numpy()
    np.testing.assert_allclose(labels.sum(-1), 1.0, rtol=1e-6)
    others = (1 - 0.9) / (NUM_CLASSES - 1)
    expected = np.where(np.eye(NUM_CLASSES)[LABEL_IDS], 0.9, others)
    np.testing.assert_allclose(labels, expected, rtol=1e-5)


def test_distilled_images_are_variables_within_the_range():
    gtn = build(source="distillation")
    images = gtn.variables_by_name["images"]
    assert images.shape == (NUM_STEPS, BATCH_SIZE, 8, 8, 1)
    assert abs(float(tf.math.reduce_std(images)) - 1.0) < 0.1
    data = synthesize(gtn, 0)
    np.testing.assert_allclose(data.images, 2 * np.tanh(images), rtol=1e-5)


@pytest.mark.parametrize("curriculum", ["full", "all_shuffled", "none"])
def test_images_are_a_function_of_the_given_values(curriculum):
    gtn, other = (build(seed, curriculum=curriculum) for seed in (0, 1))
    # `gtn` lends its architecture only; the variables are not read.
    found = gtn.synthesize(other.read(), root_seed(5))
    expected = other.synthesize(other.read(), root_seed(5))
    np.testing.assert_array_equal(found.images, expected.images)


@pytest.mark.parametrize("curriculum", ["full", "all_shuffled"])
def test_gradients_reach_all_that_is_trained(curriculum):
    gtn = build(curriculum=curriculum, learn_labels=True)
    values = gtn.read()
    with tf.GradientTape() as tape:
        tape.watch(values)
        data = gtn.synthesize(values, root_seed(0))
        flat = [tf.reshape(v, [-1]) for v in tf.nest.flatten(data)]
        # Weights 0, 1, 2, ..: a plain sum of softmax rows is constant.
        weights = [tf.range(v.shape[0], dtype=v.dtype) for v in flat]
        loss = tf.add_n(
            [
                tf.reduce_sum(w * tf.sin(v))
                for w, v in zip(weights, flat, strict=True)
            ]
        )
    for name, gradient in tape.gradient(loss, values).items():
        assert isinstance(gradient, tf.Tensor), name
        assert np.any(gradient.numpy()), name
        assert np.all(np.isfinite(gradient)), name


def test_float64():
    gtn = build(precision="float64")
    data = synthesize(gtn, 0)
    assert {v.dtype for v in tf.nest.flatten(data)} == {tf.float64}


def _numbered(seed, num_images):
    """Real images that tell which seed and place they were drawn at."""
    places = tf.range(num_images, dtype=tf.float32)[:, None, None, None]
    images = tf.tile(places, [1, 8, 8, 1]) + tf.cast(seed[0] % 97, tf.float32)
    labels = tf.one_hot(tf.range(num_images) % NUM_CLASSES, NUM_CLASSES)
    return Batch(images, labels)


def test_source_real_learns_nothing_but_rates():
    gtn = build(source="real", sample_real=_numbered)
    assert gtn.trained_names == ["inner_learning_rate", "inner_momentum"]
    assert set(gtn.variables_by_name) == set(gtn.trained_names)
    assert not gtn.shares_data


def test_source_real_draws_afresh_for_every_learner():
    gtn = build(source="real", sample_real=_numbered)
    first, again, other = (synthesize(gtn, seed) for seed in (0, 0, 1))
    shape = (NUM_STEPS, BATCH_SIZE)
    assert first.images.shape == (*shape, 8, 8, 1)
    # All T x B images come from one draw, in order, with their labels.
    places = first.images[..., 0, 0, 0] - first.images[0, 0, 0, 0, 0]
    np.testing.assert_array_equal(
        places, np.arange(NUM_EXAMPLES).reshape(shape)
    )
    np.testing.assert_array_equal(np.argmax(first.labels, -1), LABEL_IDS)
    np.testing.assert_array_equal(first.images, again.images)
    assert np.any(first.images != other.images)
    np.testing.assert_allclose(
        first.hyperparameters["learning_rate"], 0.02, rtol=1e-6
    )
