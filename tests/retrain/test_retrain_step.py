import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets.loading import Dataset
from gtn_tf.retrain.data import prepare_images
from gtn_tf.retrain.network import Regularization, build_retrain_network
from gtn_tf.retrain.step import (
    Protocol,
    TrainingState,
    classification_loss,
    decayed_gradients,
    epoch_learning_rate,
    make_train_step,
)
from gtn_tf.runtime.devices import find_devices
from gtn_tf.runtime.global_switches import configure_runtime
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.structure import NetworkSize
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close

_GENOTYPE = Genotype.from_text("conv1x1@0+identity@1:2/max2x2@0+conv3x3@1:2")


def test_the_rate_is_half_a_cosine():
    rates = [epoch_learning_rate(0.025, e, 4) for e in range(4)]
    root = math.sqrt(0.5)
    expected = [1, (1 + root) / 2, 0.5, (1 - root) / 2]
    np.testing.assert_allclose(rates, 0.025 * np.array(expected), rtol=1e-12)
    # The paper's last epoch: 0.0125 * (1 + cos(pi * 599 / 600)).
    assert epoch_learning_rate(0.025, 599, 600) == pytest.approx(
        1.7134e-7, rel=1e-4
    )


def test_clipping_comes_before_weight_decay():
    # Norm 10, of both together.
    gradients = [tf.constant([6.0, 0.0]), tf.constant([[8.0]])]
    params = [tf.constant([2.0, -4.0]), tf.constant([[100.0]])]
    clipped = decayed_gradients(gradients, params, 5.0, 0.01)
    np.testing.assert_allclose(clipped[0], [3.0 + 0.02, -0.04], rtol=1e-6)
    np.testing.assert_allclose(clipped[1], [[4.0 + 1.0]], rtol=1e-6)
    free = decayed_gradients(gradients, params, 10.5, 0.0)
    np.testing.assert_allclose(free[0], [6.0, 0.0], rtol=1e-6)


def test_the_auxiliary_loss_is_weighted_and_not_shown():
    logits = tf.constant([[0.0, math.log(3.0)], [0.0, 0.0]])
    auxiliary = tf.constant([[0.0, 0.0], [math.log(7.0), 0.0]])
    label_ids = tf.constant([1, 0])
    main = (math.log(4 / 3) + math.log(2)) / 2
    other = (math.log(2) + math.log(8 / 7)) / 2
    descended, shown = classification_loss([logits, auxiliary], label_ids, 0.4)
    assert float(descended) == pytest.approx(main + 0.4 * other, rel=1e-6)
    assert float(shown) == pytest.approx(main, rel=1e-6)
    descended, shown = classification_loss([logits], label_ids, 0.4)
    assert float(descended) == float(shown)


def _setup(protocol, regularization, num_steps=4, strategy="one_device"):
    devices = find_devices(strategy)
    dataset = Dataset(
        name="made",
        num_classes=3,
        image_shape=(8, 8, 1),
        mean=(0.5,),
        std=(0.25,),
        augment=False,
        train=None,
        validation=None,
        test=None,
    )
    size = NetworkSize(0, 2, dataset.image_shape, dataset.num_classes)
    keras.utils.set_random_seed(3)
    with devices.scope():
        model = build_retrain_network(_GENOTYPE, size, regularization)
        state = TrainingState(
            model,
            [tf.Variable(tf.zeros(v.shape)) for v in model.trainable_variables],
            tf.Variable(tf.zeros([2])),
        )
    step = make_train_step(state, protocol, dataset, devices, num_steps)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (protocol.batch_size, 8, 8, 1), np.uint8)
    label_ids = np.arange(protocol.batch_size, dtype=np.int32) % 3
    return state, step, dataset, tf.constant(images), tf.constant(label_ids)


#: Terms of a kernel's gradient: all pixels of a batch.
_NUM_ROUNDINGS = 6 * 8 * 8
_PROTOCOL = Protocol(
    num_epochs=1,
    batch_size=6,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=0.02,
    global_clipnorm=0.7,
    auxiliary_weight=0.4,
    cutout=0,
)


def _values(variables):
    return [tf.convert_to_tensor(v).numpy() for v in variables]


def test_two_steps_equal_pytorchs_sgd_written_out():
    """With nothing random, against Keras' own call and NumPy's arithmetic."""
    state, step, dataset, images, label_ids = _setup(
        _PROTOCOL, Regularization(1.0, 1.0, True)
    )
    model = state.model
    seed = tf.constant([1, 2])
    velocities = [0.0 for _ in model.trainable_variables]
    totals = np.zeros(2)  # of losses and right answers, image by image
    for number, rate in enumerate((0.1, 0.05)):
        params = _values(model.trainable_variables)
        before = _values(model.non_trainable_variables)
        prepared = prepare_images(images, seed, dataset, 0)
        with tf.GradientTape() as tape:
            (logits, auxiliary), after = model.stateless_call(
                [v.value for v in model.trainable_variables],
                before,
                prepared,
                training=True,
            )
            labels = tf.one_hot(label_ids, 3)
            losses = [
                tf.reduce_mean(-tf.reduce_sum(labels * x, -1))
                for x in map(tf.nn.log_softmax, (logits, auxiliary))
            ]
            loss = losses[0] + 0.4 * losses[1]
        right = np.argmax(logits, -1) == label_ids.numpy()
        totals += [6 * float(losses[0]), right.sum()]
        gradients = tape.gradient(
            loss, [v.value for v in model.trainable_variables]
        )
        gradients = [g.numpy() for g in gradients]
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        assert norm > 0.7  # so that clipping is seen
        gradients = [
            g * 0.7 / norm + 0.02 * p
            for g, p in zip(gradients, params, strict=True)
        ]
        velocities = [
            0.9 * v + g for v, g in zip(velocities, gradients, strict=True)
        ]
        expected = [
            p - rate * v for p, v in zip(params, velocities, strict=True)
        ]
        step(images, label_ids, tf.constant(number), tf.constant(rate), seed)
        for found, wanted in zip(
            _values(model.trainable_variables), expected, strict=True
        ):
            assert_close(found, wanted, _NUM_ROUNDINGS)
        for found, wanted, old in zip(
            _values(model.non_trainable_variables), after, before, strict=True
        ):
            assert_close(found, wanted, _NUM_ROUNDINGS)
            assert (found != old).any()
    np.testing.assert_allclose(state.totals, totals, rtol=1e-5)


def _train_on_twins():
    """Two replicas with the same images each do what one does with them."""
    configure_runtime(num_logical_devices=2)
    regularization = Regularization(1.0, 1.0, True)
    one, step, _, images, label_ids = _setup(_PROTOCOL, regularization)
    two, twin_step, *_ = _setup(
        _PROTOCOL._replace(batch_size=12), regularization, strategy="mirrored"
    )
    for variable, value in zip(
        two.model.variables, _values(one.model.variables), strict=True
    ):
        variable.assign(value)
    twins = [tf.concat([x, x], 0) for x in (images, label_ids)]
    for number in range(2):
        more = tf.constant(number), tf.constant(0.1), [1, 2]
        step(images, label_ids, *more)
        twin_step(*twins, *more)
    raw = [variable.value for variable in two.model.variables]
    for variable in (*raw, *two.velocities, two.totals):
        for copy in variable.values[1:]:  # of the other replica
            np.testing.assert_array_equal(copy, variable.values[0])
    for found, wanted in zip(
        _values([*two.model.variables, *two.velocities]),
        _values([*one.model.variables, *one.velocities]),
        strict=True,
    ):
        assert_close(found, wanted, _NUM_ROUNDINGS)
    np.testing.assert_allclose(two.totals, 2 * one.totals, rtol=1e-5)


def test_two_replicas_of_the_same_images_equal_one():
    done = tiny.run_forked(_train_on_twins)
    assert done.code == 0, done.errors


def test_weight_decay_shrinks_biases_and_normalization_too():
    """A clip of almost nothing leaves the decay alone."""
    protocol = _PROTOCOL._replace(global_clipnorm=1e-12, momentum=0.0)
    state, step, _, images, label_ids = _setup(
        protocol, Regularization(0.6, 0.8, True)
    )
    for variable in state.model.trainable_variables:
        variable.assign(tf.ones_like(variable) * 3.0)
    step(images, label_ids, tf.constant(0), tf.constant(0.5), [1, 2])
    names = {v.name for v in state.model.trainable_variables}
    assert {"bias", "gamma", "beta", "kernel"} <= names
    for variable in state.model.trainable_variables:
        np.testing.assert_allclose(variable, 3.0 * (1 - 0.5 * 0.02), rtol=1e-6)


@pytest.fixture(scope="module")
def dropping():
    """(state, (step number, seed) -> all that one step from 0.5 makes)."""
    state, step, _, images, label_ids = _setup(
        _PROTOCOL, Regularization(0.6, 0.3, False)
    )
    others = _values(state.model.non_trainable_variables)

    def after_one_step(number, seed):
        for variable in state.model.trainable_variables:
            variable.assign(tf.ones_like(variable) * 0.5)
        for variable in state.velocities:
            variable.assign(tf.zeros_like(variable))
        for variable, value in zip(
            state.model.non_trainable_variables, others, strict=True
        ):
            variable.assign(value)
        step(images, label_ids, tf.constant(number), tf.constant(0.1), seed)
        variables = (*state.model.trainable_variables, *state.velocities)
        return np.concatenate([v.flatten() for v in _values(variables)])

    return state, after_one_step


def test_what_is_dropped_follows_from_seed_and_step(dropping):
    _, after_one_step = dropping
    first = after_one_step(3, [1, 2])
    np.testing.assert_array_equal(first, after_one_step(3, [1, 2]))
    assert (first != after_one_step(2, [1, 2])).any()
    assert (first != after_one_step(3, [1, 3])).any()


def test_drop_path_grows_with_the_steps():
    """Step s of S drops (s + 1) / S as often as the last one."""
    num_steps = 10**9

    def after_one_step(drop_path_keep, *steps):
        state, train_step, _, images, label_ids = _setup(
            _PROTOCOL, Regularization(1.0, drop_path_keep, False), num_steps
        )
        variables = state.model.trainable_variables
        for step in steps:
            for variable in (*variables, *state.velocities):
                variable.assign(tf.ones_like(variable) * 0.5)
            rate = tf.constant(0.1)
            train_step(images, label_ids, tf.constant(step), rate, [1, 2])
            yield np.concatenate([v.flatten() for v in _values(variables)])

    (never,) = after_one_step(1.0, 0)
    first, last = after_one_step(0.3, 0, num_steps - 1)
    np.testing.assert_array_equal(first, never)
    assert (last != never).any()


def test_dropouts_own_variables_stay(dropping):
    state, after_one_step = dropping
    own = [v for v in state.model.variables if v.name in ("seed", "ramp")]
    assert own
    before = _values(own)
    after_one_step(1, [1, 2])
    for value, old in zip(_values(own), before, strict=True):
        np.testing.assert_array_equal(value, old)
