import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from gtn_tf.config.meta_losses import num_meta_losses
from gtn_tf.figures import style as figure_style
from gtn_tf.figures import training as figures
from gtn_tf.figures.evaluation import accuracy_per_step, save_evaluation
from gtn_tf.meta.inner_problem import InnerProblem
from tests.helpers.evaluations import evaluation_of


def capture_figures(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        figures, "save_figure", lambda _, figure: drawn.append(figure)
    )
    return drawn


def test_sources_differ_in_colour_and_in_dashes_or_marker():
    styles = figure_style.SOURCES.values()
    assert len({style.colour for style in styles}) == len(styles)
    assert len({style.marker for style in styles}) == len(styles)


def _luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(
        channels <= 0.04045,
        channels / 12.92,
        ((channels + 0.055) / 1.055) ** 2.4,
    )
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("page", ["#ffffff", "#14161a"])
def test_colours_stand_out_on_light_and_dark_pages(page):
    # 3 : 1 is what WCAG 2 asks of graphics. The ink takes the text's colour.
    for style in figure_style.SOURCES.values():
        if style.colour != figure_style.INK:
            pair = sorted([_luminance(style.colour), _luminance(page)])
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, style


def test_learned_rates():
    upper, lower = figures.learned_rates(
        np.array([0.1, 0.2]), np.array([0.5, 0.4])
    ).axes
    np.testing.assert_array_equal(
        upper.lines[0].get_xydata(), [[1, 0.1], [2, 0.2]]
    )
    np.testing.assert_array_equal(
        lower.lines[0].get_xydata(), [[1, 0.5], [2, 0.4]]
    )
    assert upper.get_ylabel() == "inner learning rate"
    assert lower.get_ylabel() == "inner momentum"
    assert lower.get_xlabel() == "inner step"


def _svg(prefix="a"):
    figure = accuracy_per_step(evaluation_of(gtn=0.9, noise=0.6))
    return figure_style.inline_svg(figure, prefix, 'one <"chart">')


def test_svg_is_one_element_that_the_page_colours():
    svg = _svg()
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'one <"chart">'
    assert set(root.attrib) >= {"viewBox"}
    assert "width" not in root.attrib  # as wide as the page has room
    assert "currentColor" in svg
    assert figure_style.INK not in svg
    colours = set(re.findall("#[0-9a-f]{6}\\b", svg, re.IGNORECASE))
    assert colours == {figure_style.SOURCES["gtn"].colour.lower()}
    assert "inner step" in svg  # text stays text
    assert "DejaVu" not in svg
    assert "<style" not in svg  # it would reach the whole page


def test_ids_of_two_svgs_do_not_collide_and_every_reference_resolves():
    ids = {}
    for prefix in "ab":
        svg = _svg(prefix)
        ids[prefix] = re.findall('\\bid="([^"]*)"', svg)
        assert len(set(ids[prefix])) == len(ids[prefix]) > 0
        references = re.findall('url\\(#([^)]*)\\)|href="#([^"]*)"', svg)
        assert references
        assert {first or second for first, second in references} <= {
            *ids[prefix]
        }
    assert not {*ids["a"]} & {*ids["b"]}


def test_the_same_figure_is_the_same_svg():
    assert _svg() == _svg()


def test_figures_leave_the_settings_of_matplotlib_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    _svg()
    save_evaluation(tmp_path / "a.png", evaluation_of(gtn=0.9))
    assert dict(matplotlib.rcParams) == before


def test_png_is_opaque_and_whole(tmp_path):
    path = tmp_path / "accuracy.png"
    save_evaluation(path, evaluation_of(gtn=0.9, real=0.6))
    assert [entry.name for entry in tmp_path.iterdir()] == ["accuracy.png"]
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert np.all(pixels[..., 3] == 255)
    assert pixels[0, 0].tolist() == [255] * 4
    blue = [0, 114, 178, 255]
    assert np.any(np.all(pixels == blue, axis=-1))


def test_curves_show_the_rows(monkeypatch):
    drawn = capture_figures(monkeypatch)
    rows = [
        {"step": 1, "meta_loss": 2.0, "meta_accuracy": 0.1},
        {"step": 2, "meta_loss": None, "meta_accuracy": 0.2},
        {
            "step": 3,
            "meta_loss": 1.0,
            "meta_accuracy": 0.3,
            "validation_accuracy": 0.25,
        },
    ]
    figures.save_curves("-", rows, "run")
    loss, accuracy = drawn[0].axes
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [[1, 2], [3, 1]])
    train, validation = accuracy.lines
    np.testing.assert_array_equal(train.get_ydata(), [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(validation.get_xydata(), [[3, 0.25]])
    assert train.get_color() != validation.get_color()
    assert loss.get_xlabel() == accuracy.get_xlabel() == "meta-step"
    assert "nats" in loss.get_ylabel()
    assert "%" in accuracy.get_ylabel()
    assert float(accuracy.yaxis.get_major_formatter()(0.25, 0)) == 25


def test_long_curves_get_a_moving_mean_right_to_the_ends(monkeypatch):
    drawn = capture_figures(monkeypatch)
    rows = [{"step": s, "meta_loss": 3.0 + (-1) ** s} for s in range(1, 201)]
    rows += [{"step": 201 + s, "meta_loss": 3.0} for s in range(10)]
    figures.save_curves("-", rows, "run")
    raw, mean = drawn[0].axes[0].lines
    # 210 values: a window of 4, so the alternation 2, 4, 2, 4 averages to 3.
    np.testing.assert_array_equal(raw.get_ydata()[:4], [2, 4, 2, 4])
    np.testing.assert_allclose(mean.get_ydata()[2:-12], 3.0)
    assert mean.get_ydata()[-1] == pytest.approx(3.0)
    # At the start only the values 1 and 2 are inside the window.
    assert mean.get_ydata()[0] == pytest.approx(3.0)


def test_a_meta_loss_is_drawn_per_inner_step():
    rows = [
        {"step": 1, "meta_loss": 20.0, "final_meta_loss": 1.5},
        {"step": 2, "meta_loss": 10.0, "final_meta_loss": 0.5},
    ]
    (axes,) = figures.meta_loss_curve(rows, 10, 2.303).axes
    mean, last, chance = axes.lines
    np.testing.assert_array_equal(mean.get_ydata(), [2, 1])
    np.testing.assert_array_equal(last.get_ydata(), [1.5, 0.5])
    np.testing.assert_array_equal(chance.get_ydata(), [2.303] * 2)
    labels = [text.get_text() for text in axes.texts]
    assert labels == ["mean of 10", "after the last", "chance"]
    assert axes.get_ylabel() == "meta-loss [nats]"
    (axes,) = figures.meta_loss_curve(rows, None, 2.303).axes
    (total,) = axes.lines
    np.testing.assert_array_equal(total.get_ydata(), [20, 10])
    assert axes.get_ylabel() == "meta-loss [nats], a sum"


@pytest.mark.parametrize(
    ("num_steps", "every", "window", "expected"),
    [
        (10, 1, None, 10),
        (10, 0, None, 1),
        (10, 4, None, 3),
        (10, 5, 10, 2),
        (10, 1, 5, None),
    ],
)
def test_the_number_of_meta_losses_is_the_inner_problems(
    num_steps, every, window, expected
):
    found = num_meta_losses(num_steps, every, window)
    assert found == expected
    if expected is not None:
        problem = InnerProblem((), None, None, every)
        due = [problem.is_due(n, num_steps) for n in range(1, num_steps + 1)]
        assert sum(due) == expected


def test_the_dark_twin_has_light_ink_on_a_dark_page(tmp_path):
    figure = accuracy_per_step(evaluation_of(gtn=0.9, noise=0.3))
    figure_style.save_twins(tmp_path / "a.png", figure)
    blue, light, dark = (0, 114, 178), (27, 28, 29), (228, 231, 235)
    for name, page, ink, other in (
        ("a", (255, 255, 255), light, dark),
        ("a_dark", (13, 17, 23), dark, light),
    ):
        with Image.open(tmp_path / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)

        def number(colour, pixels=pixels):
            return np.all(pixels == colour, axis=1).sum()

        assert number(page) > len(pixels) / 2
        assert number(blue) > 100  # the line's own colour
        assert number(ink) > 1000
        assert number(other) < 100  # of the edges of letters


@pytest.mark.parametrize("rows", [[], [{"step": 1}]])
def test_curves_of_a_run_that_has_just_begun(tmp_path, rows):
    figures.save_curves(tmp_path / "curves.png", rows, "run")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (833, 1125)
