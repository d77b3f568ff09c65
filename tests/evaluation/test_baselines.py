import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.config import validate
from gtn_tf.datasets import loading as data
from gtn_tf.evaluation import baselines, constant_rates
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.training.assembly import build_teacher
from gtn_tf.types import InputError
from tests.helpers import tiny

_SEED = root_seed(3)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def _config(**changes):
    config = tiny.get_config()
    config.evaluation.tuning_learning_rates = (1e-4, 0.3)
    config.evaluation.tuning_momenta = (0.0, 0.5)
    config.evaluation.tuning_num_learners = 2
    config.update_from_flattened_dict(changes)
    return config


@pytest.fixture
def setting(digits, tmp_path):
    return build_setting(_config(), tmp_path, digits)


def test_real_tuned_draws_what_source_real_draws(setting, digits):
    """The two differ by their rates alone, learner by learner."""
    gtn = build_teacher(_config(source="real"), setting.train)
    expected = gtn.synthesize(gtn.read(), _SEED)
    images, labels = constant_rates.draw_real(setting)(_SEED)
    np.testing.assert_array_equal(images, expected.images)
    np.testing.assert_array_equal(labels, expected.labels)


def test_balanced_batches_are_real_images_of_all_classes(setting, digits):
    draw = constant_rates.draw_balanced(setting)
    images, labels = draw(_SEED)
    np.testing.assert_array_equal(images, draw(_SEED)[0])
    assert np.any(images != draw(fold(_SEED, 1))[0])  # each learner's own
    np.testing.assert_array_equal(np.argmax(labels, -1)[0], np.arange(10))
    of_training = {
        image.tobytes(): label
        for image, label in zip(*digits.train, strict=True)
    }
    seen = set()
    for index in range(40):
        images, labels = draw(fold(_SEED, index))
        pixels = np.rint(
            (images * np.array(digits.std) + np.array(digits.mean)) * 255
        ).astype(np.uint8)
        found = [image.tobytes() for image in pixels.reshape(20, 8, 8, 1)]
        np.testing.assert_array_equal(
            [of_training[image] for image in found],
            np.argmax(labels, -1).ravel(),
        )
        seen.update(found)
    # 800 draws of 1000 images reach about 551 different ones.
    assert 500 < len(seen) < 600


def test_real_subset_holds_each_image_once_with_its_label(setting, digits):
    images, labels = constant_rates.draw_subset(setting)(_SEED)
    again, _ = constant_rates.draw_subset(setting)(fold(_SEED, 1))
    np.testing.assert_array_equal(images, again)
    pixels = np.rint(
        (images * np.array(digits.std) + np.array(digits.mean)) * 255
    ).astype(np.uint8)
    flat = pixels.reshape(20, -1)
    assert len(np.unique(flat, axis=0)) == 20
    of_training = {
        image.tobytes(): label
        for image, label in zip(*digits.train, strict=True)
    }
    found = [of_training[image.tobytes()] for image in flat]
    np.testing.assert_array_equal(found, np.argmax(labels, -1).ravel())
    np.testing.assert_array_equal(np.argmax(labels, -1)[0], np.arange(10))


def test_real_subset_larger_than_the_data_repeats_images(setting):
    large = setting.with_sizes(3, 1000, setting.workdir)
    images, labels = constant_rates.draw_subset(large)(_SEED)
    flat = images.numpy().reshape(3000, -1)
    counts = np.unique(flat, axis=0, return_counts=True)[1]
    assert len(counts) > 950
    assert counts.max() <= 5
    assert labels.numpy().sum(axis=(0, 1)).tolist() == [300.0] * 10


def test_noise_knows_nothing_of_labels_or_learners(setting):
    images, labels = constant_rates.draw_noise_images(setting)(_SEED)
    other, _ = constant_rates.draw_noise_images(setting)(fold(_SEED, 1))
    np.testing.assert_array_equal(images, other)
    assert images.shape == (2, 10, 8, 8, 1)
    assert abs(float(tf.reduce_mean(images))) < 0.1
    assert abs(float(tf.math.reduce_std(images)) - 1) < 0.1
    np.testing.assert_array_equal(np.argmax(labels, -1)[0], np.arange(10))


def test_rates_are_the_best_of_the_grid(setting):
    source = baselines.real_tuned(setting)
    path = setting.workdir / "baselines" / "real_tuned" / "tuning.json"
    kept = json.loads(path.read_text())
    ways = ("drawn at random", "of all classes alike")
    assert [row[:3] for row in kept["grid"]] == [
        [way, rate, momentum]
        for way in ways
        for rate in (1e-4, 0.3)
        for momentum in (0.0, 0.5)
    ]
    finalists = sorted(kept["grid"], key=lambda row: row[3], reverse=True)[:5]
    assert [row[:3] for row in kept["finals"]] == [r[:3] for r in finalists]
    way, rate, momentum, best = max(kept["finals"], key=lambda row: row[3])
    assert f"batches {way}, " in source.how
    assert rate == 0.3
    used = source.synthesize(_SEED).hyperparameters
    np.testing.assert_allclose(used["learning_rate"], [rate] * 2)
    np.testing.assert_allclose(used["momentum"], [momentum] * 2)
    assert f"constant rate {rate:g}, momentum {momentum:g}" in source.how
    assert source.setup_seconds == kept["seconds"] > 0
    # Means over the validation learners, each with its own real batches: two
    # of the grid, eight others of the finalists.
    accuracies = []
    for index in range(10):
        seed = fold(root_seed(0), Purpose.TUNING, index)
        data_of_learner = source.synthesize(seed)
        accuracies.append(float(setting.accuracy_of(data_of_learner, seed)))
    (of_grid,) = (r[3] for r in kept["grid"] if r[:3] == [way, rate, momentum])
    assert of_grid == pytest.approx(np.mean(accuracies[:2]))
    assert best == pytest.approx(np.mean(accuracies[2:]))


def test_tuning_is_kept_until_the_setting_changes(setting, digits):
    tune = baselines.noise
    first = tune(setting)
    path = setting.workdir / "baselines" / "noise" / "tuning.json"
    written = path.read_bytes()
    assert tune(setting).setup_seconds == first.setup_seconds
    assert path.read_bytes() == written
    config = _config(**{"evaluation.tuning_num_learners": 1})
    tune(build_setting(config, setting.workdir, digits))
    assert path.read_bytes() != written


def test_other_sizes_are_another_setting(setting, digits):
    other = setting.with_sizes(3, 20, setting.workdir)
    config = _config(**{"inner.num_steps": 3, "inner.batch_size": 20})
    expected = build_setting(config, setting.workdir, digits)
    assert other.sequence_shape == expected.sequence_shape == (3, 20)
    assert other.tuning == expected.tuning
    assert other.tuning != setting.tuning
    assert other.accuracy_of is not setting.accuracy_of


def _meta_trained(
    config, digits, workdir, monkeypatch, outcomes, baseline="distillation"
):
    """Runs `_meta_trained` with a pretrain that only writes its rows."""
    seen = []

    def pretrain(config, folder, is_part):
        assert is_part
        seen.append((config, folder))
        accuracy = outcomes[config.meta.learning_rate]
        folder.mkdir(parents=True)
        row = {"step": 8, "validation_accuracy": accuracy, "seconds": 2.5}
        (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
        if accuracy is None:
            raise baselines.DivergenceError("meta_loss is nan")
        return 0

    monkeypatch.setattr(baselines, "pretrain", pretrain)
    monkeypatch.setattr(
        baselines,
        "restore_run",
        lambda config, folder: SimpleNamespace(config=config),
    )
    monkeypatch.setattr(
        baselines,
        "source_of_run",
        lambda name, run, *more: (name, run.config, *more),
    )
    rates = tuple(outcomes)
    config.evaluation.meta_learning_rates = rates
    setting = build_setting(config, workdir, digits)
    return getattr(baselines, baseline)(setting), seen


def test_the_best_meta_training_by_validation_is_taken(
    digits, tmp_path, monkeypatch
):
    outcomes = {0.01: 0.4, 0.1: 0.7, 1.0: None}
    of_gtn = _config(**{"curriculum.name": "none"})
    (name, config, seconds, how, curve), seen = _meta_trained(
        of_gtn, digits, tmp_path, monkeypatch, outcomes
    )
    assert name == config.source == "distillation"
    assert config.meta.learning_rate == 0.1
    assert config.curriculum.name == "full"
    assert seconds == 7.5  # of all, the one that diverged too
    assert "inner rates learned" in how
    assert "0.1, the best of 3 on validation data" in how
    assert curve == [[8, 0.7]]
    # What else may differ from the GTN's config: where it writes, how much.
    for trial, _ in seen:
        trial.source, trial.meta.learning_rate = "gtn", 0.01
        trial.curriculum.name = "none"
        trial.log = of_gtn.log
        assert trial == of_gtn


def test_real_images_learn_their_rates_though_the_gtn_has_none(
    setting, digits, monkeypatch
):
    changes = {
        "inner.learn_hyperparameters": False,
        "curriculum.learn_labels": True,
    }
    (_, config, *_), _ = _meta_trained(
        _config(**changes),
        digits,
        setting.workdir,
        monkeypatch,
        {0.1: 0.5},
        "real",
    )
    validate(config)
    assert config.source == "real"
    assert config.inner.learn_hyperparameters
    assert not config.curriculum.learn_labels
    assert build_teacher(config, setting.train).trained_variables()


def test_a_baseline_that_always_diverges_says_so(digits, tmp_path, monkeypatch):
    with pytest.raises(baselines.DivergenceError, match="meta_learning_rates"):
        _meta_trained(_config(), digits, tmp_path, monkeypatch, {1.0: None})


def test_a_baseline_of_other_meta_steps_is_refused(
    digits, tmp_path, monkeypatch
):
    config = _config(**{"meta.num_steps": 9})  # the fake has done 8
    with pytest.raises(InputError, match="8 meta-steps; expected 9"):
        _meta_trained(config, digits, tmp_path, monkeypatch, {1.0: 0.5})


def test_a_stopped_tuning_goes_on(setting, monkeypatch):
    measure, calls = constant_rates._mean_accuracy, []

    def counted(synthesize, rate, momentum, *others):
        calls.append((rate, momentum))
        if len(calls) in (2, 6):  # of four in the grid, then four finalists
            os.kill(os.getpid(), signal.SIGTERM)
        return measure(synthesize, rate, momentum, *others)

    monkeypatch.setattr(constant_rates, "_mean_accuracy", counted)
    tune = baselines.noise
    path = setting.workdir / "baselines" / "noise" / "tuning.json"
    for sizes in ((2, 0), (4, 2)):
        with pytest.raises(Stopped) as stopped:
            tune(setting)
        assert stopped.value.code == 128 + signal.SIGTERM
        before = json.loads(path.read_text())
        assert (len(before["grid"]), len(before["finals"])) == sizes
    source = tune(setting)
    after = json.loads(path.read_text())
    assert after["grid"] == before["grid"]
    assert after["finals"][:2] == before["finals"]
    rows = [*after["grid"], *after["finals"]]
    assert calls == [tuple(row[1:3]) for row in rows]
    assert source.setup_seconds == after["seconds"] > before["seconds"]


def test_a_stopped_meta_training_stops_the_evaluation(setting, monkeypatch):
    monkeypatch.setattr(baselines, "pretrain", lambda *_, **__: 143)
    with pytest.raises(Stopped) as stopped:
        baselines.real(setting)
    assert stopped.value.code == 143
