import gc
import json
import pickle
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import gtn_tf
from gtn_tf.datasets import loading as data
from gtn_tf.nas.model_scores import ModelScore, ModelScores
from gtn_tf.nas.validation_data import validation_data
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


def test_data_in_the_order_of_their_classes_are_mixed(export):
    """By `statistics="validation"` one forward pass stands for all."""
    images, label_ids = data.load("digits").train
    order = np.argsort(label_ids, kind="stable")
    pair = images[order], label_ids[order]
    real = validation_data(gtn_tf.load(export), pair, None)
    found = real.label_ids.numpy()
    assert len(set(found[:100].tolist())) == 10
    places = {image.tobytes(): i for i, image in enumerate(pair[0])}
    for image, label_id in zip(real.images.numpy(), found, strict=True):
        assert pair[1][places[image.tobytes()]] == label_id


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
    ("of_data", "part"),
    [
        ((np.full((2, 8, 8, 1), 3.0), np.zeros(2)), "float64[2, 8, 8, 1] from"),
        ((np.zeros((2, 8, 9), np.uint8), np.zeros(2)), "[2, 8, 9, 1]"),
        ((np.zeros((2, 8, 8, 1), np.uint8), np.zeros(3)), "float64[3] for 2"),
        ((np.zeros((2, 8, 8, 1), np.uint8), None), "object[] for 2"),
        (([np.zeros((8, 8)), np.zeros((8, 9))], [0, 1]), "several shapes"),
        ((np.zeros((2, 8, 8)), [[0], [1, 2]]), "several lengths"),
    ],
)
def test_other_validation_data_are_refused(export, of_data, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], export, data=of_data)
    received = str(caught.value).split(";")[0]
    assert part in received
    assert "of data are" in received


@pytest.mark.parametrize(
    ("of_data", "message"),
    [
        ("digits", "the split of data is a str; expected"),
        (np.zeros((3, 8, 8, 1)), "the split of data is a ndarray; expected"),
        (tf.data.Dataset.range(3), "the split of data yields TensorSpec"),
        (
            tf.data.Dataset.from_tensors((np.zeros((8, 8, 1)), 0)).repeat(),
            "the split of data never ends; expected a finite",
        ),
        (
            tf.data.Dataset.from_tensors((np.zeros((8, 9, 1)), 0)),
            r"images of data are \[1, 8, 9, 1\]; expected",
        ),
    ],
)
def test_other_kinds_of_data_are_refused(export, of_data, message):
    with pytest.raises(InputError, match=message):
        gtn_tf.nas.rank([build_narrow], export, data=of_data)


def test_other_forms_of_the_same_images_have_the_same_score(export):
    images, label_ids = (v[:50] for v in data.load("digits").validation)
    scores = [
        gtn_tf.nas.rank([build_wide], export, data=(form, label_ids))
        for form in (images, images[..., 0], images / 255, images.tolist())
    ]
    pipeline = tf.data.Dataset.from_tensor_slices((images, label_ids))
    scores += [
        gtn_tf.nas.rank([build_wide], export, data=form)
        for form in (pipeline, {"validation": pipeline.batch(30)})
    ]
    assert all(score == scores[0] for score in scores)


def test_a_model_of_other_images_is_refused(export):
    with pytest.raises(InputError, match=r"images \(\d+, 8, 8, 1\)"):
        gtn_tf.nas.rank([lambda: _model(2, image_shape=(8, 8, 3))], export)


def test_the_package_imports_no_tensorflow():
    code = (
        "import sys, gtn_tf, gtn_tf.nas as nas\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "assert not hasattr(nas, 'no_such_name')\n"
        "assert {'fit', 'keras_tuner', 'load'} <= set(dir(gtn_tf))\n"
        "assert 'rank' in dir(nas)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
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
    assert (scores.best, scores.best_index) == ("wide", 1)
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
        ({"rates": "learned:1,adam:0.1"}, "'learned:1,adam:0.1'"),
        ({"rates": None}, "rates are None"),
        ({"rates": 3}, "rates are 3"),
        ({"seeds": 0}, "at least 1"),
        ({"readout": "loss"}, "accuracy, log_likelihood"),
        ({"statistics": "mine"}, "synthetic, validation"),
        ({"data": {"train": ()}}, "'validation' among them"),
        ({"data": {"validation": None}}, "the splits none"),
        ({"data": 3}, "a int"),
        ({"gtn": None}, "is a NoneType"),
        ({"data": (), "validation": ()}, "both given"),
    ],
)
def test_other_arguments_are_refused(export, arguments, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], **({"gtn": export} | arguments))
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


@pytest.mark.parametrize(
    "builders", [[], build_narrow, 3, {1: build_narrow, "1": build_wide}]
)
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
        (lambda ids: ids.astype(object), "whole numbers"),
        (lambda ids: ids.astype(str), "whole numbers"),
        (lambda ids: ids[:0], "labels of data are int32[0] for 397 images"),
    ],
)
def test_labels_of_validation(export, change, part):
    images, label_ids = data.load("digits").validation
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], export, (images, change(label_ids)))
    assert part in str(caught.value)


def test_validation_without_images(export):
    images, label_ids = data.load("digits").validation
    with pytest.raises(InputError, match=r"uint8\[0, 8, 8, 1\]"):
        gtn_tf.nas.rank([build_narrow], export, (images[:0], label_ids[:0]))


def _export_of(folder, dataset):
    exports.write_export(folder, num_steps=1)
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text()) | {"dataset": dataset}
    path.write_text(json.dumps(metadata))
    return folder


def test_data_that_are_not_here(tmp_path, monkeypatch):
    folder = _export_of(tmp_path / "export", "mnist")
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], folder, data_dir=tmp_path / "none")
    assert str(tmp_path / "none") in str(caught.value)
    assert "--config" not in str(caught.value)
    assert "give data_dir, or data=(" in str(caught.value)


@pytest.mark.parametrize("name", ["gtn_tf.given:arrays_1234", "folder:none"])
def test_data_that_data_dir_does_not_lead_to(tmp_path, name):
    """Arrays of another process, and a folder that is gone."""
    folder = _export_of(tmp_path / "export", name)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.nas.rank([build_narrow], folder)
    assert "data_dir" not in str(caught.value)
    assert "give data=(images, label_ids)" in str(caught.value)


def test_no_score_is_no_best():
    row = ModelScore("a", float("nan"))
    for property_ in ("best", "best_index"):
        with pytest.raises(InputError, match=tiny.ONE_LINE):
            getattr(ModelScores([row], "none"), property_)


def test_a_network_that_the_builder_did_not_make_afresh(export):
    """It is ranked like a fresh one, twice, and stays as it is."""
    network = _normalised(0.9, "softmax")
    kinds = [type(layer) for layer in network._flatten_layers()]
    weights = network.get_weights()
    first, again = (
        gtn_tf.nas.rank([lambda: network], export)[0] for _ in range(2)
    )
    (expected,) = gtn_tf.nas.rank([lambda: _normalised(0.9)], export)
    assert first == again == expected
    assert [type(layer) for layer in network._flatten_layers()] == kinds
    assert network.layers[-1].activation is keras.activations.softmax
    momenta = {
        layer.momentum
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {0.9}
    for kept, value in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, value)
