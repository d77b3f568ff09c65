import keras
import numpy as np
import pytest
import tensorflow as tf

import gtn_tf
from gtn_tf.export.keras_fit import InnerStepOptimizer
from gtn_tf.learners.batch_statistics import (
    moving_statistics,
    settle_statistics,
)
from gtn_tf.learners.functional import from_keras
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.nas.training import teacher_steps
from gtn_tf.types import InputError, LearnerState
from tests.helpers import tiny
from tests.helpers.exports import write_export
from tests.helpers.float_tolerance import assert_close

#: Keras warns of its default, which it ignores for a tf.data.Dataset.
QUIET = {"verbose": 0, "shuffle": False}


@pytest.fixture(scope="module", params=["sgd", "adam", "rmsprop"])
def teacher(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "export"
    return gtn_tf.load(write_export(folder, inner_optimizer=request.param))


@pytest.fixture(scope="module")
def sgd(tmp_path_factory):
    return gtn_tf.load(write_export(tmp_path_factory.mktemp("sgd") / "export"))


def build():
    layers = [
        keras.Input((8, 8, 1)),
        # No bias: its gradient is rounding alone, which Adam blows up.
        keras.layers.Conv2D(3, 3, use_bias=False, kernel_regularizer="l2"),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
    return keras.Sequential(layers)


def compiled(teacher, **more):
    model = build()
    model.compile(teacher.optimizer(), teacher.loss(), **more)
    return model


def test_fit_takes_the_inner_loops_steps(teacher):
    model = compiled(teacher)
    variables = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    params = [tf.identity(v) for v in variables]
    optimizer = find_inner_optimizer(teacher.metadata["inner_optimizer"])
    learner = from_keras(lambda: model, second_order=False)
    state = LearnerState(
        params, [tf.identity(v) for v in others], optimizer.init(params)
    )
    steps = teacher_steps(teacher)
    for data in steps:
        state = inner_step(learner, optimizer, state, data)
    places = moving_statistics(model, steps[0].images)
    state = settle_statistics(learner, places, state, steps)
    model.fit(teacher.dataset(), callbacks=[teacher.callback()], **QUIET)
    # Three steps, each of sums over 64 pixels of 10 images.
    for ours, theirs in zip(
        [*state.params, *state.statistics],
        [*model.trainable_variables, *model.non_trainable_variables],
        strict=True,
    ):
        scale = max(1.0, np.abs(ours).max())
        assert_close(theirs.numpy(), ours.numpy(), 3 * 640, scale)
    # Again: from the first step's rate.
    assert float(model.optimizer.momentum) == pytest.approx(0.5)
    model.fit(teacher.dataset(), callbacks=[teacher.callback()], **QUIET)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own
def test_the_optimizer_is_saved_with_the_model(sgd, tmp_path):
    model = compiled(sgd)
    model.fit(sgd.dataset(), **QUIET)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for model_ in (model, again):
        model_.fit(sgd.dataset(), callbacks=[sgd.callback()], **QUIET)
    for ours, theirs in zip(
        model.get_weights(), again.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def _fit_arrays(teacher, model, **more):
    images = teacher.images.reshape(-1, 8, 8, 1)
    labels = teacher.labels.reshape(-1, 10)
    model.fit(
        images,
        labels,
        batch_size=10,
        verbose=0,
        callbacks=[teacher.callback()],
        **more,
    )


def test_arrays_that_are_not_shuffled_are_the_same(sgd):
    model = compiled(sgd)
    _fit_arrays(sgd, model, shuffle=False)
    assert int(model.optimizer.iterations) == 3
    model.fit(sgd.dataset().shuffle(3), **QUIET)  # without the callback


def test_another_order_is_refused(sgd):
    reverse = tf.data.Dataset.from_tensor_slices(
        (sgd.images[::-1], sgd.labels[::-1])
    )
    callbacks = [sgd.callback()]
    for fit, part in (
        (lambda m: _fit_arrays(sgd, m), "other images than those of step 0"),
        (
            lambda m: m.fit(reverse, **QUIET, callbacks=callbacks),
            "in its order",
        ),
        (
            lambda m: m.fit(
                sgd.dataset().repeat(2), **QUIET, callbacks=callbacks
            ),
            "6 steps per epoch",
        ),
        (
            lambda m: _fit_arrays(sgd, m, shuffle=False, class_weight={3: 2.0}),
            "weighted examples",
        ),
    ):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            fit(compiled(sgd))
        assert part in str(caught.value)
    with pytest.raises(InputError, match="steps_per_execution"):
        _fit_arrays(sgd, compiled(sgd, steps_per_execution=3), shuffle=False)
    plain = build()
    plain.compile("sgd", sgd.loss())
    with pytest.raises(InputError, match=r"teacher\.optimizer"):
        _fit_arrays(sgd, plain, shuffle=False)
    assert isinstance(sgd.optimizer(), InnerStepOptimizer)


class TwiceNormalized(keras.Model):
    """Names `training` without handing it on; one layer never moves."""

    def __init__(self):
        super().__init__()
        self.flatten = keras.layers.Flatten()
        self.norm = keras.layers.BatchNormalization()
        self.still = keras.layers.BatchNormalization(momentum=1.0)
        self.out = keras.layers.Dense(10)

    def call(self, images, training=False):
        values = self.norm(self.flatten(images))
        return self.out(self.still(self.norm(3.0 * values + 1.0)))


def test_statistics_of_a_network_that_keras_alone_tells_it_trains(sgd):
    """The last call's of a layer that is called twice: means over batches."""
    model = TwiceNormalized()
    model.compile(sgd.optimizer(), sgd.loss())
    model.fit(sgd.dataset(), callbacks=[sgd.callback()], **QUIET)
    assert (model.norm.momentum, model.still.momentum) == (0.99, 1.0)
    # What comes second has mean `beta` and deviation `gamma` before the factor.
    norm, still = model.norm, model.still
    size = max(1.0, np.abs(norm.beta).max())
    expected = 3.0 * norm.beta.numpy() + 1.0
    assert_close(norm.moving_mean, expected, 64, 3 * size)
    assert np.asarray(norm.moving_variance).max() > 8  # 9, but for epsilon
    assert_close(still.moving_mean, norm.beta, 64, size)


@pytest.mark.parametrize("kind", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_steps_of_weights_of_any_shape(kind, shape):
    """Adam's products begin at one, also where a weight is a scalar."""
    rates, momenta = [0.01, 0.02], [0.9, 0.5]
    ours = keras.Variable(tf.ones(shape))
    optimizer = InnerStepOptimizer(kind, rates, momenta)
    inner = find_inner_optimizer(kind)
    params = [tf.ones(shape)]
    slots = inner.init(params)
    for rate, momentum in zip(rates, momenta, strict=True):
        gradient = tf.fill(shape, 1.0 + rate)
        optimizer.apply([gradient], [ours])
        rates_now = {"learning_rate": rate, "momentum": momentum}
        rates_now = {k: tf.constant(v) for k, v in rates_now.items()}
        params, slots = inner.update([gradient], params, slots, rates_now)
        assert_close(ours, params[0], 1, 1.0)
