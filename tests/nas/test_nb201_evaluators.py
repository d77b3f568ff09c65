"""Evaluators of NAS-Bench-201's cells: tables, counts, trained networks."""

import csv

import numpy as np
import pytest

from gtn_tf.nas.evaluators.table import read_scores
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.worker import Worker
from gtn_tf.search_spaces.nb201.space import NB201
from gtn_tf.types import InputError
from tests.helpers import exports, nb201, tiny

_SPACE = NB201()
_BEST, _DEAD = (
    _SPACE.from_text(text) for text in ("(2,3,0,2,3,2)", "(1,1,1,0,0,0)")
)


def _worker(*evaluators, truth="flops", **search):
    config = tiny.get_config()
    config.inner.num_steps = 3
    given = {
        **{"space": "nb201", "num_cells": 1, "channels": 2},
        **{"evaluators": evaluators, "truth": truth, "truth_batch_size": 20},
    }
    with config.ignore_type():
        config.search.update({**given, **search})
    return Worker(search_spec(config))


def _do(worker, evaluator, cell=_BEST, teacher=None):
    return worker.do(
        {
            "genotype": _SPACE.to_text(cell),
            "evaluator": evaluator,
            "seed": 0,
            "teacher": teacher,
        }
    )


def test_the_published_table_is_read_as_it_is(tmp_path):
    nb201.write_table(tmp_path / "nb201_val_accs.csv")
    scores = read_scores(tmp_path / "nb201_val_accs.csv", _SPACE)
    assert len(scores) == 9445
    path = str(tmp_path / "nb201_val_accs.csv")
    worker = _worker("table", table=path)
    assert _do(worker, "table", _BEST)["score"] == 91.57
    assert _do(worker, "table", _DEAD)["score"] == 10.0
    budget = worker.evaluators["table"].budget()
    other = f"table:{path}"
    assert _worker(other).evaluators[other].budget() == budget


def test_any_column_of_a_table(tmp_path):
    path = tmp_path / "zc.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("net", "net_str", "zen", "synflow"))
        text = _SPACE.to_text(_BEST)
        writer.writerow(("(0, 0, 0, 0, 0, 0)", text, 3.5, 7))
    for column, score in (("zen", 3.5), ("synflow", 7.0)):
        name = f"table:{path}:{column}"
        assert _do(_worker(name), name)["score"] == score
    for column, parts in ((":nwot", "zen, synflow.*nwot"), ("", "score")):
        name = f"table:{path}{column}"
        with pytest.raises(InputError, match=parts) as caught:
            _worker(name)
        assert caught.match(tiny.ONE_LINE)
    name = f"table:{path}:zen"
    with pytest.raises(InputError, match="no row of") as caught:
        _do(_worker("params", truth=name), name, _DEAD)
    assert caught.match(tiny.ONE_LINE)
    with pytest.raises(LookupError):
        _do(_worker(name), name, _DEAD)


def test_without_a_table_it_is_one_line():
    with pytest.raises(InputError, match=r"search\.table") as caught:
        _worker("table")
    assert caught.match(tiny.ONE_LINE)


def test_scores_without_training():
    names = ("params", "flops", "naswot", "synflow", "grad_norm", "jacob_cov")
    worker = _worker(*names)
    scores = {name: _do(worker, name)["score"] for name in names}
    small = _SPACE.from_text("(3,1,1,3,1,3)")
    for name in ("params", "flops", "synflow"):
        assert _do(worker, name, small)["score"] < scores[name]
    # No finite score is a failure, which ranks last.
    assert _do(worker, "synflow", _DEAD)["score"] == -np.inf


@pytest.mark.slow
def test_trained_networks_interpreted_and_built(tmp_path):
    teacher = str(exports.write_export(tmp_path / "export"))
    names = ("gtn", "real:steps=3", "real_subset:steps=3")
    for interpret in (True, False):
        worker = _worker(
            *names,
            truth="real:steps=2",
            interpret=interpret,
            num_architectures=2,
        )
        for cell in (_BEST, _DEAD):
            for name in (*names, "real:steps=2"):
                found = _do(worker, name, cell, teacher)
                if name == "real:steps=2":  # the truth, an accuracy
                    assert 0 <= found["score"] <= 1
                else:
                    assert -10 < found["score"] < 0
                assert "setup" not in found["seconds"]
