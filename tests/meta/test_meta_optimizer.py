import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets.batches import device_split
from gtn_tf.meta.meta_optimizer import ScaledAdam
from gtn_tf.meta.meta_step import make_meta_step
from gtn_tf.ops.seeds import root_seed
from gtn_tf.runtime.devices import one_device
from gtn_tf.training.assembly import (
    build_meta_optimizer,
    build_teacher,
    load_dataset,
)
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close
from tests.helpers.meta_problems import make_gtn, make_problem

_SCALES = (1.0, 3.0, 0.25)
_OF_ADAM = {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3}


def _variables():
    rng = np.random.default_rng(0)
    return [tf.Variable(rng.normal(size=n)) for n in (2, 3, 4)]


def _schedule(rate=0.1):
    return keras.optimizers.schedules.CosineDecay(rate, 5, alpha=0.1)


def test_each_variable_moves_as_by_an_adam_with_its_own_rate():
    ours, theirs = _variables(), _variables()
    scaled = ScaledAdam(_schedule(), _SCALES, **_OF_ADAM)
    scaled.build(ours)
    alone = [
        keras.optimizers.Adam(_schedule(0.1 * scale), **_OF_ADAM)
        for scale in _SCALES
    ]
    rng = np.random.default_rng(1)
    for _ in range(5):
        gradients = [tf.constant(rng.normal(size=v.shape)) for v in ours]
        scaled.apply(gradients, ours)
        for adam, gradient, variable in zip(
            alone, gradients, theirs, strict=True
        ):
            adam.apply([gradient], [variable])
    for got, expected in zip(ours, theirs, strict=True):
        # The rates are products in float32, of five steps.
        assert_close(tf.cast(got, "float32"), expected, 2 * 5)


def test_a_first_step_by_hand():
    # Adam's first step is rate * g / (|g| + epsilon / sqrt(1 - beta_2)).
    variables = [tf.Variable([1.0]), tf.Variable([1.0])]
    adam = ScaledAdam(0.1, (1.0, 3.0), beta_2=0.75, epsilon=0.25)
    adam.build(variables)
    adam.apply([tf.constant([1.5]), tf.constant([-0.5])], variables)
    assert variables[0].numpy() == pytest.approx([1 - 0.1 * 1.5 / 2])
    assert variables[1].numpy() == pytest.approx([1 + 0.3 * 0.5 / 1])


@pytest.mark.parametrize("source", ["gtn", "distillation", "real"])
def test_the_config_s_ratio_is_the_noise_s(source):
    config = tiny.get_config()
    config.source = source
    config.meta.noise_rate_ratio = 4.0
    config.meta.adam_epsilon = 1e-12
    gtn = build_teacher(config, device_split(load_dataset(config), "train"))
    before = gtn.read()
    variables = gtn.trained_variables()
    optimizer = build_meta_optimizer(config, gtn)
    optimizer.apply([tf.ones_like(v) for v in variables], variables)
    for name, value in gtn.read().items():
        rate = 4.0 * 0.01 if name == "noise" else 0.01
        largest = max(1.0, np.abs(before[name]).max())
        moved = before[name] - value
        assert_close(moved, tf.fill(value.shape, rate), 4, scale=largest)


def test_its_numbers_are_the_config_s():
    config = tiny.get_config()
    config.meta.adam_beta_1, config.meta.adam_beta_2 = 0.5, 0.75
    config.meta.final_learning_rate_ratio = 0.25
    gtn = build_teacher(config, device_split(load_dataset(config), "train"))
    optimizer = build_meta_optimizer(config, gtn)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.75)
    num_steps, rate = config.meta.num_steps, config.meta.learning_rate
    # Half a cosine from 1 to a quarter.
    for share, ratio in ((0, 1.0), (0.5, 0.625), (1, 0.25)):
        optimizer.iterations.assign(int(share * num_steps))
        assert float(optimizer.learning_rate) == pytest.approx(ratio * rate)


def _moved(global_clipnorm):
    """One step of plain descent at rate 1; returns how far, and the norm."""
    gtn = make_gtn()
    variables = gtn.trained_variables()
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(variables)
    take_step = make_meta_step(
        *(gtn, make_problem(), optimizer, one_device(), root_seed(1), 1),
        global_clipnorm=global_clipnorm,
    )
    before = [tf.convert_to_tensor(v) for v in variables]
    row = take_step(tf.constant(1))
    gaps = [b - v for b, v in zip(before, variables, strict=True)]
    return float(tf.linalg.global_norm(gaps)), float(row["meta_gradient_norm"])


def test_the_meta_gradient_is_clipped_and_told_as_it_was():
    moved, norm = _moved(None)
    assert moved == pytest.approx(norm, rel=1e-9)
    for share, expected in ((0.5, 0.5), (2.0, 1.0)):
        clipped, told = _moved(share * norm)
        assert clipped == pytest.approx(expected * norm, rel=1e-9)
        assert told == pytest.approx(norm, rel=1e-12)
