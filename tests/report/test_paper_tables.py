from pathlib import Path

import pytest

from configs import cifar10_retrain, cifar10_retrain_f128
from gtn_tf.config.choices import SEARCH_STRATEGIES
from gtn_tf.config.evaluator_names import EVALUATORS
from gtn_tf.report.paper_tables import (
    PAPER_ROWS,
    belongs,
    is_paper_scale,
    paper_protocol,
)
from gtn_tf.search_spaces.cells.published_genotypes import published

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
    assert {row.strategy for row in PAPER_ROWS} <= set(SEARCH_STRATEGIES)
    evaluators = {row.evaluator for row in PAPER_ROWS} - {None}
    assert evaluators <= set(EVALUATORS)


def _result(
    name="mine", cutout=0, channels=36, evaluator=None, strategy=None, **more
):
    search = evaluator and {"evaluator": evaluator}
    if strategy:
        search = {**search, "strategy": strategy}
    return {
        "genotype_name": name,
        "search": search,
        "cutout": cutout,
        "channels": channels,
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
        (_result(evaluator="ghn"), ["GHN Top"]),
        (
            _result(evaluator="real:epochs=20", strategy="reinforce"),
            ["NASNet-A"],
        ),
        (
            _result(cutout=16, evaluator="real", strategy="evolution"),
            ["AmoebaNet-B + Cutout"],
        ),
        (_result(evaluator="gtn", strategy="evolution"), []),
        (_result(evaluator="params", strategy="enas"), ["ENAS"]),
        # A pick of a search, whatever it may happen to be called.
        (_result("NASNet-A", evaluator="gtn"), ["Random search + GTN"]),
        (_result("NASNet-A", search={"evaluator": None}), []),
    ],
)
def test_where_a_training_belongs(result, rows):
    assert _rows_of(result) == rows


@pytest.mark.parametrize(
    ("module", "model"),
    [
        (cifar10_retrain, "Random search + GTN + Cutout"),
        (cifar10_retrain_f128, "Random search + GTN + Cutout (F=128)"),
    ],
)
def test_the_configs_have_the_papers_protocol(module, model):
    config = module.get_config()
    result = {
        **config.retrain.to_dict(),
        "dataset": config.dataset.name,
        "precision": config.precision,
    }
    protocol = paper_protocol(_ROWS[model])
    assert {key: result[key] for key in protocol} == protocol
    assert is_paper_scale(_ROWS[model], result)
    # Method, section 6; by hand, so that the two cannot err alike.
    assert protocol == {
        "dataset": "cifar10",
        "use_validation": True,
        "num_epochs": 600,
        "batch_size": 128,
        "learning_rate": 0.025,
        "momentum": 0.9,
        "global_clipnorm": 5.0,
        "auxiliary_weight": 0.4,
        "dropout_keep": 0.6,
        "precision": "float32",
        "num_cells": 6,
        "cutout": 16,
        **(
            {"channels": 128, "weight_decay": 5e-4, "drop_path_keep": 0.7}
            if "128" in model
            else {"channels": 36, "weight_decay": 3e-4, "drop_path_keep": 0.8}
        ),
    }


@pytest.mark.parametrize("key", paper_protocol(_ROWS["NASNet-A"]))
def test_another_protocol_is_not_the_papers(key):
    row = _ROWS["NASNet-A"]
    result = paper_protocol(row)
    assert result["cutout"] == 0
    assert is_paper_scale(row, result)
    assert not is_paper_scale(row, {**result, key: 8})


@pytest.mark.parametrize("row", [r for r in PAPER_ROWS if r.genotype])
def test_published_cells_have_the_size_that_the_counts_are_of(row):
    text = (Path(__file__).parents[2] / "docs/architectures.md").read_text()
    assert f"| {row.genotype} | {row.num_cells} | {row.channels} |" in text
