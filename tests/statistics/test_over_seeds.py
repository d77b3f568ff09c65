import math

import pytest

from gtn_tf.statistics.over_seeds import difference, mean_accuracy, of_arm

_ACCURACY = mean_accuracy("test")


def test_statistics_of_hand_made_results():
    results = [
        {"arm": arm, "pair": pair, "test_accuracies": values}
        for arm, pair, values in (
            ("a", 0, [0.5, 0.7]),
            ("a", 1, [0.8, 0.8]),
            ("b", 0, [0.5, 0.5]),
            ("b", 2, [0.1, 0.1]),
        )
    ]
    results.append({"arm": "b", "pair": 1})  # diverged
    found = of_arm(results, "a", _ACCURACY)
    assert found["mean"] == pytest.approx(0.7)
    assert found["std"] == pytest.approx(math.sqrt(0.02))
    # Student's t of one degree of freedom: 12.706.
    half = 12.7062047 * math.sqrt(0.02) / math.sqrt(2)
    assert found["ci95"] == pytest.approx((0.7 - half, 0.7 + half))
    gap = difference(results, "a", "b", _ACCURACY)
    assert gap["mean"] == pytest.approx(0.1)
    assert gap["num_pairs"] == 1
    assert of_arm(results, "b", _ACCURACY)["num_failed"] == 1
    assert difference(results, "a", "c", _ACCURACY) is None


def test_an_arm_that_always_diverged():
    results = [{"arm": "a", "pair": pair} for pair in (0, 1)]
    assert of_arm(results, "a", _ACCURACY) == {
        "mean": None,
        "std": None,
        "ci95": None,
        "num_seeds": 0,
        "num_failed": 2,
    }
