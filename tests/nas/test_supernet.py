"""Weights that all architectures share: their steps, scores and training."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets.batches import normalize
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.nas import weight_training
from gtn_tf.nas.mixed_training import find as find_by_darts
from gtn_tf.nas.strategies.darts import Darts
from gtn_tf.nas.supernets import Supernet
from gtn_tf.nas.weight_training import load_source, prepare_source
from gtn_tf.nas.worker import Worker
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.nb201.genotypes import EDGES, OPS
from gtn_tf.types import InputError, LearnerState, SyntheticData
from tests.helpers import nb201_search, tiny
from tests.helpers.float_tolerance import assert_close

_CELL = (*OPS[1:], "nor_conv_3x3", "nor_conv_1x1")
_OTHER = ("nor_conv_3x3", *_CELL[1:])
#: Three cells, each with statistics of a batch of 12 images of 8x8.
_NUM_ROUNDINGS = 3 * 12 * 64


@pytest.fixture(scope="module")
def session():
    return nb201_search.session()


@pytest.fixture(scope="module")
def shared(session):
    return session.space.shared_weights(session.network("search"))


@pytest.fixture
def supernet(session, shared):
    return Supernet(shared, session.data.validation, root_seed(7))


def _batches(session, count):
    for number in range(count):
        images, labels = session.training_images(
            np.arange(20 * number, 20 * number + 20)
        )
        rates = {"learning_rate": 0.1, "momentum": 0.9}
        yield SyntheticData(
            images, labels, {k: tf.constant(v) for k, v in rates.items()}
        )


def test_a_path_is_trained_as_its_own_network(session, shared, supernet):
    before = [value.numpy() for value in supernet.params]
    learner = Learner("alone", shared.init, shared.apply)
    state = supernet.path(shared.encode(_CELL))
    state = LearnerState([tf.identity(v) for v in state.params], *state[1:])
    step = tf.function(
        lambda s, d: inner_step(learner, SGD, s, d), autograph=False
    )
    for data in _batches(session, 3):
        state = step(state, data)
        supernet.train(_CELL, data)
    together = supernet.path(shared.encode(_CELL))
    for values in ("params", "slots"):
        pairs = getattr(state, values), getattr(together, values)
        for alone, own in zip(*pairs, strict=True):
            np.testing.assert_array_equal(alone, own)
    used = set(
        np.arange(len(EDGES)) * len(OPS) + shared.encode(_CELL)[0].numpy()
    )
    num_of_edges = 0
    rows_of = shared.rows(shared.encode(_CELL))
    for variable, old, slot, rows in zip(
        supernet.params, before, supernet.slots, rows_of, strict=True
    ):
        if rows is None:
            continue
        num_of_edges += 1
        others = sorted(set(range(len(EDGES) * len(OPS))) - used)
        np.testing.assert_array_equal(variable.numpy()[others], old[others])
        assert not slot.numpy()[others].any()
        assert (variable.numpy() != old).any()
    assert num_of_edges == 3


def test_mixing_one_operation_is_its_path(session, shared, supernet):
    encoded = shared.encode(_CELL)
    images, _ = session.training_images(np.arange(12))
    state = supernet.path(encoded)
    expected, _ = shared.apply(state.params, state.statistics, images, True)
    shares = tf.one_hot(encoded[0], len(OPS))
    params = [tf.convert_to_tensor(v) for v in supernet.params]
    found = shared.mix(params, state.statistics[1:], shares, images)
    assert_close(found, expected, _NUM_ROUNDINGS)
    assert shared.derive(shares.numpy()) == _CELL


def test_scores_do_not_depend_on_each_other(session, shared, supernet):
    first = [supernet.score(cell) for cell in (_CELL, _OTHER)]
    for data in _batches(session, 1):
        assert supernet.score(_OTHER) == first[1]
        assert supernet.score(_CELL) == first[0]
        supernet.train(_CELL, data)
    assert supernet.score(_CELL) != first[0]
    # All that reaches no output is chance, whatever the batch.
    dead = supernet.score(("none",) * 6)
    assert dead == pytest.approx(0.1, abs=0.05)


def test_readouts_are_those_of_the_logits(session, shared, supernet):
    real = session.data.validation
    assert len(real.images) < 500  # one batch, normalised by itself
    images = normalize(real.images, real.mean, real.std)
    state = supernet.path(shared.encode(_CELL))
    logits, _ = shared.apply(state.params, state.statistics, images, True)
    logits, ids = np.float64(logits), real.label_ids.numpy()
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    found = supernet.read(_CELL)
    np.testing.assert_allclose(
        found["log_likelihood"], logits[np.arange(len(ids)), ids].mean(), 1e-5
    )
    right = (logits.argmax(-1) == ids).mean()
    assert found["accuracy"] == pytest.approx(right, abs=2.5 / len(ids))
    assert supernet.score(_CELL) == found["accuracy"]


@pytest.mark.parametrize(
    ("name", "readout", "expected"),
    [
        ("supernet", "accuracy", None),
        ("supernet", "log_likelihood", "log_likelihood"),
        ("supernet", "training_loss_sum", "log_likelihood"),
        ("ghn", "log_likelihood_along", "log_likelihood"),
        ("ghn:readout=accuracy", "log_likelihood", None),
        ("ghn:readout=log_likelihood", "accuracy", "log_likelihood"),
    ],
)
def test_the_readout_names_results_but_for_accuracy(name, readout, expected):
    asked = {"search__evaluators": (name,), "search__readout": readout}
    spec = nb201_search.session(**asked).spec
    evaluator = Worker(spec).evaluators[name]
    assert evaluator.budget().get("readout") == expected
    assert evaluator.readout == (expected or "accuracy")


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on(session, tmp_path):
    whole = prepare_source("supernet", session, tmp_path / "whole")
    with (
        nb201_search.killed_in_second_epoch(session),
        pytest.raises(nb201_search.Killed),
    ):
        prepare_source("supernet", session, tmp_path / "killed")
    resumed = prepare_source("supernet", session, tmp_path / "killed")
    assert resumed.digest == whole.digest
    assert resumed.folder.name == whole.folder.name
    assert prepare_source("supernet", session, tmp_path / "killed") == resumed
    assert (
        load_source("supernet", session, whole.folder).digest() == whole.digest
    )
    shutil.rmtree(resumed.folder / "checkpoints")
    with pytest.raises(InputError, match="has not the weights") as caught:
        load_source("supernet", session, resumed.folder)
    assert caught.match(tiny.ONE_LINE)
    rows = [
        tiny.read_rows(p.folder / "metrics.jsonl") for p in (whole, resumed)
    ]
    assert [row["epoch"] for row in rows[0]] == [1, 2]
    for row, other in zip(*rows, strict=True):
        assert row["validation_accuracy"] == other["validation_accuracy"]


def test_a_supernet_of_other_networks_is_refused(session, tmp_path):
    folder = tmp_path / "supernet"
    folder.mkdir()
    settings = weight_training.of_networks(session.spec)
    (folder / "metadata.json").write_text(
        json.dumps({**settings, "digest": "0", "seconds": 1.5})
    )
    path = {"search__supernet__path": str(folder)}
    found = prepare_source("supernet", nb201_search.session(**path), tmp_path)
    assert (found.digest, found.seconds) == ("0", 1.5)
    for changes, part in (
        ({"dataset__name": "mnist"}, "dataset 'digits'; expected 'mnist'"),
        ({"search__space": "cells"}, "space 'nb201'; expected 'cells'"),
        ({"search__channels": 3}, "channels 2; expected 3"),
        ({"dataset__image_size": 4}, "image_size None; expected 4"),
        ({"dataset__max_images": 60}, "max_images None; expected 60"),
    ):
        other = nb201_search.session(**path, **changes)
        with pytest.raises(InputError, match=part) as caught:
            prepare_source("supernet", other, tmp_path)
        assert caught.match(tiny.ONE_LINE)
    (folder / "metadata.json").unlink()
    with pytest.raises(InputError, match="holds no finished") as caught:
        prepare_source("supernet", nb201_search.session(**path), tmp_path)
    assert caught.match(tiny.ONE_LINE)


def test_a_strategy_s_folder_is_no_supernet_but_may_hold_one(tmp_path):
    folder = tmp_path / "enas"
    own = folder / "supernet"
    own.mkdir(parents=True)
    session = nb201_search.session(search__supernet__path=str(folder))
    settings = weight_training.of_networks(session.spec)
    settings |= {"num_epochs": 2, "seconds": 1.5}
    (folder / "metadata.json").write_text(json.dumps(settings))
    for remedy in (
        "correct --config.search.supernet.path$",
        f"set --config.search.supernet.path={own}$",
    ):
        for read in (
            lambda: prepare_source("supernet", session, tmp_path),
            lambda: weight_training.num_epochs_of("supernet", session.spec),
        ):
            with pytest.raises(InputError, match=remedy) as caught:
                read()
            assert caught.match("holds no finished supernet")
            assert caught.match(tiny.ONE_LINE)
        text = json.dumps({**settings, "digest": "0"})
        (own / "metadata.json").write_text(text)
    given = nb201_search.session(search__supernet__path=str(own))
    assert prepare_source("supernet", given, tmp_path).digest == "0"


@pytest.mark.parametrize(
    ("train", "lack"),
    [
        (lambda *a: prepare_source("ghn", *a), "graphs for a hypernetwork"),
        (lambda *a: find_by_darts(Darts(1, False, 0.1), *a), "mix of its"),
    ],
)
def test_what_a_space_lacks_is_one_line(tmp_path, monkeypatch, train, lack):
    session = nb201_search.session(search__space="cells")
    share = SearchSpace.shared_weights

    def share_paths_alone(*arguments):
        return share(*arguments)._replace(mix=None, graphs=None)

    monkeypatch.setattr(SearchSpace, "shared_weights", share_paths_alone)
    message = f"search.space 'cells' has no {lack}"
    with pytest.raises(InputError, match=message) as caught:
        train(session, tmp_path)
    assert caught.match(tiny.ONE_LINE)
