import numpy as np
import pytest
from PIL import Image

from gtn_tf.figures import search as search_figures
from gtn_tf.statistics.ranking import ranking


def _by_key(values):
    return {f"key{i:02d}": value for i, value in enumerate(values)}


@pytest.fixture
def scores():
    truth = np.linspace(0.5, 0.9, 20)
    gtn = truth + 0.1 * np.cos(7 * np.arange(20))
    return {
        "gtn": _by_key([None, *gtn[1:].tolist()]),
        "params": _by_key([*np.arange(19.0).tolist(), 1e6]),
        "flat": _by_key([1.0] * 20),
        "real": _by_key([*truth[:-1].tolist(), None]),
    }


@pytest.fixture
def found(scores):
    seconds = {"gtn": 2.0, "params": 0.0, "flat": 1.0, "real": 500.0}
    costs = {n: {"seconds_per_architecture": s} for n, s in seconds.items()}
    costs["gtn"]["budget"] = {"readout": "log_likelihood"}
    costs["params"]["budget"] = [{"readout": "log_likelihood"}, {}]
    costs["flat"]["budget"] = {"steps": 3}
    return ranking(scores, "real", costs=costs, num_resamples=100)


def _is_drawn(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return len(np.unique(np.asarray(image.convert("L")))) > 20


def test_scatter(scores, found):
    figure = search_figures.scatter(scores, found)
    gtn, params, flat = (axes for axes in figure.axes if axes.get_visible())
    assert figure.get_figwidth() * 72 == 400  # legible on a phone
    row = found["evaluators"]["gtn"]
    low, high = row["spearman_ci95"]
    title = f"gtn\nSpearman {row['spearman']:.2f} [{low:.2f}, {high:.2f}]"
    assert gtn.get_title() == title
    assert gtn.get_ylabel() == "real: accuracy [%]"
    labels = [axes.get_xlabel() for axes in (gtn, params, flat)]
    assert labels == ["log likelihood", "", ""]
    assert gtn.yaxis.get_major_formatter()(0.875, 0) == "87.5"
    assert flat.get_title() == "flat\nSpearman undefined"
    inside, outside, failed = (
        group.get_offsets().data for group in gtn.collections[:3]
    )
    # 20 architectures less a failure of each side.
    expected = [
        (scores["gtn"][key], scores["real"][key])
        for key in sorted(scores["real"])[1:-1]
    ]
    np.testing.assert_allclose(inside, expected)
    assert len(outside) == 0
    np.testing.assert_allclose(failed, [(inside[:, 0].min(), 0.5)])
    # The outlier's truth failed: params draws 19 within its limits.
    assert len(params.collections[0].get_offsets()) == 19


def test_an_evaluator_that_failed_everywhere_has_its_crosses(scores):
    scores["gtn"] = dict.fromkeys(scores["gtn"])
    found = ranking(scores, "real", num_resamples=20)
    axes = search_figures.scatter(scores, found).axes[0]
    *_, failed = (group.get_offsets().data for group in axes.collections[:3])
    assert len(failed) == 19  # the truth of one failed too


def test_a_truth_that_is_no_share_is_no_accuracy(scores):
    scores["real"] = {key: 30.0 + i for i, key in enumerate(scores["real"])}
    found = ranking(scores, "real", num_resamples=20)
    axes = search_figures.scatter(scores, found).axes[0]
    assert axes.get_ylabel() == "real"


def test_far_scores_go_to_the_edge(scores):
    scores["real"]["key19"] = 0.95
    found = ranking(scores, "real", num_resamples=20)
    params = search_figures.scatter(scores, found).axes[1]
    inside, outside = (g.get_offsets().data for g in params.collections[:2])
    assert len(inside) == 19
    np.testing.assert_allclose(outside, [(18, 0.95)])


def test_the_shade_begins_at_the_median(scores, found):
    shade = search_figures.scatter(scores, found).axes[1].patches[0]
    assert shade.get_x() == 10.0  # 10 of 20 scores are at least 10


def test_cost_curve(found):
    row = found["evaluators"]["gtn"]
    for name, seconds, spearman in (
        ("real", 3.0, row["spearman"] - 0.1),
        ("naswot", None, 0.1),
    ):
        costs = {"seconds_per_architecture": seconds, "spearman": spearman}
        found["evaluators"][name] = {**row, **costs}
    row["setup_seconds"] = 60.0  # 3 s for each of 20
    found["evaluators"]["params"]["spearman"] = 0.05
    figure = search_figures.cost_curve(found)
    axes = figure.axes[0]
    assert axes.get_xlabel() == "Spearman's rank correlation with the truth"
    # flat has no correlation; the cheapest is at the top.
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["naswot", "params", "real", "gtn"]
    beside = [t.get_text() for t in axes.child_axes[0].get_yticklabels()]
    assert beside == ["-", "0 s", "3.00 s", "5.00 s"]
    bars = {bar.get_label(): bar for bar in axes.containers}
    point, _, (interval,) = bars["gtn"].lines
    assert point.get_xydata().tolist() == [[row["spearman"], 3]]
    np.testing.assert_allclose(
        interval.get_segments()[0][:, 0], row["spearman_ci95"]
    )
    # Those that rank better than all that cost less.
    filled = [
        name
        for name, bar in bars.items()
        if bar.lines[0].get_markerfacecolor() != "none"
    ]
    assert filled == ["naswot", "real", "gtn"]
    found["evaluators"]["gtn"]["spearman"] -= 0.2
    again = search_figures.cost_curve(found).axes[0].containers[-1]
    assert again.get_label() == "gtn"
    assert again.lines[0].get_markerfacecolor() == "none"
    note = " ".join(figure.get_supxlabel().split())
    assert note.endswith("Truth: real, 8.33 min each.")


def test_long_names_are_cut():
    assert search_figures.short("real:steps=128") == "real:steps=128"
    assert search_figures.short("table:/a/b/scores.csv") == "table:scores"
    cut = search_figures.short("table:/a/" + "scores" * 9)
    assert cut == "table:scoresscoresscore\u2026"
    assert search_figures.short("a$b$") == r"a\$b\$"


def test_files(tmp_path, scores, found):
    search_figures.save_scatter(tmp_path / "s.png", scores, found, "a search")
    search_figures.save_cost_curve(tmp_path / "c.png", found, "a search")
    assert _is_drawn(tmp_path / "s.png")
    assert _is_drawn(tmp_path / "c.png")


def test_figures_of_nothing(tmp_path):
    scores = {name: _by_key([None, None]) for name in ("gtn", "real")}
    found = ranking(scores, "real")
    search_figures.save_scatter(tmp_path / "s.png", scores, found, "empty")
    search_figures.save_cost_curve(tmp_path / "c.png", found, "empty")
    assert _is_drawn(tmp_path / "s.png")
    assert _is_drawn(tmp_path / "c.png")
