import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.experiments import extended_data, more_data, more_data_trials
from gtn_tf.ops.seeds import fold
from gtn_tf.statistics.over_seeds import over_seeds
from tests.helpers.exported import NUM_ROUNDINGS, build, exported
from tests.helpers.float_tolerance import assert_close


def test_endless_data_are_draws_of_the_meta_training():
    gtn = build(curriculum="none")
    num_steps, batch_size = gtn.label_ids.shape
    seed = tf.constant([1, 2])
    draws = [
        gtn.synthesize(gtn.read(), fold(seed, number)) for number in range(4)
    ]
    made = extended_data.endless(gtn, 2 * num_steps, 2 * batch_size)(seed)
    for name in ("images", "labels"):
        found = getattr(made, name).numpy()
        assert found.shape[:2] == (2 * num_steps, 2 * batch_size)
        for number, draw in enumerate(draws):
            row, column = divmod(number, 2)
            part = found[row * num_steps :, column * batch_size :]
            part = part[:num_steps, :batch_size]
            assert_close(part, getattr(draw, name), NUM_ROUNDINGS)
    for name, known in draws[0].hyperparameters.items():
        np.testing.assert_array_equal(
            made.hyperparameters[name], [*known, *[known[-1]] * num_steps]
        )


def test_repeated_and_sampled_begin_as_the_curriculum():
    gtn = exported(build())
    arrays = [values.numpy() for values in gtn.arrays.values()]
    num_steps, batch_size = arrays[0].shape[:2]
    repeated = extended_data.repeated(gtn, 2 * num_steps)(None)
    sampled = extended_data.sampled(gtn, num_steps + 2, batch_size + 3)
    ours, others = sampled(tf.constant([1, 2])), sampled(tf.constant([3, 4]))
    assert ours.images.shape[:2] == (num_steps + 2, batch_size + 3)
    for data in (ours, others):
        for found, known in zip(
            (data.images, data.labels), arrays, strict=False
        ):
            np.testing.assert_array_equal(found[:num_steps, :batch_size], known)
    for found, known in zip(
        (repeated.images, repeated.labels), arrays, strict=False
    ):
        np.testing.assert_array_equal(found, np.concatenate([known, known]))
    assert np.any(ours.images[-1] != others.images[-1])
    assert np.any(ours.images[0, -1] != others.images[0, -1])
    for name, known in zip(
        ("learning_rate", "momentum"), arrays[2:], strict=True
    ):
        np.testing.assert_array_equal(
            ours.hyperparameters[name], [*known, known[-1], known[-1]]
        )
        np.testing.assert_array_equal(
            repeated.hyperparameters[name], [*known, *known]
        )
    whole = extended_data.sampled(gtn, num_steps, batch_size, num_kept=0)
    images = whole(tf.constant([1, 2])).images
    assert images.shape == arrays[0].shape
    assert np.all(np.any(images.numpy() != arrays[0], axis=(1, 2, 3, 4)))


def _more_data_result(pair, arm, ensembles, **accuracies):
    return {
        "arm": arm,
        "pair": pair,
        "sizes": [
            {
                "source": source,
                "num_steps": 4,
                "batch_size": 10,
                "accuracies": of_source,
                "how": "",
            }
            for source, of_source in accuracies.items()
        ],
        "ensembles": ensembles,
    }


def test_more_data_over_gtn_seeds():
    ensembles = [
        {"repeat": [{"num_learners": 8, "accuracies": [a, a + 0.2]}]}
        for a in (0.5, 0.7)
    ]
    results = [
        _more_data_result(
            0, "own", ensembles[0], real_tuned=[0.2, 0.4], sample=[0.5, 0.7]
        ),
        _more_data_result(0, "endless", {}, endless=[0.1, 0.1]),
        _more_data_result(
            1, "own", ensembles[1], real_tuned=[0.4, 0.4], sample=[0.5, 0.9]
        ),
    ]
    found = more_data.summarize(results, num_steps=2, batch_size=10)
    real, sample, endless = found["sizes"]
    assert [row["source"] for row in found["sizes"]] == [
        "real_tuned",
        "sample",
        "endless",
    ]
    assert "minus_real" not in real
    assert real["accuracy"] == pytest.approx(0.35)
    assert sample["num_seeds"] == 2
    over_two = over_seeds([[0.6], [0.7]], 2)
    assert sample["ci95"] == pytest.approx(over_two["ci95"])
    assert sample["minus_real"]["mean"] == pytest.approx(0.3)
    assert sample["minus_real"]["ci95"] == pytest.approx((0.3, 0.3))
    assert endless["num_seeds"] == 1  # of two: no interval
    assert endless["ci95"] is None
    assert endless["minus_real"]["mean"] == pytest.approx(-0.2)
    assert endless["minus_real"]["ci95"] is None
    (row,) = found["ensembles"]["repeat"]
    assert row["accuracy"] == pytest.approx(0.7)
    over_two = over_seeds([[0.6], [0.8]], 2)
    assert row["ci95"] == pytest.approx(over_two["ci95"])
    alone = more_data.summarize(results[:2], num_steps=2, batch_size=10)
    # One seed: over its learners, each minus the same learner on real data.
    gap = alone["sizes"][2]["minus_real"]
    expected = over_seeds([[-0.1, -0.3]], 1)
    assert gap["ci95"] == pytest.approx(expected["ci95"])
    (row,) = alone["ensembles"]["repeat"]
    assert row["accuracy"] == pytest.approx(0.6)
    assert row["ci95"] is None  # of two ensembles


def test_ensembles_average_probabilities():
    # Learners are right on the first image by much, on the second by none.
    sure, unsure = [[0.9, 0.1], [0.4, 0.6]], [[0.4, 0.6], [0.4, 0.6]]
    probabilities = np.array([sure, unsure] * 4)
    label_ids = np.array([0, 0])
    for size, expected in ((1, [0.5, 0.0] * 4), (2, [0.5] * 4), (4, [0.5] * 2)):
        found = more_data_trials.ensemble_accuracies(
            probabilities, size, label_ids
        )
        assert found == expected
