"""Pictures of what a GTN teaches; no TensorFlow here.

Image units: "normalised" is what learners see; `x * std + mean` takes it back
to data units, in which real images lie in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtn_tf.figures.style import in_theme, save_figure

_SEPARATOR = 2  # pixels
_OPAQUE = 255
_BAND_COLUMNS = 16
_LARGEST = 64  # pixels of a tile's longer side
_MOST_CLASSES = 40  # rows
_MOST_LETTERS = 16  # of a class's name
_ZOOM = 2
_DPI = 100


def curriculum_grid(
    images: np.ndarray,
    label_ids: np.ndarray,
    mean: float | np.ndarray,
    std: float | np.ndarray,
    classes: Sequence[int] | None = None,
) -> np.ndarray:
    """Draws one image per inner step (columns) and class (rows).

    A generator is not bound to data units: its output in [-2, 2] can become
    [-0.49, 0.75]. Clipping that to [0, 1] would hide half of what a learner
    sees, so black and white stand for the 0.5 % and 99.5 % quantiles of all
    drawn values, or for 0 and 1 where those lie inside [0, 1]: real images
    keep their own brightness.

    Args:
      images: [T, B, H, W, C] float, normalised; three channels are drawn in
        colour, of any other number the first one in grey.
      label_ids: [T, B] int.
      mean: Scalar or [C], data units.
      std: Scalar or [C], data units.
      classes: the rows; None: 0 to the largest label.

    Returns:
      uint8 [rows, columns, 4]: the first image of each class in each inner
      batch, enlarged by a whole number to about 32 pixels, or, beyond 64
      pixels, means of squares of it; 2 pixels apart. Transparent are what is
      between them, for it is the page's, and the place of a class that an
      inner batch lacks.
    """
    if classes is None:
        classes = range(int(label_ids.max()) + 1)
    hits = label_ids[:, :, np.newaxis] == np.asarray(classes)  # [T, B, rows]
    steps, rows = np.nonzero(hits.any(axis=1))
    drawn = images[steps, hits.argmax(axis=1)[steps, rows]]
    drawn = _coloured(np.asarray(drawn, np.float64) * std + mean)
    black, white = np.quantile(drawn, [0.005, 0.995])
    black, white = min(black, 0.0), max(white, 1.0)
    drawn = np.clip((drawn - black) / (white - black), 0, 1)

    drawn = _shrunk(drawn)
    shape = (len(classes), len(images), *drawn.shape[1:3], 4)
    tiles = np.zeros(shape, np.uint8)
    tiles[rows, steps, ..., :3] = np.rint(drawn * 255)
    tiles[rows, steps, ..., 3] = _OPAQUE
    return _laid_out(tiles)


def real_grid(examples: np.ndarray) -> np.ndarray:
    """Draws real images of each class (rows), as `curriculum_grid` does.

    Args:
      examples: [K, N, H, W, C] uint8.
    """
    pixels = _shrunk(_coloured(examples))
    tiles = np.empty((*pixels.shape[:-1], 4), np.uint8)
    tiles[..., :3] = np.rint(pixels)
    tiles[..., 3] = _OPAQUE
    return _laid_out(tiles)


def _coloured(images: np.ndarray) -> np.ndarray:
    """Keeps three channels [.., C]; of any other number the first one."""
    return images if images.shape[-1] == 3 else images[..., :1]


def _laid_out(tiles: np.ndarray) -> np.ndarray:
    """Returns tiles [rows, columns, H, W, 4], enlarged, as one picture."""
    num_rows, num_columns, height, width, _ = tiles.shape
    factor = _enlargement(height, width)
    tiles = tiles.repeat(factor, axis=2).repeat(factor, axis=3)
    edge = ((0, 0), (0, 0), (0, _SEPARATOR), (0, _SEPARATOR), (0, 0))
    tiles = np.pad(tiles, edge)
    shape = (num_rows * tiles.shape[2], num_columns * tiles.shape[3], 4)
    picture = tiles.transpose(0, 2, 1, 3, 4).reshape(shape)
    return np.ascontiguousarray(picture[:-_SEPARATOR, :-_SEPARATOR])


def shown_classes(num_classes: int) -> np.ndarray:
    """Returns the classes that are drawn of K: all, or 40 spread evenly."""
    number = min(num_classes, _MOST_CLASSES)
    return np.linspace(0, num_classes - 1, number).round().astype(int)


def class_label(label_id: int, class_names: Sequence[str] | None) -> str:
    """Returns what a row is called: the class's name, cut, or its number."""
    if class_names is None:
        return str(label_id)
    name = str(class_names[label_id])
    if len(name) > _MOST_LETTERS:
        name = name[: _MOST_LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return name


def _enlargement(height: int, width: int) -> int:
    return max(1, round(32 / max(height, width)))


def _shrunk(images: np.ndarray) -> np.ndarray:
    """Returns means of squares of images [.., H, W, C] that are too large."""
    *more, height, width, channels = images.shape
    factor = -(-max(height, width) // _LARGEST)
    if factor == 1:
        return images
    sides = min(factor, height), min(factor, width)
    size = height // sides[0], width // sides[1]
    cut = images[..., : size[0] * sides[0], : size[1] * sides[1], :]
    squares = cut.reshape(*more, size[0], sides[0], size[1], sides[1], channels)
    return squares.mean(axis=(-4, -2))


def save_curriculum_figure(
    path: Path,
    images: np.ndarray,
    label_ids: np.ndarray,
    mean: float | np.ndarray,
    std: float | np.ndarray,
    title: str,
    examples: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Writes `curriculum_figure` as PNG; atomic."""
    figure = curriculum_figure(
        images, label_ids, mean, std, title, examples, classes, class_names
    )
    save_figure(path, figure, _DPI)


@in_theme
def curriculum_figure(
    images: np.ndarray,
    label_ids: np.ndarray,
    mean: float | np.ndarray,
    std: float | np.ndarray,
    title: str,
    examples: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draws the grid of `curriculum_grid` with axes, beside real images.

    Beyond 16 inner steps the grid goes on in a band below. A pixel of the grid
    is 2 x 2 pixels of the figure, at 100 dots per inch: nothing is resampled.

    Args:
      images: [T, B, H, W, C] float, normalised.
      label_ids: [T, B] int.
      mean: Scalar or [C], data units.
      std: Scalar or [C], data units.
      title: Drawn above; about 60 characters fit.
      examples: [rows, N, H, W, C] uint8, real images; None: there are none.
      classes: the rows; None: 0 to the largest label.
      class_names: K texts; None: numbers.
    """
    if classes is None:
        classes = range(int(label_ids.max()) + 1)
    labels = [class_label(label_id, class_names) for label_id in classes]
    picture = curriculum_grid(images, label_ids, mean, std, classes)
    num_steps = len(images)
    pitch_x = (picture.shape[1] + _SEPARATOR) // num_steps
    pitch_y = (picture.shape[0] + _SEPARATOR) // len(classes)
    # Bands of about one length.
    columns = math.ceil(num_steps / math.ceil(num_steps / _BAND_COLUMNS))
    starts = range(0, num_steps, columns)
    band_height = _ZOOM * picture.shape[0]
    left, right, top, gap = 64, 24, 60, 76  # pixels
    if class_names is not None:
        left = 40 + 10 * max(map(len, labels))
    real, beside = None, 0
    if examples is not None:
        real = real_grid(examples)[: picture.shape[0]]
        beside = _ZOOM * (real.shape[1] + pitch_x // 3)
    total_width = max(left + beside + _ZOOM * columns * pitch_x + right, 560)
    total_height = top + len(starts) * (band_height + gap)

    size = (total_width / _DPI, total_height / _DPI)
    figure = Figure(figsize=size, dpi=_DPI)
    figure.suptitle(title, fontsize=13, y=1 - 24 / total_height, va="center")

    def add_picture(part: np.ndarray, x: int, bottom: int) -> Axes:
        axes = figure.add_axes(
            (
                x / total_width,
                bottom / total_height,
                _ZOOM * part.shape[1] / total_width,
                _ZOOM * part.shape[0] / total_height,
            )
        )
        axes.imshow(part, interpolation="nearest", aspect="auto")
        axes.grid(False)
        axes.tick_params(length=2, labelsize=12)
        axes.spines[:].set_visible(False)
        return axes

    for band, start in enumerate(starts):
        end = min(start + columns, num_steps)
        part = picture[:, start * pitch_x : end * pitch_x - _SEPARATOR]
        bottom = total_height - top - band_height - band * (band_height + gap)
        if real is not None:
            first = add_picture(real, left, bottom)
            first.set_xticks([real.shape[1] / 2], ["real"])
        axes = add_picture(part, left + beside, bottom)
        _label_steps(axes, range(start, end), pitch_x)
        first = axes if real is None else first
        _label_classes(first, labels, pitch_y)
        if real is not None:
            axes.set_yticks([])
    axes.set_xlabel("inner step", fontsize=12)
    return figure


def _label_steps(axes: Axes, steps: range, pitch: int) -> None:
    """Puts the inner steps, counted from 1, below the tiles."""
    places = [(step - steps.start + 0.5) * pitch for step in steps]
    axes.set_xticks(places, [str(step + 1) for step in steps])


def _label_classes(axes: Axes, labels: Sequence[str], pitch: int) -> None:
    """Puts the classes beside the tiles, thinned out if many."""
    rows = range(0, len(labels), -(-len(labels) // 20))
    places = [(row + 0.5) * pitch for row in rows]
    axes.set_yticks(places, [labels[row] for row in rows])
    axes.set_ylabel("class", fontsize=12)
