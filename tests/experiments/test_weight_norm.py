import math

import numpy as np
import pytest

from gtn_tf.experiments import weight_norm
from gtn_tf.experiments.weight_norm import RANGES, draw_hyperparameters


def test_draws_are_in_range_and_repeat():
    draws = [draw_hyperparameters(3, index) for index in range(50)]
    assert draws == [draw_hyperparameters(3, index) for index in range(50)]
    assert draws != [draw_hyperparameters(4, index) for index in range(50)]
    for key, (low, high, is_log) in RANGES.items():
        values = np.array([draw[key] for draw in draws])
        assert low <= values.min() < values.max() <= high
        middle = math.sqrt(low * high) if is_log else (low + high) / 2
        assert 10 < np.sum(values < middle) < 40


def test_a_draw_that_diverged_is_the_worst():
    results = [
        {"arm": "plain", "status": "ok", "final_meta_loss": loss}
        for loss in (0.5, 3.0)
    ]
    bad = {"arm": "plain", "status": "diverged", "final_meta_loss": 0.1}
    found = weight_norm._of_arm([*results, bad, bad], "plain", chance=2.3)
    assert found["num_draws"] == 4
    assert found["share_diverged"] == 0.5
    assert found["share_no_better_than_chance"] == 0.75
    assert found["best"] == 0.5
    assert found["quartiles"] == [0.5, 3.0, math.inf]
    assert found["std_of_finite"] == pytest.approx(2.5 / math.sqrt(2))


def _draws(arm, losses):
    return [
        {
            "arm": arm,
            "pair": pair,
            "status": "diverged" if loss is None else "ok",
            "final_meta_loss": loss,
        }
        for pair, loss in enumerate(losses)
    ]


def test_arms_are_compared_over_all_draws():
    first, second = [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, None]
    results = [*_draws("weight_norm", first), *_draws("plain", second)]
    found = weight_norm._resampled(results)
    assert found["median"]["difference"] == 2.0 - 3.0
    assert found["interquartile_range"]["difference"] == (3 - 1) - (4 - 2)
    assert found["share_diverged"]["difference"] == -0.25
    # Each draw is better by one, the last by everything.
    low, high = found["median"]["ci95"]
    assert (low, high) == ("-inf", -1.0)
    assert found["share_diverged"]["ci95"] == [-0.75, 0.0]
    same = weight_norm._resampled(
        [*_draws("weight_norm", second), *_draws("plain", second)]
    )
    for row in same.values():
        assert row == {"difference": 0.0, "ci95": [0.0, 0.0]}


def test_signs_count_draws():
    first = [1.0, 2.0, 3.0, None, None, 7.0]
    second = [2.0, 1.0, 4.0, 5.0, None, None]
    found = weight_norm._signs(
        [*_draws("weight_norm", first), *_draws("plain", second)]
    )
    # Lower: 0, 2, 5; higher: 1, 3. At least that far from even: always.
    assert found == {"lower": 3, "higher": 2, "p_value": 1.0}
    five = [*_draws("weight_norm", [1.0] * 5), *_draws("plain", [2.0] * 5)]
    assert weight_norm._signs(five)["p_value"] == pytest.approx(2 / 32)
    assert weight_norm._signs(
        [*_draws("weight_norm", second), *_draws("plain", second)]
    ) == {"lower": 0, "higher": 0, "p_value": 1.0}
