"""A strategy with a guide, then the truth of its best: by the command line."""

import json
import signal

import pytest

from gtn_tf.nas.results import read_search
from gtn_tf.report import write as report
from gtn_tf.report.results import read_results
from gtn_tf.retrain.genotype import find_genotype
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.search_spaces.nb201.space import NB201
from gtn_tf.statistics.picks import best_keys
from gtn_tf.types import InputError
from tests.helpers import nb201, search_runs, tiny
from tests.helpers.report_workdirs import Page

_SPACE = NB201()
_N = 40
_SEARCH = {
    **{"space": "nb201", "num_cells": 1, "channels": 2},
    **{"strategy": "evolution", "num_architectures": _N},
    **{"evolution.population": 8, "evolution.sample": 4, "select_top": 3},
    **{"guide": "params", "truth": "table"},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "nb201_val_accs.csv"
    nb201.write_table(path)
    return path


def _search(workdir, hook=None, **changes):
    given = [
        f"--config.search.{name}={value}"
        for name, value in {**_SEARCH, **changes}.items()
    ]
    return tiny.run_main(
        workdir, "--mode=search", *given, config=search_runs.__file__, hook=hook
    )


def _scores(workdir):
    return {
        key: result["score"]
        for key, result in JobStore(workdir / "search/results").all().items()
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory, table):
    workdir = tmp_path_factory.mktemp("done")
    found = _search(workdir, table=table)
    assert found.code == 0, found
    return workdir


def test_the_best_by_the_guide_get_their_truth_and_it_selects(done):
    results = JobStore(done / "search" / "results").all().values()
    by_guide = {
        r["genotype_key"]: r["score"]
        for r in results
        if r["evaluator"] == "params"
    }
    by_truth = {
        r["genotype_key"]: r["score"]
        for r in results
        if r["evaluator"] == "table"
    }
    assert set(by_truth) == set(best_keys(by_guide, 3))
    ranking = json.loads((done / "search" / "ranking.json").read_text())
    assert ranking["strategy"] == {
        "name": "evolution",
        "adapts": True,
        "guide": "params",
        "num_proposals": _N,
        "num_different": len(by_guide),
    }
    assert len(by_guide) < _N  # repeats cost nothing
    assert set(ranking["keys"][:3]) == set(by_truth)
    assert sorted(ranking["keys"]) == sorted(by_guide)
    assert ranking["found_seconds"] > 0  # of proposing
    (best,) = best_keys(by_truth, 1)
    selected = ranking["selected"]
    assert (selected["key"], selected["truth"]) == (best, by_truth[best])
    accuracies = nb201.accuracies()
    cell = _SPACE.canonical(_SPACE.from_text(selected["genotype"]))
    assert accuracies[cell] == by_truth[best]
    assert (done / "search" / "selected.png").stat().st_size > 1000


def test_killed_twice_it_is_the_same_search(done, table, tmp_path):
    for number in (5, 17):
        hook = search_runs.SignalAfter(number, signal.SIGKILL)
        found = _search(tmp_path, hook, table=table)
        assert found.code == -signal.SIGKILL
    found = _search(tmp_path, table=table)
    assert found.code == 0, found
    assert _scores(tmp_path) == _scores(done)
    text = "search/selected.json"
    assert (tmp_path / text).read_text() == (done / text).read_text()


def test_the_report_draws_it_and_retraining_refuses_it(done):
    found = read_search(done)
    assert found.space == "nb201"
    text = found.ranking["selected"]["genotype"]
    assert _SPACE.to_text(found.selected) == text
    built = str(report.build_page(read_results(done)))
    page = Page(built)
    assert f"among {_N} proposals of the strategy evolution" in page.text
    assert "the 3 best of them by table" in page.text
    assert text in page.text
    assert "Diagram of the selected cell" in built
    with pytest.raises(InputError, match="space 'nb201'") as caught:
        find_genotype(f"search:{done}")
    assert caught.match(tiny.ONE_LINE)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"guide": "flops", "truth": "flops"}, ("'flops' is search.truth",)),
        ({"guide": "{table}"}, ("'table' is", "costs less")),
        ({"num_shards": 2}, ("search.guide 'params'", "executor=ray")),
        ({"truth": "{half}"}, ("no row of", "--config.search.truth")),
        ({"table": None}, ("without search.table",)),
        ({"num_cells": 0}, ("N=0", "search.num_cells")),
    ],
)
def test_errors_are_one_line(table, tmp_path, changes, parts):
    half = tmp_path / "half.csv"
    half.write_text("\n".join(table.read_text().splitlines()[:3]))
    paths = {"table": f"table:{table}", "half": f"table:{half}"}
    given = {
        name: value.format(**paths) if isinstance(value, str) else value
        for name, value in {"table": table, **changes}.items()
        if value is not None
    }
    done = _search(tmp_path / "w", select_top=40, **given)
    lines = done.errors.splitlines()
    assert done.code == 2, done
    (line,) = (line for line in lines if line.startswith("error: "))
    assert line.count(";") >= 2
    for part in parts:
        assert part in line
