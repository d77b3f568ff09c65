import math

import pytest

from gtn_tf.experiments import few_step
from gtn_tf.experiments.few_step import bootstrap_steps, steps_to_reach
from gtn_tf.statistics.over_seeds import over_seeds


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        (0.5, 10.0),
        (0.6, 10.0),
        (0.7, 20.0),
        (0.65, math.sqrt(200)),
        (0.9, None),
    ],
)
def test_steps_to_reach(accuracy, expected):
    rows = ((10, 0.6), (20, 0.7), (40, 0.8))
    real = [{"num_steps": n, "accuracy": a} for n, a in rows]
    found = steps_to_reach(accuracy, real)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_bootstrap_of_the_steps_needed():
    real = [
        {"num_steps": steps, "accuracies": [low, high]}
        for steps, low, high in ((10, 0.4, 0.6), (20, 0.5, 0.7))
    ]
    # Learners (0, 0), (0, 1) or (1, 1): 0.5, 0.6 and 0.65 on the GTN's data.
    low, high = bootstrap_steps([0.5, 0.7], real, seed=0)
    assert low == pytest.approx(20.0)
    assert high == pytest.approx(20.0)
    low, high = bootstrap_steps([0.3, 0.75], real, seed=0)
    assert low == pytest.approx(10.0)
    assert high is None


def _few_step_result(per_step, *real):
    rows = [{"num_steps": n, "accuracies": a, "how": ""} for n, a in real]
    return {"accuracies_per_step": per_step, "real": rows}


def test_speed_up_over_gtn_seeds():
    """0.6 and 0.8 in the end: reached at 20 and at 80 of 10 steps."""
    real = [(10, [0.4, 0.6]), (20, [0.5, 0.7]), (80, [0.7, 0.9])]
    results = [
        _few_step_result([[0.2, 0.5], [0.4, 0.7]], *real[:2]),
        _few_step_result([[0.3, 0.8], [0.5, 0.8]], *real),
    ]
    found = few_step.summarize(results, 10 // 5, seed=0)
    assert found["accuracy_per_step"] == pytest.approx([0.35, 0.7])
    assert found["accuracy"] == pytest.approx(0.7)
    over_two = over_seeds([[0.6], [0.8]], 2)
    assert found["ci95"] == pytest.approx(over_two["ci95"])
    assert not found["is_at_most"]
    assert found["real_steps_needed"] == pytest.approx(40.0)  # sqrt(20 x 80)
    assert found["speed_up"] == pytest.approx(20.0)
    low, high = found["speed_up_ci95"]
    assert low * high == pytest.approx(20.0**2)
    # t of one degree of freedom: 12.706 standard errors, each log(2).
    assert math.log(high / 20.0) == pytest.approx(12.7062 * math.log(2), 1e-4)
    assert [(row["num_steps"], row["num_seeds"]) for row in found["real"]] == [
        (10, 2),
        (20, 2),
        (80, 1),
    ]
    assert found["real"][2]["accuracy"] == pytest.approx(0.8)
    assert found["real"][1]["ci95"] is not None
    assert found["real"][2]["ci95"] is None  # one of two seeds
    short = [results[0], _few_step_result([[0.3, 0.95]] * 2, *real)]
    found = few_step.summarize(short, 2, seed=0)
    assert found["real_steps_needed"] is None
    assert found["speed_up"] is None
    assert found["speed_up_ci95"] is None
    weak = [_few_step_result([[0.3, 0.4]] * 2, (10, [0.5, 0.6]))] * 3
    found = few_step.summarize(weak, 2, seed=0)
    assert found["real_steps_needed"] == pytest.approx(10.0)
    assert not found["is_at_most"]
    weak = [_few_step_result([[0.3, 0.4]] * 2, (2, [0.5, 0.6]))] * 3
    assert few_step.summarize(weak, 2, seed=0)["is_at_most"]
    alone = few_step.summarize(results[:1], 2, seed=0)
    assert alone["real_steps_needed"] == pytest.approx(20.0)
    assert alone["real_steps_needed_ci95"] == bootstrap_steps(
        [0.5, 0.7], results[0]["real"], seed=0
    )
