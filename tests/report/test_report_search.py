import json

import numpy as np
import pytest

from gtn_tf.figures import search as search_figures
from gtn_tf.nas.results import read_search
from gtn_tf.report import write as report
from gtn_tf.report.results import read_results
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.finished_search import (
    KEYS,
    SCORES,
    TRUTH,
    put_results,
    write_search,
)
from tests.helpers.report_workdirs import Page, changed, write_workdir

_MINUS = "\u2212"


@pytest.fixture
def workdir(tmp_path):
    return write_workdir(tmp_path / "run")


def _page(workdir):
    return Page(report.build_page(read_results(workdir)))


def _change(workdir, path, value):
    """Changes a value of ranking.json."""
    file = workdir / "search" / "ranking.json"
    ranked = changed(json.loads(file.read_text()), path, value)
    file.write_text(json.dumps(ranked))


def _two(value, sign=""):
    return f"{value:{sign}.2f}".replace("-", _MINUS)


def test_the_head_of_a_search_alone_says_how_it_drew(workdir):
    write_search(workdir)
    assert "Architectures, drawn at random, were" in _page(workdir).text
    numbers = {"num_proposals": 7, "num_different": 6}
    _change(workdir, ["strategy"], {"name": "darts", **numbers})
    told = "Architectures, among 7 proposals of the strategy darts, were"
    assert told in _page(workdir).text


def test_numbers_of_the_ranking(workdir):
    ranked = write_search(workdir)
    found = _page(workdir)
    row = ranked["evaluators"]["gtn"]
    low, high = row["spearman_ci95"]
    assert found.row("gtn")[1:] == [
        _two(row["spearman"]),
        f"[{_two(low)}, {_two(high)}]",
        "",
        _two(row["kendall"]),
        _two(row["spearman_top_half"]),
        f"{100 * row['precision_at_10']:.0f} %",
        f"{100 * row['best_of_top_5']:.2f} %",
        "250 ms",
        "77.8 s",
    ]
    # Neither seconds nor, of constant scores, coefficients.
    assert found.row("params")[-2:] == ["-", "-"]
    assert found.row("flat")[1:6] == ["-", "-", "", "-", "-"]
    assert found.row("flat")[-2:] == ["500 ms", "0 s"]
    assert "12 architectures" in found.text
    assert (
        f"{TRUTH}, whose score counts as the truth and takes 8.00 s each"
        in (found.text)
    )
    assert "chance gives 83 %" in found.text


def test_differences_have_verdicts(workdir):
    ranked = write_search(workdir)
    difference = ranked["differences"]["gtn - params"]
    low, high = difference["ci95"]
    found = _page(workdir).row(f"gtn {_MINUS} params")
    assert found[2:] == [
        _two(difference["spearman"], "+"),
        f"[{_two(low, '+')}, {_two(high, '+')}]",
        "",
    ]
    card = _page(workdir).cards["Against params"]
    assert card.startswith(f"{_two(difference['spearman'], '+')} Spearman")
    _change(workdir, ["differences", "gtn - params", "ci95"], [0.01, 0.5])
    changed = _page(workdir)
    assert changed.row(f"gtn {_MINUS} params")[1] == "better"
    found = changed.row(f"gtn {_MINUS} flat")
    assert found[1:] == ["no difference shown", "-", "-", ""]


def test_the_headline(workdir):
    ranked = write_search(workdir)
    found = _page(workdir)
    row, selected = ranked["evaluators"]["gtn"], ranked["selected"]
    card = found.cards["Rank correlation"]
    assert card.startswith(f"{_two(row['spearman'])}gtn, over 12 architectures")
    card = found.cards["Selected by gtn"]
    assert card.startswith(f"{100 * selected['truth']:.2f} %")
    assert card.endswith(f"{100 * max(SCORES[TRUTH].values()):.2f} %")


def test_a_search_alone_is_what_the_header_speaks_of(workdir):
    write_search(workdir)
    found = _page(workdir)
    assert "Architecture search on digits" in found.text
    assert "A search over 12 architectures by 3 evaluators" in (found.text)
    assert "meta-loss" not in found.text.split("How to read this")[0]
    assert found.sections[0] == "search"
    assert "meta-training" not in found.sections
    assert "time of meta-training" not in found.cards
    assert "--mode=search" in found.command


def test_the_selected_cells_are_drawn(workdir):
    ranked = write_search(workdir)
    results = read_results(workdir)
    text = ranked["selected"]["genotype"]
    genotype = Genotype.from_text(text)
    assert results.search.selected == genotype
    page = report.build_page(results)
    assert f">{text}</pre>" in page
    for kind in ("normal", "reduction"):
        begin = page.index(f'aria-label="Diagram of the {kind} cell"')
        drawing = page[begin : page.index("</svg>", begin)]
        for edge in getattr(genotype, kind).edges:
            assert f">{edge.op}<" in drawing


def test_nothing_selected(workdir):
    write_search(workdir)
    _change(workdir, ["selected"], None)
    found = _page(workdir)
    assert "No architecture was selected" in found.text
    assert "Selected by gtn" not in found.cards


def test_an_architecture_of_another_space_is_named(workdir):
    ranked = write_search(workdir)
    ranked["config"] = {"search": {"space": "mine:space"}}
    ranked["selected"]["genotype"] = "|a~0|+<b>"
    (workdir / "search" / "ranking.json").write_text(json.dumps(ranked))
    found = _page(workdir)
    assert "|a~0|+<b>" in found.text
    assert "all failed" not in found.text


def test_the_scatter_is_of_the_results(workdir, monkeypatch):
    drawn, scatter = [], search_figures.scatter_panel
    monkeypatch.setattr(
        search_figures,
        "scatter_panel",
        lambda *given: drawn.append(scatter(*given)) or drawn[-1],
    )
    write_search(workdir)
    # Of an earlier search: with another budget, by another GTN.
    put_results(workdir, TRUTH, dict.fromkeys(KEYS, 0.1), budget={"steps": 9})
    put_results(workdir, "gtn", dict.fromkeys(KEYS, 0.1), gtn_digest="34cd")
    _page(workdir)
    points = drawn[0].axes[0].collections[0].get_offsets().data
    expected = [(SCORES["gtn"][k], SCORES[TRUTH][k]) for k in KEYS[1:]]
    np.testing.assert_allclose(sorted(points.tolist()), sorted(expected))


@pytest.mark.parametrize("keep", [0, 9])
def test_scores_that_are_not_the_ranking_s_are_not_drawn(workdir, keep):
    """Fewer than were ranked, or those of more architectures."""
    write_search(workdir, num_architectures=9)
    assert read_search(workdir).scores is not None
    if keep:
        put_results(workdir, TRUTH, dict.fromkeys(KEYS[keep:], 0.5))
    else:
        next((workdir / "search" / "results").glob("*.json")).unlink()
    assert read_search(workdir).scores is None
    page = report.build_page(read_results(workdir))
    assert "The scores are not drawn" in page
    assert "Scatter chart" not in page


def test_a_truth_that_is_no_share(workdir):
    write_search(workdir)
    _change(workdir, ["truth", "best"], 93.25)
    _change(workdir, ["evaluators", "gtn", "best_of_top_5"], 92.123456)
    assert _page(workdir).row("gtn")[7] == "92.12"


def test_a_search_without_truths(workdir):
    write_search(workdir, num_architectures=0)
    _change(workdir, ["selected"], None)
    found = _page(workdir)
    assert found.row("gtn")[1:8] == ["-", "-", "", *["-"] * 4]
    assert found.cards["Rank correlation"].startswith("-")


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        (["evaluators"], {}, "no evaluators"),
        (["evaluators", "gtn", "kendall"], KeyError, "evaluators.gtn.kendall"),
        (["evaluators", "gtn", "spearman_ci95"], [0], "gtn.spearman_ci95"),
        (["evaluators", "gtn", "setup_seconds"], "1", "gtn.setup_seconds"),
        (["truth", "evaluator"], 3, "'truth.evaluator'"),
        (["num_architectures"], None, "'num_architectures'"),
        (["differences", "gtn - params"], 3, "differences.gtn - params"),
        (["selected"], KeyError, "'selected'"),
        (["selected", "genotype"], None, "'selected'"),
        (["selected", "genotype"], "conv9x9@0", "'selected.genotype'"),
    ],
    ids=str,
)
def test_a_damaged_ranking_is_one_line(workdir, path, value, part):
    write_search(workdir)
    _change(workdir, path, value)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        report.report(tiny.get_config(), workdir)
    assert "ranking.json' is damaged" in str(caught.value)
    assert part in str(caught.value)
    assert not (workdir / "report.html").exists()


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_a_damaged_result_is_one_line(workdir, content):
    write_search(workdir)
    path = next((workdir / "search" / "results").glob("*.json"))
    path.write_text(content)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        report.report(tiny.get_config(), workdir)
    assert path.name in str(caught.value)


def test_the_report_changes_nothing(workdir):
    write_search(workdir)
    before = {p: p.stat().st_mtime_ns for p in workdir.rglob("*")}
    read_results(workdir)
    assert {p: p.stat().st_mtime_ns for p in workdir.rglob("*")} == before
