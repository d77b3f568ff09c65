import json

import pytest

from gtn_tf.report.paper_tables import PAPER_ROWS, paper_protocol
from gtn_tf.report.results import read_results
from gtn_tf.report.retrain import retrain_section
from gtn_tf.report.write import build_page
from gtn_tf.types import InputError
from tests.helpers.finished_search import write_search
from tests.helpers.report_workdirs import (
    RETRAINING,
    Page,
    write_retraining,
    write_workdir,
)


def _results(workdir, *trained):
    write_workdir(workdir)
    for result in trained:
        write_retraining(workdir, result)
    return read_results(workdir)


def test_a_pick_of_a_search_stands_beside_its_row(tmp_path):
    found = retrain_section(_results(tmp_path, RETRAINING))
    rows = [r for r in Page(found).tables if r[0] == "Random search + GTN"]
    scale = "cifar10_16, N=1, F=8, 1,000 epochs, Cutout off; not the paper's"
    expected = [
        *("Random search + GTN", "3.84 \u00b1 0.06 %", "8.2M", "0.67"),
        "random by gtn",
        *("31.25 \u00b1 1.25 %", "3", "54,321", "0.1 (2.40 h)"),
        *("0.5 (12.0 h)", scale),
    ]
    assert rows == [expected, expected]  # of both tables


def test_rows_without_ours_are_published_values_only(tmp_path):
    found = retrain_section(_results(tmp_path, RETRAINING))
    rows = [r for r in Page(found).tables if r[0] == "NASNet-A"]
    method = "reinforce by real"
    assert rows == [["NASNet-A", "3.41 %", "3.3M", "2000", method, *"-" * 6]]
    assert found.count('<tr class="absent">') == 7 + 16


def test_what_has_no_row_has_a_table_of_its_own(tmp_path):
    other = {
        **RETRAINING,
        "name": "ours",
        "genotype_name": "GTN-fixed",
        "search": None,
        "seeds": [4],
        "test_error_std": None,
    }
    found = retrain_section(_results(tmp_path, other))
    (row,) = (r for r in Page(found).tables if r[0] == "ours")
    assert row[1:9] == ["-", "-", "-", "-", "31.25 %", "1", "54,321", "-"]
    assert "without a row in the paper" in found


def test_the_papers_scale_is_said(tmp_path):
    (row,) = (r for r in PAPER_ROWS if r.model == "Random search + GTN")
    found = retrain_section(
        _results(tmp_path, {**RETRAINING, **paper_protocol(row)})
    )
    assert "600 epochs, Cutout off; the paper&#39;s" in found


def test_a_workdir_of_trainings_alone_has_a_report(tmp_path):
    page = build_page(_results(tmp_path, RETRAINING))
    assert "<h1>Trained architectures on digits</h1>" in page
    header = page[page.index("<header>") : page.index("</header>")]
    assert "Final trainings of 1 architecture<" in header
    for word in ("GTN", "inner step", "generator", "meta-loss"):
        assert word not in header
    assert "time of meta-training" not in page
    command = page[page.index("<pre") : page.index("</pre>")]
    assert "--mode=retrain" in command


def test_several_things_are_all_in_the_title(tmp_path):
    write_search(tmp_path)
    page = build_page(_results(tmp_path, RETRAINING))
    title = "<h1>Architecture search and trained architectures on digits</h1>"
    assert title in page


def test_nothing_trained_no_section(tmp_path):
    results = _results(tmp_path, RETRAINING)._replace(retrainings=[])
    assert retrain_section(results) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("test_error_mean", None),
        ("test_error_std", "0.1"),
        ("seeds", []),
        ("search", {"evaluator": 3}),
        ("search", 3),
        ("params", None),
        ("name", 3),
    ],
)
def test_a_damaged_result_is_one_line(tmp_path, key, value):
    (tmp_path / "retrain" / "pick").mkdir(parents=True)
    path = tmp_path / "retrain" / "pick" / "result.json"
    path.write_text(json.dumps({**RETRAINING, key: value}))
    with pytest.raises(InputError, match=rf"'{key}' is absent or"):
        _results(tmp_path)
