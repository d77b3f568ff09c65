import pytest

from gtn_tf.nas.paper_tables import PAPER_ROWS, belongs, is_paper_scale
from gtn_tf.nas.published_genotypes import published

_ROWS = {row.model: row for row in PAPER_ROWS}


def test_the_numbers_that_the_paper_claims():
    gtn = _ROWS["Random search + GTN + Cutout (F=128)"]
    assert (gtn.test_error, gtn.test_error_std) == (2.42, 0.03)
    assert (gtn.params, gtn.gpu_days) == ("97.9M", 0.67)
    assert len(PAPER_ROWS) == len(_ROWS) == 17
    assert sum(row.is_random for row in PAPER_ROWS) == 8


def test_rows_name_published_genotypes():
    named = {row.genotype for row in PAPER_ROWS} - {None}
    assert named <= set(published())
    assert not any(row.genotype and row.evaluator for row in PAPER_ROWS)


def _result(name="mine", cutout=0, channels=36, evaluator=None, **more):
    return {
        "genotype_name": name,
        "search": evaluator and {"evaluator": evaluator},
        "cutout": cutout,
        "channels": channels,
        "dataset": "cifar10",
        "num_epochs": 600,
        "num_cells": 6,
        "batch_size": 128,
        **more,
    }


def _rows_of(result):
    return [row.model for row in PAPER_ROWS if belongs(row, result)]


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        (_result("NASNet-A"), ["NASNet-A"]),
        (_result("NASNet-A", cutout=16), []),
        (_result("NAONet-B"), ["NAONet-WS"]),
        (_result("NAONet-B", cutout=8), ["NAONet-WS + Cutout"]),
        (_result("AmoebaNet-B", 16, 8), ["AmoebaNet-B + Cutout"]),
        (_result("GTN-fixed", 16), []),
        (_result(), []),
        (_result(evaluator="gtn"), ["Random search + GTN"]),
        (_result(evaluator="gtn", channels=8), ["Random search + GTN"]),
        (_result(cutout=8, evaluator="gtn"), ["Random search + GTN + Cutout"]),
        (
            _result(cutout=16, channels=128, evaluator="real"),
            ["Random search + real data + Cutout (F=128)"],
        ),
        (_result(evaluator="real:epochs=3"), ["Random search + real data"]),
        (_result(evaluator="params"), []),
        # A pick of a search, whatever it may happen to be called.
        (_result("NASNet-A", evaluator="gtn"), ["Random search + GTN"]),
        (_result("NASNet-A", search={"evaluator": None}), []),
    ],
)
def test_where_a_training_belongs(result, rows):
    assert _rows_of(result) == rows


@pytest.mark.parametrize(
    ("changed", "suits"),
    [
        ({}, True),
        ({"num_epochs": 2}, False),
        ({"num_cells": 1}, False),
        ({"dataset": "cifar10_16"}, False),
        ({"channels": 8}, False),
    ],
)
def test_what_the_papers_scale_is(changed, suits):
    row = _ROWS["NASNet-A"]
    assert is_paper_scale(row, _result("NASNet-A", **changed)) == suits
