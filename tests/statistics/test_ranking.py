import json

import numpy as np
import pytest

from gtn_tf.statistics import (
    correlation,
    picks,
    ranking,
)
from gtn_tf.types import InputError


def _by_key(values):
    return {f"key{i:03d}": value for i, value in enumerate(values)}


@pytest.fixture(scope="module")
def scores():
    generator = np.random.default_rng(0)
    truth = generator.uniform(0.5, 0.9, 40)
    good, bad = (truth + generator.normal(0, s, 40) for s in (0.05, 0.5))
    good = [None if i == 3 else v for i, v in enumerate(good.tolist())]
    return {
        "gtn": _by_key(good),
        "params": _by_key(bad.tolist()),
        "real": _by_key(truth.tolist()),
        "flat": _by_key([1.0] * 40),
    }


@pytest.fixture(scope="module")
def found(scores):
    return ranking.ranking(
        scores,
        "real",
        costs={
            "gtn": {"seconds_per_architecture": 2.5, "setup_seconds": 60.0},
            "real": {"budget": 100},
        },
        genotypes={key: {"name": key} for key in scores["real"]},
        num_resamples=300,
    )


def test_shape_of_ranking_json(found, scores):
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == [
        "num_architectures",
        "truth",
        "evaluators",
        "differences",
        "selected",
    ]
    assert found["num_architectures"] == 40
    assert found["truth"] == {
        "evaluator": "real",
        "best": max(scores["real"].values()),
        "num_failed": 0,
        "budget": 100,
    }
    assert list(found["evaluators"]) == ["gtn", "params", "flat"]
    assert list(found["differences"]) == ["gtn - params", "gtn - flat"]
    gtn = found["evaluators"]["gtn"]
    assert gtn["seconds_per_architecture"] == 2.5
    assert gtn["setup_seconds"] == 60.0
    assert gtn["num_failed"] == 1


def test_intervals_hold_their_coefficient(found):
    for name in ("gtn", "params"):
        row = found["evaluators"][name]
        intervals = [key for key in row if key.endswith("_ci95")]
        assert len(intervals) == 9
        for key in intervals:
            low, high = row[key]
            assert -1 <= low <= row[key.removesuffix("_ci95")] <= high <= 1
            assert low < high


def test_subsets_by_score_and_by_truth(found, scores):
    x, y = (
        correlation.with_failures_last(scores[name].values())
        for name in ("gtn", "real")
    )
    row = found["evaluators"]["gtn"]
    for selected_by, suffix in ((x, ""), (y, "_by_truth")):
        for size, subset in ((20, "half"), (4, "tenth")):
            best = np.argsort(selected_by)[-size:]
            assert row[f"spearman_top_{subset}{suffix}"] == pytest.approx(
                correlation.spearman(x[best], y[best])
            )
    assert row["spearman_top_half"] != row["spearman_top_half_by_truth"]


def test_constant_scores_give_null(found):
    row = found["evaluators"]["flat"]
    assert row["spearman"] is row["spearman_ci95"] is row["kendall"] is None
    # The best of equals would be a draw of lots.
    for name in ("precision_at_10", "best_of_top_5", "regret"):
        assert row[name] is row[f"{name}_ci95"] is None
    assert found["differences"]["gtn - flat"] == {
        "spearman": None,
        "spearman_top_half": None,
        "spearman_top_half_ci95": None,
        "ci95": None,
    }


def test_difference_is_paired(found, scores):
    rows, difference = found["evaluators"], found["differences"]["gtn - params"]
    assert difference["spearman"] == pytest.approx(
        rows["gtn"]["spearman"] - rows["params"]["spearman"]
    )
    low, high = difference["ci95"]
    assert low < difference["spearman"] < high
    # An evaluator and its double differ by nothing in every resample.
    twice = {**scores, "gtn2": scores["gtn"]}
    same = ranking.ranking(twice, "real", num_resamples=50)["differences"]
    assert same["gtn - gtn2"]["ci95"] == [0.0, 0.0]


def test_same_seed_same_numbers_in_any_order(found, scores):
    shuffled = {
        name: dict(reversed(values.items())) for name, values in scores.items()
    }
    again = ranking.ranking(shuffled, "real", num_resamples=300)
    assert again["differences"] == found["differences"]
    other = ranking.ranking(scores, "real", num_resamples=300, seed=1)
    assert other["differences"] != found["differences"]
    assert (
        other["evaluators"]["gtn"]["spearman"]
        == found["evaluators"]["gtn"]["spearman"]
    )


def test_picks_by_hand():
    truth = _by_key([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    # Order by score: 2, 5, then 1 and 3 tie (by key), 0; 4 failed.
    scores = _by_key([0.1, 0.2, 0.9, 0.2, None, 0.8])
    expected = [f"key00{i}" for i in (2, 5, 1, 3, 0, 4)]
    assert picks.best_keys(scores, 6) == expected
    assert picks.best_keys(dict(reversed(scores.items())), 6) == expected
    row = ranking.ranking(
        {"gtn": scores, "real": truth}, "real", num_resamples=9
    )
    found = row["evaluators"]["gtn"]
    assert found["regret"] == pytest.approx(0.9 - 0.7)
    assert found["best_of_top_5"] == 0.9
    assert found["precision_at_10"] is None
    assert found["precision_at_10_ci95"] is None


def test_picks_of_resamples_are_those_of_their_lists():
    """Weights stand for architectures drawn several times."""
    rng = np.random.default_rng(0)
    n = 30
    x, y = rng.permutation(n) / 10.0, rng.permutation(n) / 7.0
    x[3], y[4] = -np.inf, -np.inf
    weights = np.stack(
        [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(20)],
        axis=1,
    ).astype(float)
    found = picks.pick_statistics(x, y, weights)
    for column in range(20):
        drawn = np.repeat(np.arange(n), weights[:, column].astype(int))
        by_score = sorted(drawn, key=lambda i: -x[i])
        by_truth = sorted(drawn, key=lambda i: -y[i])
        left = list(by_truth[:10])
        shared = 0
        for i in by_score[:10]:
            if i in left:
                left.remove(i)
                shared += 1
        best = max(y[i] for i in by_score[:5])
        expected = {
            "precision_at_10": shared / 10,
            "best_of_top_5": best,
            "regret": y[by_truth[0]] - y[by_score[0]],
        }
        for name, value in expected.items():
            assert found[name][column] == pytest.approx(value)


def test_failed_truth_ranks_last_and_is_never_the_best():
    truth = _by_key([None, 0.8, 0.7, float("nan")])
    scores = _by_key([0.9, 0.1, 0.2, 0.8])
    found = ranking.ranking(
        {"gtn": scores, "real": truth}, "real", num_resamples=9
    )
    assert found["truth"]["num_failed"] == 2
    # Its pick failed: as bad as the worst that did not.
    assert found["evaluators"]["gtn"]["regret"] == pytest.approx(0.8 - 0.7)
    # Ranks 4, 1, 2, 3 against 1.5, 4, 3, 1.5.
    assert found["evaluators"]["gtn"]["spearman"] == pytest.approx(
        -4.5 / (5 * 4.5) ** 0.5
    )


def test_resamples_whose_pick_fails_are_not_left_out():
    scores = np.arange(8.0)  # its best fails, the next is the truth's best
    truth = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9, -np.inf])
    picked_fails = np.ones((8, 1))
    without = np.array([[1.0]] * 7 + [[0.0]])
    all_fail = np.array([[0.0]] * 7 + [[8.0]])
    found = picks.pick_statistics(
        scores, truth, np.hstack([picked_fails, without, all_fail])
    )
    np.testing.assert_allclose(found["regret"], [0.9 - 0.1, 0.0, np.nan])
    top = np.flatnonzero(scores == 7).tolist() * 5
    weights = np.bincount([*top, 3], minlength=8)[:, np.newaxis].astype(float)
    found = picks.pick_statistics(scores, truth, weights)
    np.testing.assert_allclose(found["best_of_top_5"], [0.1])


def test_selects_among_more_than_the_truth_knows(scores):
    more = {**scores, "gtn": {**scores["gtn"], "untrained": 2.0}}
    found = ranking.ranking(
        more, "real", genotypes={"untrained": [1, 2]}, num_resamples=9
    )
    assert found["selected"] == {
        "key": "untrained",
        "genotype": [1, 2],
        "evaluator": "gtn",
        "score": 2.0,
        "truth": None,
    }
    assert found["num_architectures"] == 40
    assert found["evaluators"]["gtn"]["num_scored"] == 41
    assert found["evaluators"]["params"]["num_scored"] == 40
    order = ("params", "gtn", "flat", "real")
    by_params = ranking.ranking(
        {name: scores[name] for name in order}, "real", num_resamples=9
    )
    best = max(scores["params"], key=scores["params"].get)
    assert by_params["selected"]["key"] == best
    assert by_params["selected"]["truth"] == scores["real"][best]
    assert list(by_params["differences"]) == ["params - gtn", "params - flat"]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_architectures(n):
    values = _by_key([0.5, 0.6][:n])
    found = ranking.ranking(
        {"gtn": values, "params": values, "real": values}, "real"
    )
    row = found["evaluators"]["gtn"]
    assert row["spearman"] is row["spearman_ci95"] is None
    assert found["differences"]["gtn - params"]["ci95"] is None
    assert (found["selected"] is None) == (n == 0)


def test_all_failed_selects_nothing():
    values = _by_key([None, None, None])
    found = ranking.ranking({"gtn": values, "real": values}, "real")
    assert found["selected"] is None
    assert found["truth"]["best"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"truth": "reel"}, "'reel' and scores of gtn"),
        (
            {"truth": "real", "scores": {"real": {"key000": 0.5}}},
            "expected scores of the truth and of another evaluator",
        ),
    ],
)
def test_bad_input(scores, arguments, message):
    with pytest.raises(InputError, match=message):
        ranking.ranking(**{"scores": scores, **arguments})


def test_a_missing_score_is_not_a_failure(scores):
    fewer = {**scores, "params": dict(list(scores["params"].items())[2:])}
    with pytest.raises(InputError, match=r"2 architectures.*'key000'"):
        ranking.ranking(fewer, "real")
