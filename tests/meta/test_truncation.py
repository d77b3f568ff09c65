"""The truncation window: against the stored form applied to the window."""

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.meta.data_gradients import (
    rematerialized_data_gradient,
    stored_data_gradient,
)
from gtn_tf.meta.inner_loop import initial_state, unroll
from gtn_tf.ops.seeds import fold
from tests.helpers.meta_problems import (
    STEP_SEED,
    make_gtn,
    make_problem,
    sample_real,
)

NUM_STEPS = 5


def truncated_problem(window, optimizer="sgd", every=0):
    problem = make_problem(
        "mlp", optimizer, every, normalization="batch"
    )._replace(truncation_window=window)
    # One real batch: the window of the oracle counts its steps from 0.
    real = sample_real(STEP_SEED)
    return problem._replace(sample_real=lambda seed: real)


def gradient_on_window(problem, data, seed):
    """Trains up to the window, then stores everything in it."""
    learner = problem.learners[0]
    start, length = problem.window(seed, NUM_STEPS)
    state = initial_state(learner, problem.optimizer, seed)
    state = unroll(learner, problem.optimizer, state, data, start)
    from_state = learner._replace(
        init=lambda seed: (state.params, state.statistics)
    )
    warm = problem._replace(
        optimizer=problem.optimizer._replace(init=lambda params: state.slots)
    )
    window = tf.nest.map_structure(lambda v: v[start : start + length], data)
    return start, stored_data_gradient(warm, from_state, window, seed)


@pytest.mark.parametrize(
    ("optimizer", "every"),
    [("sgd", 0), pytest.param("adam", 1, marks=pytest.mark.slow)],
)
def test_equals_the_stored_form_on_the_window(optimizer, every):
    problem = truncated_problem(2, optimizer, every)
    gtn = make_gtn(num_steps=NUM_STEPS, optimizer=optimizer)
    found_of = tf.function(
        lambda data, seed: rematerialized_data_gradient(
            problem, problem.learners[0], data, seed
        ),
        autograph=False,
    )
    starts = set()
    for index in range(3):
        seed = fold(STEP_SEED, index)
        data = gtn.synthesize(gtn.read(), seed)
        start, (window, losses) = gradient_on_window(problem, data, seed)
        start = int(start)
        starts.add(start)
        found, found_losses = found_of(data, seed)
        for a, b in zip(
            tf.nest.flatten(window), tf.nest.flatten(found), strict=True
        ):
            np.testing.assert_allclose(
                b[start : start + 2], a, rtol=1e-9, atol=1e-12
            )
            assert not np.any(b[:start])
            assert not np.any(b[start + 2 :])
        np.testing.assert_allclose(found_losses, losses, rtol=1e-6)
    assert len(starts) > 1
    assert found_of.experimental_get_tracing_count() == 1


def test_window_of_all_steps_is_the_whole_gradient():
    whole = truncated_problem(None, every=2)
    gtn = make_gtn(num_steps=NUM_STEPS)
    data = gtn.synthesize(gtn.read(), STEP_SEED)
    expected, found = (
        rematerialized_data_gradient(
            problem, problem.learners[0], data, STEP_SEED
        )
        for problem in (whole, whole._replace(truncation_window=NUM_STEPS))
    )
    for a, b in zip(
        tf.nest.flatten(expected), tf.nest.flatten(found), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_windows_start_everywhere_they_fit():
    problem = truncated_problem(3)
    starts = [
        int(problem.window(fold(STEP_SEED, index), NUM_STEPS)[0])
        for index in range(60)
    ]
    assert set(starts) == {0, 1, 2}
    assert min(map(starts.count, (0, 1, 2))) > 8


def test_intermediate_losses_are_those_inside_the_window():
    seen = []

    def spy(seed):
        seen.append(tuple(seed.numpy()))
        return sample_real(seed)

    problem = truncated_problem(2, every=1)._replace(sample_real=spy)
    gtn = make_gtn(num_steps=NUM_STEPS)
    data = gtn.synthesize(gtn.read(), STEP_SEED)
    _, losses = rematerialized_data_gradient(
        problem, problem.learners[0], data, STEP_SEED
    )
    assert len(set(seen)) == 2  # in the middle and at the end of the window
    assert float(losses.total) > float(losses.final)
