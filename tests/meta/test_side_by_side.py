"""Learners side by side compute what they do one after the other."""

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.meta.meta_gradient import meta_gradient
from gtn_tf.meta.meta_step import make_meta_step, pure_meta_gradient
from gtn_tf.ops.seeds import root_seed
from gtn_tf.runtime.devices import one_device
from gtn_tf.types import InputError
from tests.helpers.central_differences import RTOL, STEP, normal
from tests.helpers.meta_problems import STEP_SEED, make_gtn, make_problem

DRAWN = ((2, 4), (2, 3), (3, 5))


def gradients_of(gtn, problem, learner_batch_size, num_learners=4):
    problem = problem._replace(learner_batch_size=learner_batch_size)
    return pure_meta_gradient(gtn, problem, num_learners)(
        gtn.read(), STEP_SEED, tf.constant(1)
    )


@pytest.mark.parametrize(
    ("learner", "choices"),
    [
        ("mlp", {"widths": DRAWN[:2], "optimizer": "adam"}),
        pytest.param(
            *("conv2_fc", {"every": 1, "widths": DRAWN}), marks=pytest.mark.slow
        ),
        pytest.param(
            *("conv2_pool", {"normalization": "batch"}), marks=pytest.mark.slow
        ),
    ],
)
def test_equal_to_one_after_the_other(learner, choices):
    gtn = make_gtn(num_steps=3)
    problem = make_problem(learner, **choices)
    expected = gradients_of(gtn, problem, 1)
    found = gradients_of(gtn, problem, 2)
    again = gradients_of(gtn, problem, 2)
    for a, b in zip(*map(tf.nest.flatten, (found, again)), strict=True):
        np.testing.assert_array_equal(a, b)
    found, expected = map(tf.nest.flatten, (found, expected))
    # Sums that almost cancel are as exact as what is summed.
    largest = max(np.abs(b).max() for b in expected)
    for a, b in zip(found, expected, strict=True):
        scale = max(np.abs(b).max(), 0.01 * largest)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * scale)


@pytest.mark.slow
def test_the_gradient_is_that_of_differences():
    gtn = make_gtn(num_steps=2)
    problem = make_problem("conv2_fc", every=1)._replace(learner_batch_size=2)
    names = gtn.trained_names
    values = gtn.read()

    @tf.function(autograph=False)
    def run(*trained):
        params = {**values, **dict(zip(names, trained, strict=True))}
        return meta_gradient(gtn, problem, params, STEP_SEED, (0, 2))

    trained = [values[name] for name in names]
    gradients, _ = run(*trained)
    direction = [normal([7, i], *v.shape) for i, v in enumerate(trained)]
    derivative = sum(
        float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True)
    )

    def at(step):
        moved = [v + step * d for v, d in zip(trained, direction, strict=True)]
        return float(run(*moved)[1].total)

    difference = (at(STEP) - at(-STEP)) / (2 * STEP)
    assert derivative == pytest.approx(difference, rel=RTOL)


def test_learners_that_do_not_divide_are_refused():
    gtn = make_gtn()
    problem = make_problem()._replace(learner_batch_size=2)
    with pytest.raises(InputError, match=r"^meta.learner_batch_size is 2 with"):
        make_meta_step(gtn, problem, None, one_device(), root_seed(1), 3)
