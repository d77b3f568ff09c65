import gc
import json
import pickle
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest

import gtn_tf
from gtn_tf.datasets import loading as data
from gtn_tf.types import InputError
from tests.helpers import exports, tiny


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Thirty real images, ten times each: enough to learn something."""
    return exports.write_export(
        tmp_path_factory.mktemp("gtn") / "export", num_steps=30
    )


def _model(width, bias=0.0, activation="relu", image_shape=(8, 8, 1)):
    return keras.Sequential(
        [
            keras.Input(image_shape),
            keras.layers.Flatten(),
            # Refused in meta-training; here only first order is needed.
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(width, activation=activation),
            keras.layers.Dense(10, use_bias=bool(bias)),
        ]
    )


def build_wide():
    return _model(64)


def build_narrow():
    return _model(1)


def test_three_lines(export):
    teacher = gtn_tf.load(export)
    scores = gtn_tf.nas.rank([build_wide, build_narrow], teacher)
    best = [build_wide, build_narrow][int(np.argmax(scores))]

    assert best is build_wide
    assert scores[0] > 0.5 > scores[1] > 0


def test_equal_seeds_have_equal_scores(export):
    validation = data.load("digits").validation
    first = gtn_tf.nas.rank([build_narrow], export, data=validation)
    split = {"validation": validation}
    assert gtn_tf.nas.rank([build_narrow], export, split) == first
    again = gtn_tf.nas.rank([build_narrow], export, seed=0)
    other = gtn_tf.nas.rank([build_narrow], export, seed=1)
    assert first == again != other


def test_validation_of_ones_own(export):
    """Accuracy is the share of the images given."""
    images, label_ids = (v[:7] for v in data.load("digits").validation)
    (score,) = gtn_tf.nas.rank([build_wide], export, (images, label_ids))
    (wrong,) = gtn_tf.nas.rank(
        [build_wide], export, (images, (label_ids + 1) % 10)
    )
    assert score * 7 == pytest.approx(round(score * 7), abs=1e-5)
    assert score + wrong <= 1 < score + wrong + 1


def test_a_divergence_is_nan_and_the_others_go_on(export):
    def build_steep():
        return _model(64, activation=lambda x: 1e30 * x * x)

    scores = gtn_tf.nas.rank([build_steep, build_narrow], export)
    assert np.isnan(scores[0])
    assert scores[1] > 0


@pytest.mark.parametrize(
    ("validation", "part"),
    [
        ((np.zeros((2, 8, 8, 1)), np.zeros(2)), "float64"),
        ((np.zeros((2, 8, 8), np.uint8), np.zeros(2)), "(2, 8, 8)"),
        ((np.zeros((2, 8, 8, 1), np.uint8), np.zeros(3)), "(3,)"),
    ],
)
def test_other_validation_data_are_refused(export, validation, part):
    with pytest.raises(InputError, match="uint8") as caught:
        gtn_tf.nas.rank([build_narrow], export, validation)
    assert part in str(caught.value).split(";")[0]


def test_a_model_of_other_images_is_refused(export):
    with pytest.raises(InputError, match=r"images \(\d+, 8, 8, 1\)"):
        gtn_tf.nas.rank([lambda: _model(2, image_shape=(8, 8, 3))], export)


def test_the_package_imports_no_tensorflow():
    code = (
        "import sys, gtn_tf, gtn_tf.nas as nas\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "assert not hasattr(nas, 'no_such_name')\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_one_bad_builder_does_not_lose_the_others(export, caplog):
    def fail():
        raise RuntimeError("of my own")

    scores = gtn_tf.nas.rank([build_wide, fail, build_wide], export)
    assert scores[0] == scores[2] > 0.5
    assert np.isnan(scores[1])
    assert "Builder 1 has no score" in caplog.text
    assert "RuntimeError (of my own)" in caplog.text


def test_networks_of_errors_are_let_go(export):
    held, seen = [], []

    def refused():
        model = build_narrow()
        held.append(weakref.ref(model))
        raise InputError("a network; expected another; give one")

    def looks():
        gc.collect()
        seen.extend(reference() is None for reference in held)
        return build_narrow()

    gtn_tf.nas.rank([refused, refused, refused, looks], export)
    # But for the first one, which may be all that is said, and the last.
    assert seen[1:2] == [True]


def test_candidates_by_name_and_their_table(export):
    def fail():
        raise RuntimeError("of my own")

    builders = {"small": build_narrow, "wide": build_wide, "bad": fail}
    scores = gtn_tf.nas.rank(builders, export, seeds=2)
    assert list(scores) == [scores["small"], scores["wide"], scores[2]]
    assert scores.best == "wide"
    small, wide, bad = scores.rows
    assert wide.ci95[0] < wide.score < wide.ci95[1]
    assert min(row.seconds for row in scores.rows) > 0
    assert "RuntimeError (of my own)" in bad.refusal
    assert (small.refusal, bad.rates) == (None, None)
    lines = str(scores).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["wide", "small", "bad"]
    for part in (f"{wide.score:.4f}", f"[{wide.ci95[0]:.4f}", wide.rates):
        assert part in lines[2]
    assert "of my own" in lines[4]
    # The first initialisation is that of one alone.
    first, second = (
        gtn_tf.nas.rank([build_wide], export, rates=wide.rates, seeds=seeds)
        for seeds in (1, 2)
    )
    assert second[0] == scores["wide"]
    assert first.rows[0].ci95 is None
    assert pickle.loads(pickle.dumps(scores)).best == "wide"


def test_the_best_of_several_rules_counts(export):
    """Of one too steep, which diverges, one too flat, and one that fits."""
    rates = ("learned:1e30", "adam:1e-9", "learned:1")
    scores = [
        gtn_tf.nas.rank([build_wide], export, rates=rate) for rate in rates[1:]
    ]
    (row,) = gtn_tf.nas.rank([build_wide], export, rates=rates).rows
    assert [row.score] == scores[1] > scores[0]
    assert row.rates == "learned:1"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"rates": ()}, "learned, normalized, adam"),
        ({"rates": ("learned:0",)}, "'learned:0'"),
        ({"rates": "twice"}, "'twice'"),
        ({"seeds": 0}, "at least 1"),
        ({"readout": "loss"}, "accuracy, log_likelihood"),
        ({"statistics": "mine"}, "synthetic, validation"),
        ({"data": {"train": ()}}, "'validation' among them"),
        ({"data": 3}, "a int"),
        ({"data": (), "validation": ()}, "both given"),
    ],
)
def test_other_arguments_are_refused(export, arguments, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], export, **arguments)
    assert part in str(caught.value)


def _normalised(momentum, activation=None):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(momentum=momentum),
            layers.Dense(10, activation=activation),
        ]
    )


def test_momentum_and_softmax_make_no_other_score(export):
    def scores(**arguments):
        found = gtn_tf.nas.rank(
            [
                lambda: _normalised(0.5),
                lambda: _normalised(0.99),
                lambda: _normalised(0.0),
                lambda: _normalised(0.5, "softmax"),
            ],
            export,
            **arguments,
        )
        assert len(set(found)) == 1
        return found[0]

    plain = scores(readout="log_likelihood")
    assert plain > -2
    of_images = {"readout": "log_likelihood", "statistics": "validation"}
    assert scores(**of_images) not in (plain, np.nan)
    on_the_way = scores(readout="log_likelihood_along")
    assert -3 < on_the_way < scores(**of_images)


@pytest.mark.parametrize("seed", [-1, 2**62, 1.5, None, True, "1"])
def test_seeds(export, seed):
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        gtn_tf.nas.rank([build_narrow], export, seed=seed)


@pytest.mark.parametrize("builders", [[], build_narrow, 3])
def test_no_list_of_builders(export, builders):
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        gtn_tf.nas.rank(builders, export)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda ids: ids + 1, "1 to 10; expected 0 to 9"),
        (lambda ids: ids - 1, "-1 to 8"),
        (lambda ids: ids + 0.5, "whole numbers"),
        (lambda ids: np.full(len(ids), np.nan), "whole numbers"),
        (lambda ids: ids.astype(str), "whole numbers"),
        (lambda ids: ids[:0], "label_ids"),
    ],
)
def test_labels_of_validation(export, change, part):
    images, label_ids = data.load("digits").validation
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], export, (images, change(label_ids)))
    assert part in str(caught.value)


def test_validation_without_images(export):
    images, label_ids = data.load("digits").validation
    with pytest.raises(InputError, match="N at least 1"):
        gtn_tf.nas.rank([build_narrow], export, (images[:0], label_ids[:0]))


def test_data_that_are_not_here(tmp_path, monkeypatch):
    folder = exports.write_export(tmp_path / "export", num_steps=1)
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text()) | {"dataset": "mnist"}
    path.write_text(json.dumps(metadata))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], folder, data_dir=tmp_path / "none")
    assert str(tmp_path / "none") in str(caught.value)
    assert "--config" not in str(caught.value)
    assert "give them as `validation`" in str(caught.value)
