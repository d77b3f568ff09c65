import numpy as np

from gtn_tf.figures import evaluation as evaluation_figures
from gtn_tf.figures.style import moved_apart
from tests.helpers.evaluations import evaluation_of


def test_accuracy_per_step_draws_means_and_bands():
    evaluation = evaluation_of(gtn=0.9, real=0.6)
    (axes,) = evaluation_figures.accuracy_per_step(evaluation).axes
    gtn, real = axes.lines
    np.testing.assert_array_equal(gtn.get_xydata(), [[1, 0.1], [2, 0.9]])
    np.testing.assert_array_equal(real.get_xydata(), [[1, 0.1], [2, 0.6]])
    band = axes.collections[0].get_paths()[0].vertices
    assert band.min(0).tolist() == [1, 0.09]
    assert band.max(0).tolist() == [2, 0.91]
    assert axes.get_xlabel() == "inner step"
    assert axes.get_ylabel() == "test accuracy [%]"
    assert float(axes.yaxis.get_major_formatter()(0.25, 0)) == 25


def test_lines_are_named_at_their_ends_apart_from_each_other():
    evaluation = evaluation_of(gtn=0.9, real=0.89, noise=0.2)
    figure = evaluation_figures.accuracy_per_step(evaluation)
    texts = figure.axes[0].texts
    labels = ["GTN", "real, learned rates", "noise"]
    assert [t.get_text() for t in texts] == labels
    assert [t.xy for t in texts] == [(2, 0.9), (2, 0.89), (2, 0.2)]
    figure.draw_without_rendering()
    heights = [t.get_window_extent().y0 * 72 / figure.dpi for t in texts]
    assert heights[0] - heights[1] >= 12.9
    assert heights[1] - heights[2] > 50
    assert not figure.legends


def test_places_move_as_little_as_they_must():
    found = moved_apart(np.array([30.0, 0.0, 31.0, 100.0, 29.0]), 10.0)
    assert found.tolist() == [30, 0, 40, 100, 20]
    assert moved_apart(np.array([5.0, 5.0]), 4.0).tolist() == [3, 7]
    assert moved_apart(np.zeros(0), 4.0).tolist() == []


def test_names_at_the_ends_stay_inside_the_figure():
    figure = evaluation_figures.accuracy_per_step(
        evaluation_of(gtn=0.9, real_tuned=0.6)
    )
    figure.draw_without_rendering()
    for text in figure.axes[0].texts:
        assert text.get_window_extent().x1 <= figure.bbox.width


def test_a_source_without_bands():
    evaluation = evaluation_of(gtn=0.9, real=0.5)
    evaluation["sources"]["gtn"]["ci95_per_step"] = None
    evaluation["sources"]["real"]["ci95_per_step"][1] = None
    (axes,) = evaluation_figures.accuracy_per_step(evaluation).axes
    assert len(axes.lines) == 2
    assert len(axes.collections) == 1


def test_validation_accuracy_over_meta_steps():
    evaluation = evaluation_of(gtn=0.9, noise=0.3, real=0.6)
    evaluation["sources"]["gtn"]["validation_curve"] = [[50, 0.5], [100, 0.8]]
    evaluation["sources"]["real"]["validation_curve"] = [[50, 0.4], [100, None]]
    evaluation["sources"]["noise"]["validation_curve"] = None
    assert evaluation_figures.has_validation_curves(evaluation)
    (axes,) = evaluation_figures.accuracy_per_meta_step(evaluation).axes
    gtn, real = axes.lines
    np.testing.assert_array_equal(gtn.get_xydata(), [[50, 0.5], [100, 0.8]])
    np.testing.assert_array_equal(real.get_xydata(), [[50, 0.4], [100, np.nan]])
    assert axes.get_xlabel() == "meta-step"
    assert axes.get_ylabel() == "validation accuracy [%]"


def test_png_has_a_panel_over_meta_steps_where_they_are_known(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        evaluation_figures,
        "save_figure",
        lambda _, figure: drawn.append(figure),
    )
    evaluation = evaluation_of(gtn=0.9, noise=0.3)
    assert not evaluation_figures.has_validation_curves(evaluation)
    evaluation_figures.save_evaluation("-", evaluation)
    evaluation["sources"]["gtn"]["validation_curve"] = [[50, 0.5], [100, 0.8]]
    evaluation_figures.save_evaluation("-", evaluation)
    one, two = drawn
    assert [axes.get_xlabel() for axes in one.axes] == ["inner step"]
    labels = [axes.get_xlabel() for axes in two.axes]
    assert labels == ["inner step", "meta-step"]
    upper, lower = two.axes
    assert [t.get_text() for t in upper.texts] == ["GTN", "noise"]
    assert [t.get_text() for t in lower.texts] == ["GTN"]
    # Units, seeds and interval stand there once.
    assert "95 % intervals over" in two.get_supxlabel()
