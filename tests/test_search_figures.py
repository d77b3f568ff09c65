import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gtn_tf import search_figures
from gtn_tf.nas.ranking import ranking


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
    return ranking(
        scores,
        "real",
        costs={n: {"seconds_per_architecture": s} for n, s in seconds.items()},
        num_resamples=100,
    )


@pytest.fixture
def drawn(monkeypatch):
    """Figures that were written, as objects; they are written all the same."""
    figures, save = [], search_figures.save_figure

    def remember(path, figure):
        figures.append(figure)
        save(path, figure)

    monkeypatch.setattr(search_figures, "save_figure", remember)
    return figures


def _is_drawn(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return len(np.unique(np.asarray(image.convert("L")))) > 20


def test_scatter(tmp_path, scores, found, drawn):
    path = tmp_path / "scatter.png"
    search_figures.save_scatter(path, scores, found, "a search")
    assert _is_drawn(path)
    figure: Figure = drawn[0]
    gtn, params, flat = (axes for axes in figure.axes if axes.get_visible())
    row = found["evaluators"]["gtn"]
    low, high = row["spearman_ci95"]
    assert (
        gtn.get_title()
        == f"gtn\nSpearman {row['spearman']:.2f} [{low:.2f}, {high:.2f}]"
    )
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


def test_far_scores_go_to_the_edge(tmp_path, scores, drawn):
    scores["real"]["key19"] = 0.95
    found = ranking(scores, "real", num_resamples=20)
    search_figures.save_scatter(tmp_path / "s.png", scores, found, "a search")
    params = drawn[0].axes[1]
    inside, outside = (g.get_offsets().data for g in params.collections[:2])
    assert len(inside) == 19
    np.testing.assert_allclose(outside, [(18, 0.95)])


def test_the_shade_begins_at_the_median(tmp_path, scores, found, drawn):
    search_figures.save_scatter(tmp_path / "s.png", scores, found, "a search")
    shade = drawn[0].axes[1].patches[0]
    assert shade.get_x() == 10.0  # 10 of 20 scores are at least 10


def test_cost_curve(tmp_path, found, drawn):
    path = tmp_path / "cost.png"
    search_figures.save_cost_curve(path, found, "a search")
    assert _is_drawn(path)
    axes = drawn[0].axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel().endswith("[s]")
    # params costs 0 s, flat has no correlation: gtn alone is drawn.
    (bar,) = axes.containers
    assert bar.get_label() == "gtn"
    row = found["evaluators"]["gtn"]
    point, _, (interval,) = bar.lines
    assert point.get_xydata().tolist() == [[2.0, row["spearman"]]]
    np.testing.assert_allclose(
        interval.get_segments()[0][:, 1], row["spearman_ci95"]
    )
    assert axes.lines[-1].get_xdata()[0] == 500.0  # the truth


def test_figures_of_nothing(tmp_path):
    scores = {name: _by_key([None, None]) for name in ("gtn", "real")}
    found = ranking(scores, "real")
    search_figures.save_scatter(tmp_path / "s.png", scores, found, "empty")
    search_figures.save_cost_curve(tmp_path / "c.png", found, "empty")
    assert _is_drawn(tmp_path / "s.png")
    assert _is_drawn(tmp_path / "c.png")
