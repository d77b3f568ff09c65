import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gtn_tf.statistics import correlation

_EXCERPT = Path(__file__).parents[1] / "data" / "nb201" / "excerpt.csv"
NAMES = ("params", "flops", "nwot", "synflow", "snip", "jacov")


@pytest.fixture(scope="module")
def excerpt():
    """Columns by name, [500] each."""
    with _EXCERPT.open() as file:
        rows = list(csv.DictReader(file))
    names = ("val_accs", *NAMES)
    return {n: np.array([float(row[n]) for row in rows]) for n in names}


# Spearman, tau-b, then Spearman in the best 250 and 50 by score, and by
# truth: by counting smaller values and pairs, in pure Python.
_COUNTED = {
    "params": (0.75227, 0.57085, 0.3767, 0.29275, 0.36097, -0.08391),
    "flops": (0.71664, 0.51838, 0.37115, 0.19353, 0.30858, -0.08875),
    "nwot": (0.7874, 0.59822, 0.38108, 0.26004, 0.36447, -0.20004),
    "synflow": (0.75217, 0.5562, 0.42755, 0.06253, 0.46315, 0.22608),
    "snip": (0.55163, 0.3988, 0.37207, 0.12913, -0.09259, -0.35248),
    "jacov": (0.80197, 0.61536, 0.22973, -0.01772, 0.541, 0.12202),
}


@pytest.mark.parametrize("name", NAMES)
def test_nas_bench_201(excerpt, name):
    x, y = excerpt[name], excerpt["val_accs"]
    found = [correlation.spearman(x, y), correlation.kendall(x, y)]
    for selected_by in (x, y):
        for share in (0.5, 0.1):
            best = correlation.top(selected_by, share)
            found.append(correlation.spearman(x[best], y[best]))
    np.testing.assert_allclose(found, _COUNTED[name], atol=6e-6)


def test_by_hand():
    x, y = np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])
    # 1 - 6 * (1 + 1) / (4 * 15); 5 pairs agree and 1 does not.
    assert correlation.spearman(x, y) == pytest.approx(0.8)
    assert correlation.kendall(x, y) == pytest.approx(4 / 6)
    # Ranks 1.5, 1.5, 3.5, 3.5 against 1 to 4; 4 of 6 pairs do not tie.
    tied = np.array([0.0, 0, 1, 1])
    assert correlation.spearman(tied, x) == pytest.approx(4 / 20**0.5)
    assert correlation.kendall(tied, x) == pytest.approx(4 / 24**0.5)


@pytest.mark.parametrize(
    "values", [[], [1, 2], [5, 5, 5], [-np.inf, -np.inf, -np.inf]]
)
def test_too_few_or_constant_is_none(values):
    x, y = np.array(values, float), np.arange(len(values), dtype=float)
    for coefficient in (correlation.spearman, correlation.kendall):
        assert coefficient(x, y) is None
        assert coefficient(y, x) is None


def test_failures_rank_last():
    values = correlation.with_failures_last(
        [0.2, None, float("nan"), 0.1, float("inf")]
    )
    np.testing.assert_array_equal(values, [0.2, -np.inf, -np.inf, 0.1, -np.inf])
    lowest = np.array([0.2, -1, -1, 0.1, -1])
    truth = np.array([5.0, 1, 2, 4, 3])
    for coefficient in (correlation.spearman, correlation.kendall):
        assert coefficient(values, truth) == coefficient(lowest, truth)


def test_top_takes_ties_with_its_last():
    scores = np.array([3.0, 1, 2, 2, 0, 2])
    np.testing.assert_array_equal(
        correlation.top(scores, 0.5), [True, False, True, True, False, True]
    )
    assert correlation.top(np.arange(30.0), 0.1).sum() == 3
    assert correlation.top(np.arange(31.0), 0.1).sum() == 4
    assert correlation.top(np.arange(100.0), 0.07).sum() == 7


def _drawn(weights):
    """The architectures of each resample, as often as it holds them."""
    n = np.arange(len(weights))
    return [np.repeat(n, column.astype(int)) for column in weights.T]


def test_resamples_equal_scipy_on_what_they_drew():
    generator = np.random.default_rng(0)
    x = generator.integers(6, size=20).astype(float)  # ties
    x[:3] = -np.inf
    y = np.round(x.clip(0) + generator.normal(size=20), 1)
    weights = np.concatenate(list(correlation.resamples(20, 50, 1)), axis=1)
    rho = correlation.weighted_spearman(x, y, weights)
    tau = correlation.weighted_kendall(x, y, weights)
    by_score = correlation.weighted_spearman(x, y, weights, 0.5, x)
    by_truth = correlation.weighted_spearman(x, y, weights, 0.5, y)
    for r, drawn in enumerate(_drawn(weights)):
        a, b = x[drawn], y[drawn]
        assert rho[r] == pytest.approx(stats.spearmanr(a, b).statistic)
        assert tau[r] == pytest.approx(stats.kendalltau(a, b).statistic)
        for found, side in ((by_score, a), (by_truth, b)):
            best = side >= np.sort(side)[::-1][9]
            assert found[r] == pytest.approx(
                stats.spearmanr(a[best], b[best]).statistic, nan_ok=True
            )


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(3)
    x, y = generator.integers(5, size=(2, 9)).astype(float)  # ties
    weights = np.concatenate(list(correlation.resamples(9, 7, 5)), axis=1)
    tau = correlation.weighted_kendall(x, y, weights)
    monkeypatch.setattr(correlation, "_CHUNK", 20)  # 2 resamples
    monkeypatch.setattr(correlation, "_PAIRWISE", 2)
    blocks = list(correlation.resamples(9, 7, 5))
    assert [block.shape for block in blocks] == [(9, 2)] * 3 + [(9, 1)]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), weights)
    np.testing.assert_array_equal(
        correlation.weighted_kendall(x, y, weights), tau
    )


def test_resamples_draw_n_of_n_uniformly():
    weights = np.concatenate(list(correlation.resamples(10, 4000, 2)), axis=1)
    assert weights.shape == (10, 4000)
    assert np.all(weights.sum(0) == 10)
    # Binomial(10, 0.1): mean 1, variance 0.9; 4 standard errors.
    np.testing.assert_allclose(weights.mean(1), 1, atol=4 * (0.9 / 4000) ** 0.5)
    np.testing.assert_allclose(weights.var(), 0.9, rtol=0.05)
    again = np.concatenate(list(correlation.resamples(10, 4000, 2)), axis=1)
    np.testing.assert_array_equal(weights, again)
    other = np.concatenate(list(correlation.resamples(10, 4000, 3)), axis=1)
    assert np.any(weights != other)


def test_undefined_resamples_are_left_out_of_the_interval():
    x = np.array([0.0, 0, 1])
    weights = np.array([[3.0, 1, 2], [0, 1, 0], [0, 1, 1]])
    # The first draws one architecture three times: constant.
    found = correlation.weighted_spearman(x, x, weights)
    np.testing.assert_array_equal(np.isnan(found), [True, False, False])
    assert np.isnan(correlation.weighted_kendall(x, x, weights))[0]
    assert correlation.interval95(found) == [1.0, 1.0]
    assert correlation.interval95(np.array([np.nan])) is None
    values = np.arange(101.0)
    assert correlation.interval95(values) == [2.5, 97.5]


def test_intervals_cover(excerpt):
    """95 % intervals of 64 networks hold the coefficient of all 500."""
    y = excerpt["val_accs"]
    weights = np.concatenate(list(correlation.resamples(64, 500, 0)), axis=1)
    names = ("nwot", "params", "synflow")
    # The 500 stand for the space: draws of 64 from them with replacement.
    expected = {n: correlation.spearman(excerpt[n], y) for n in names}
    generator = np.random.default_rng(7)
    held = []
    for _ in range(200):
        drawn = generator.integers(500, size=64)
        found = {
            name: correlation.weighted_spearman(
                excerpt[name][drawn], y[drawn], weights
            )
            for name in names
        }
        differences = found["nwot"] - found["params"]
        true = expected["nwot"] - expected["params"]
        row = [(found[name], expected[name]) for name in names]
        held.append(
            [
                low <= value <= high
                for values, value in [*row, (differences, true)]
                for low, high in [correlation.interval95(values)]
            ]
        )
    coverage = np.mean(held, axis=0)
    # 200 draws: a standard error of 1.5 %.
    assert np.all(coverage >= 0.91), coverage
    assert np.all(coverage <= 0.99), coverage
