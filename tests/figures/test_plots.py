import numpy as np
import pytest
from PIL import Image

from gtn_tf.figures import curriculum as plots


def test_grid_by_hand():
    # T=2 inner steps of B=3 images of 16 x 16, so tiles of 32; K=3 classes.
    values = np.array([[0.2, 0.4, 0.6], [0.0, 1.0, 0.8]])
    label_ids = np.array([[2, 2, 0], [1, 0, 1]])
    images = np.broadcast_to(
        ((values - 0.5) / 0.25)[..., None, None, None], (2, 3, 16, 16, 1)
    )
    picture = plots.curriculum_grid(images, label_ids, 0.5, 0.25)
    assert picture.shape == (3 * 34 - 2, 2 * 34 - 2, 4)
    assert picture.dtype == np.uint8
    absent = None
    # Rows are classes, columns inner steps; of two images the first is drawn.
    for (row, column), expected in {
        (0, 0): 153,  # 0.6 * 255
        (1, 0): absent,
        (2, 0): 51,
        (0, 1): 255,
        (1, 1): 0,
        (2, 1): absent,
    }.items():
        tile = picture[34 * row : 34 * row + 32, 34 * column : 34 * column + 32]
        if expected is absent:
            assert not tile.any()  # transparent
            continue
        np.testing.assert_array_equal(tile[..., :3], expected)
        np.testing.assert_array_equal(tile[..., 3], 255)
    # The page shows between the tiles, light or dark.
    assert not picture[32:34].any()
    assert not picture[:, 32:34].any()


def test_pixels_are_enlarged_as_squares_in_their_place():
    image = np.linspace(0, 1, 64).reshape(1, 1, 8, 8, 1)
    picture = plots.curriculum_grid(image, np.zeros((1, 1), int), 0.0, 1.0)
    expected = np.rint(image[0, 0, :, :, 0] * 255).astype(np.uint8)
    assert picture.shape == (32, 32, 4)
    np.testing.assert_array_equal(
        picture[..., :3],
        expected.repeat(4, 0).repeat(4, 1)[..., None].repeat(3, 2),
    )


def test_real_images_are_drawn_as_they_are():
    examples = np.arange(2 * 3 * 16 * 16 * 1).astype(np.uint8)
    examples = examples.reshape(2, 3, 16, 16, 1)
    picture = plots.real_grid(examples)
    assert picture.shape == (2 * 34 - 2, 3 * 34 - 2, 4)
    tile = picture[34:66:2, 68:100:2]  # class 1, example 2
    np.testing.assert_array_equal(tile[..., :1], examples[1, 2])
    assert np.all(tile[..., 3] == 255)


def test_colour_channels_have_their_own_statistics():
    images = np.zeros((1, 1, 32, 32, 3))
    picture = plots.curriculum_grid(
        images, np.zeros((1, 1), int), np.array([0.2, 0.4, 0.6]), np.ones(3)
    )
    assert picture.shape == (32, 32, 4)
    np.testing.assert_array_equal(picture[5, 5], [51, 102, 153, 255])


def test_of_another_number_of_channels_the_first_is_drawn():
    images = np.zeros((1, 1, 32, 32, 2))
    picture = plots.curriculum_grid(
        images, np.zeros((1, 1), int), np.array([0.2, 0.4]), np.ones(2)
    )
    np.testing.assert_array_equal(picture[5, 5], [51, 51, 51, 255])


def test_values_beyond_the_data_range_stay_apart():
    # Data units -1, 0 and 1: black is -1, white is 1.
    images = np.zeros((1, 3, 32, 32, 1)) + np.array([-1, 0, 1]).reshape(
        1, 3, 1, 1, 1
    )
    picture = plots.curriculum_grid(images, np.array([[0, 1, 2]]), 0.0, 1.0)
    assert [picture[34 * row, 0, 0] for row in range(3)] == [0, 128, 255]


def test_outliers_do_not_set_the_range():
    images = np.full((1, 1, 32, 32, 1), 0.2)
    images[0, 0, 0, 0, 0], images[0, 0, 0, 1, 0] = 1000.0, -1000.0
    picture = plots.curriculum_grid(images, np.array([[0]]), 0.0, 1.0)
    assert [*picture[0, :3, 0]] == [255, 0, 51]


def contains(figure, part):
    """Whether `part` occurs in `figure`, pixel by pixel."""
    height, width = part.shape[:2]
    probe = np.all(figure == part[0, 0], axis=-1)
    return any(
        np.array_equal(figure[y : y + height, x : x + width], part)
        for y, x in np.argwhere(probe)
        if y + height <= figure.shape[0] and x + width <= figure.shape[1]
    )


@pytest.mark.parametrize(
    ("num_steps", "bands"), [(3, [3]), (20, [10, 10]), (33, [11, 11, 11])]
)
def test_the_figure_holds_every_pixel_of_the_grid(tmp_path, num_steps, bands):
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(num_steps, 2, 32, 32, 3))
    label_ids = np.tile([0, 1], (num_steps, 1))
    examples = rng.integers(0, 256, (2, 2, 32, 32, 3), np.uint8)
    path = tmp_path / "curriculum.png"
    plots.save_curriculum_figure(
        path, images, label_ids, 0.0, 1.0, "title", examples
    )
    with Image.open(path) as image:
        figure = np.asarray(image.convert("RGB"))
    grid = plots.curriculum_grid(images, label_ids, 0.0, 1.0)
    parts, start = [plots.real_grid(examples)], 0
    for columns in bands:
        parts.append(grid[:, 34 * start : 34 * (start + columns) - 2])
        start += columns
    for part in parts:
        part[part[..., 3] == 0] = 255  # the figure's page is white
        part = part[..., :3].repeat(2, axis=0).repeat(2, axis=1)
        # Text may stand on the border; the inside has to be exact.
        assert contains(figure, part[8:-8, 8:-8])
    assert [entry.name for entry in tmp_path.iterdir()] == ["curriculum.png"]


def test_steps_are_counted_from_1_beside_real_images():
    images = np.zeros((40, 3, 8, 8, 1))
    label_ids = np.tile([0, 1, 2], (40, 1))
    examples = np.zeros((3, 2, 8, 8, 1), np.uint8)
    arguments = (images, label_ids, 0.0, 1.0, "40 steps")
    figure = plots.curriculum_figure(*arguments, examples)
    real, first, _, second, _, third = figure.axes
    assert [t.get_text() for t in real.get_xticklabels()] == ["real"]
    for axes, begin, end in ((first, 1, 15), (second, 15, 29), (third, 29, 41)):
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == [str(step) for step in range(begin, end)]
    # Column 1 spans the pixels 34 to 34 + 32: its middle.
    assert first.get_xticks()[1] == pytest.approx(1.5 * 34)
    assert [t.get_text() for t in real.get_yticklabels()] == ["0", "1", "2"]
    assert third.get_xlabel() == "inner step"
    assert real.get_ylabel() == "class"
    assert figure.get_suptitle() == "40 steps"
    alone = plots.curriculum_figure(*arguments).axes
    assert len(alone) == 3
    assert alone[0].get_ylabel() == "class"


def test_of_many_classes_40_are_drawn_and_by_name(monkeypatch):
    names = [f"class {number} " + 20 * "x" for number in range(1000)]
    images = np.zeros((1, 1000, 8, 8, 1))
    classes = plots.shown_classes(1000)
    assert [len(classes), classes[0], classes[-1]] == [40, 0, 999]
    arguments = images, np.arange(1000)[None], 0.0, 1.0, "many"
    figure = plots.curriculum_figure(
        *arguments, classes=classes, class_names=names
    )
    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert len(ticks) == 20
    assert ticks[0] == "class 0 xxxxxxx\N{HORIZONTAL ELLIPSIS}"


def test_large_images_are_drawn_by_means_of_squares():
    # 129 x 90 by squares of 3: 43 x 30, each of one value.
    values = np.linspace(0, 1, 43 * 30).reshape(43, 30)
    image = values.repeat(3, 0).repeat(3, 1)[None, None, ..., None]
    picture = plots.curriculum_grid(image, np.zeros((1, 1), int), 0.0, 1.0)
    np.testing.assert_array_equal(
        picture[..., 0], np.rint(np.clip(values, 0, 1) * 255)
    )
