"""Own networks of Keras' layers, swapped so that they can be meta-trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from gtn_tf.layers import twice_differentiable
from gtn_tf.learners.functional import from_keras
from gtn_tf.learners.own_networks import from_import_path
from gtn_tf.meta.evaluation import measured
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.meta.meta_gradient import meta_gradient
from gtn_tf.meta.meta_optimizer import MetaOptimizerSpec, make_meta_optimizer
from gtn_tf.meta.meta_step import make_meta_step
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.devices import create_devices
from gtn_tf.types import Batch, InputError, LearnerState
from tests.helpers import own_things, tiny
from tests.helpers.float_tolerance import assert_close
from tests.helpers.meta_problems import (
    IMAGE_SHAPE,
    NUM_CLASSES,
    STEP_SEED,
    make_gtn,
    sample_real,
)

_KIND = {"dtype": "float64"}
SHAPE_OF_32 = (32, 32, 3)


def branches():
    """Two branches, nested models, and one layer of each kind."""
    images = keras.Input(IMAGE_SHAPE, **_KIND)
    inner = keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE, **_KIND),
            L.Conv2D(4, 3, padding="same", **_KIND),
            L.BatchNormalization(**_KIND),
            L.Activation("softplus", **_KIND),
            L.MaxPooling2D(2, 1, "same", **_KIND),
        ]
    )
    left = L.Conv2D(4, 1, 2, "same", **_KIND)(inner(images))
    left = L.LayerNormalization(**_KIND)(left)
    right = L.Conv2D(4, 3, 2, "same", activation="tanh", **_KIND)(images)
    right = L.GroupNormalization(2, **_KIND)(right)
    both = L.Concatenate(**_KIND)([left, right])
    pooled = L.GlobalAveragePooling2D(**_KIND)(both)
    return keras.Model(images, L.Dense(NUM_CLASSES, **_KIND)(pooled))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(**_KIND)
        self.convolve = L.Conv2D(4, 3, 2, "same", **_KIND)
        self.normalize = [L.BatchNormalization(momentum=0.5, **_KIND)]
        self.out = L.Dense(NUM_CLASSES, **_KIND)

    def call(self, images, training=None):
        values = self.normalize[0](self.convolve(images), training=training)
        return self.out(tf.reduce_mean(tf.nn.softplus(values), (1, 2)))


def subclassed():
    model = Subclassed()
    model(tf.zeros((2, *IMAGE_SHAPE), tf.float64))
    return model


@pytest.mark.parametrize("make", [branches, subclassed])
def test_a_swapped_network_computes_the_same_in_training(make, caplog):
    model = make()
    images = np.random.default_rng(0).normal(size=(5, *IMAGE_SHAPE))
    expected = model(images, training=True).numpy()
    from_keras(lambda: model)
    swapped = model(images, training=True).numpy()
    assert_close(swapped, expected, num_roundings=4 * 64)
    (line,) = caplog.messages
    assert "(BatchNormalization)" in line
    assert "last batch's" in line
    from_keras(lambda: model)  # swapped already: not a word
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("make", [branches, subclassed])
def test_its_meta_gradient_matches_central_differences(make):
    problem = InnerProblem((from_keras(make),), SGD, sample_real)
    gtn = make_gtn()

    @tf.function(autograph=False)
    def function(meta_params):
        return meta_gradient(gtn, problem, meta_params, STEP_SEED, (0, 1))

    before = gtn.read()
    rng = np.random.default_rng(0)
    direction = {
        name: rng.normal(size=before[name].shape) for name in gtn.trained_names
    }
    gradients, _ = function(before)
    found = sum(
        float(np.sum(gradient.numpy() * direction[name]))
        for name, gradient in zip(gtn.trained_names, gradients, strict=True)
    )

    def total(step):
        moved = {n: before[n] + step * d for n, d in direction.items()}
        return float(function({**before, **moved})[1].total)

    # Richardson's extrapolation takes the step's own error out.
    coarse, fine = (
        (total(step) - total(-step)) / (2 * step) for step in (2e-6, 1e-6)
    )
    assert abs(found) > 1e-4, "a direction without slope tests nothing"
    assert (4 * fine - coarse) / 3 == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: tf.nn.moments(x, [1, 2])[1], "SquaredDifference"),
        (lambda x: tf.image.resize(x, (3, 3)), "ResizeBilinear"),
        (lambda x: tf.nn.max_pool2d(x, 3, 1, "SAME"), "MaxPool"),
        (tf.nn.softsign, "Softsign"),
    ],
)
def test_functions_of_ones_own_are_refused(function, operation, monkeypatch):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.out = L.Flatten(), L.Dense(NUM_CLASSES)

        def call(self, images):
            return self.out(self.flatten(function(images)))

    monkeypatch.setattr(own_things, "build", lambda *_: Own())
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        from_import_path(own_things.__name__ + ":build", IMAGE_SHAPE, 3)
    caught.match(rf"\({operation}\) has a wrong second derivative")


def test_a_pool_that_pads_is_swapped_in_place():
    model = branches()
    from_keras(lambda: model)
    pools = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, L.MaxPooling2D)
    ]
    assert type(pools[0]) is twice_differentiable.MaxPooling2D


@pytest.mark.slow  # a minute, of tracing
def test_a_network_of_keras_applications_is_meta_trained():
    name = f"{own_things.__name__}:mobile_net"
    learner = from_import_path(name, SHAPE_OF_32, 3)
    assert learner.name == name
    gtn = make_gtn("float32", 1, image_shape=SHAPE_OF_32)

    def sample_real(seed):
        images = tf.random.stateless_normal((4, *SHAPE_OF_32), seed)
        return Batch(images, tf.one_hot([0, 1, 2, 0], 3))

    problem = InnerProblem((learner,), SGD, sample_real)
    optimizer = make_meta_optimizer(
        MetaOptimizerSpec(2, 0.01, 1.0, 1.0, 0.9, 0.999, 1e-8), gtn
    )
    meta_step = make_meta_step(
        gtn,
        problem,
        optimizer,
        create_devices("one_device", 1, 10),
        root_seed(0),
        1,
    )
    norms = []
    for step in range(2):
        scalars = meta_step(tf.constant(step))
        assert all(np.isfinite(value) for value in scalars.values())
        norms.append(float(scalars["meta_gradient_norm"]))
    assert min(norms) > 0


def test_an_evaluation_measures_statistics_of_real_images():
    name = f"{own_things.__name__}:build_with_norm"
    learner = from_import_path(name, IMAGE_SHAPE, NUM_CLASSES)
    problem = InnerProblem(
        (learner,), SGD, lambda seed: sample_real(seed, "float32")
    )
    params, statistics = learner.init(STEP_SEED)
    state = LearnerState(params, statistics, [])
    found = measured(problem, learner, state, STEP_SEED)
    seeds = [fold(STEP_SEED, Purpose.BATCH_STATISTICS, n) for n in range(4)]
    images = [problem.sample_real(seed).images.numpy() for seed in seeds]
    mean = np.mean([i.reshape(5, 64).mean(0) for i in images], axis=0)
    variance = np.mean([i.reshape(5, 64).var(0) for i in images], axis=0)
    assert_close(found.statistics[0], mean, 2 * 5, 4)
    assert_close(found.statistics[1], variance, 2 * 5, 16)
