"""Guides compare architectures by the same random numbers and images."""

import numpy as np
import pytest

from gtn_tf.nas.evaluators import zero_cost
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.training import Trainer
from gtn_tf.nas.worker import Worker
from gtn_tf.search_spaces.cells.space import SearchSpace
from tests.helpers import tiny

_TEXTS = [SearchSpace(1).sample((0, i)).to_text() for i in range(2)]
_GUIDE, _TRUTH = "real:steps=2", "real:steps=1"
_ACCURACY = f"{_GUIDE},readout=accuracy"


def _worker(**search):
    config = tiny.get_config()
    given = {
        "evaluators": (_GUIDE, _ACCURACY),
        "truth": _TRUTH,
        "num_nodes": 1,
        "interpret": False,
        "num_cells": 0,
        "channels": 2,
        "truth_batch_size": 20,
        **search,
    }
    with config.ignore_type():
        config.search.update(given)
    return Worker(search_spec(config))


def _do(worker, text, evaluator):
    job = {"genotype": text, "evaluator": evaluator, "seed": 0}
    return worker.do({**job, "teacher": None})


class _Seen:
    """What trainings began with: seed, values of the stem, first batch."""

    def __init__(self, monkeypatch):
        self.seeds, self.stems, self.images = [], [], []
        initial_state, train = Trainer.initial_state, Trainer.train

        def begin(trainer, seed, *more):
            state = initial_state(trainer, seed, *more)
            self.seeds.append(tuple(seed.numpy()))
            self.stems.append(state.params[0].numpy())
            return state

        def go_on(trainer, state, batches, looks):
            batches = list(batches)
            self.images.append(batches[0].images.numpy())
            return train(trainer, state, iter(batches), looks)

        monkeypatch.setattr(Trainer, "initial_state", begin)
        monkeypatch.setattr(Trainer, "train", go_on)


def test_all_architectures_begin_alike(monkeypatch):
    seen = _Seen(monkeypatch)
    worker = _worker()
    for text in _TEXTS:
        _do(worker, text, _GUIDE)
    assert seen.seeds[0] == seen.seeds[1]
    np.testing.assert_array_equal(*seen.stems)
    np.testing.assert_array_equal(*seen.images)


def test_the_truth_has_luck_of_its_own(monkeypatch):
    seen = _Seen(monkeypatch)
    worker = _worker()
    for text in _TEXTS:
        _do(worker, text, _GUIDE)
        _do(worker, text, _TRUTH)
    guide, truth, _, other_truth = seen.seeds
    assert len({guide, truth, other_truth}) == 3


def test_each_from_a_seed_of_its_own(monkeypatch):
    seen = _Seen(monkeypatch)
    worker = _worker(common_random_numbers=False)
    for text in _TEXTS:
        _do(worker, text, _GUIDE)
    assert seen.seeds[0] != seen.seeds[1]
    assert (seen.stems[0] != seen.stems[1]).any()
    assert (seen.images[0] != seen.images[1]).any()


@pytest.mark.parametrize("is_common", [False, True])
def test_proxies_are_not_of_the_values_that_the_truth_trains(
    monkeypatch, is_common
):
    drawn = {}
    fresh_values, initial_state = zero_cost.fresh_values, Trainer.initial_state

    def fresh(model, seed):
        drawn["proxy"] = seed.numpy().tolist()
        return fresh_values(model, seed)

    def begin(trainer, seed, *more):
        drawn["truth"] = seed.numpy().tolist()
        return initial_state(trainer, seed, *more)

    monkeypatch.setattr(zero_cost, "fresh_values", fresh)
    monkeypatch.setattr(Trainer, "initial_state", begin)
    worker = _worker(evaluators=("naswot",), common_random_numbers=is_common)
    for name in ("naswot", _TRUTH):
        _do(worker, _TEXTS[0], name)
    assert drawn["proxy"] != drawn["truth"]
    # So are what older versions kept and what this one does.
    budget = worker.evaluators["naswot"].budget()
    assert ("values" in budget) == (not is_common)


def test_only_the_first_images_are_read():
    read = [
        _do(_worker(num_validation_images=n), _TEXTS[0], _ACCURACY)["score"]
        for n in (7, 397, None)
    ]
    assert read[1] == read[2]
    rights = np.array(read[:2]) * (7, 397)
    np.testing.assert_allclose(rights, rights.round(), atol=1e-4)
    assert read[0] != read[1]  # 397 is no multiple of 7
    worker = _worker(num_validation_images=7)
    truth = worker.evaluators[_TRUTH]
    assert "num_validation_images" not in truth.budget()


def test_results_do_not_mix():
    budgets = [
        _worker(**search).evaluators[name].budget()
        for search in (
            {"common_random_numbers": False},
            {},
            {"num_validation_images": 7},
        )
        for name in (_GUIDE, _TRUTH)
    ]
    guides, truths = budgets[::2], budgets[1::2]
    assert guides[0] != guides[1] != guides[2] != guides[0]
    assert truths[0] == truths[1] == truths[2]
    # As results of old are named.
    assert "common_seed" not in guides[0]


def test_what_draws_nothing_keeps_its_results():
    old, new = (
        _worker(evaluators=(_GUIDE, "params", "naswot"), **search).evaluators
        for search in ({"common_random_numbers": False}, {})
    )
    same = {name for name in old if old[name].budget() == new[name].budget()}
    assert same == {"params", _TRUTH}
