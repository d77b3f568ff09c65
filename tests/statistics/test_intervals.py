import math

import numpy as np
import pytest

from gtn_tf.statistics.intervals import mean_interval


def test_by_hand():
    # t quantile 0.975 at 2 degrees of freedom, from printed tables: 4.3027.
    mean, std, (low, high) = mean_interval([1.0, 2.0, 6.0])
    assert mean == 3.0
    assert std == pytest.approx(math.sqrt(7.0))
    half = 4.3027 * math.sqrt(7.0 / 3.0)
    assert (low, high) == pytest.approx((3 - half, 3 + half), rel=1e-4)


def test_one_value_has_no_interval():
    assert mean_interval([0.25]) == (0.25, None, None)


def test_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    samples = rng.normal(0.8, 0.03, (4000, 5))
    intervals = [mean_interval(sample).ci95 for sample in samples]
    share = np.mean([low <= 0.8 <= high for low, high in intervals])
    assert share == pytest.approx(0.95, abs=0.011)  # 3 standard errors
