"""Pictures of what a GTN teaches; no TensorFlow here.

Image units: "normalised" is what learners see; `x * std + mean` takes it back
to data units, in which real images lie in [0, 1].
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from gtn_tf.figures.style import save_figure
from gtn_tf.runtime.files import write_atomically

_SEPARATOR = 2  # pixels
_WHITE, _BLANK = 255, 232
_BAND_COLUMNS = 32
_DPI = 100


def curriculum_grid(
    images: np.ndarray,
    label_ids: np.ndarray,
    mean: float | np.ndarray,
    std: float | np.ndarray,
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
      label_ids: [T, B] int; the classes are 0 to the largest of them.
      mean: Scalar or [C], data units.
      std: Scalar or [C], data units.

    Returns:
      uint8 [rows, columns, 3]: the first image of each class in each inner
      batch, enlarged by a whole number to about 32 pixels; light where an
      inner batch lacks the class; white lines of 2 pixels between the tiles.
    """
    num_steps, _, height, width, channels = images.shape
    if channels != 3:
        channels = 1
    num_classes = int(label_ids.max()) + 1
    hits = label_ids[:, :, np.newaxis] == np.arange(num_classes)  # [T, B, K]
    steps, classes = np.nonzero(hits.any(axis=1))
    drawn = images[steps, hits.argmax(axis=1)[steps, classes]]
    drawn = (np.asarray(drawn, np.float64) * std + mean)[..., :channels]
    black, white = np.quantile(drawn, [0.005, 0.995])
    black, white = min(black, 0.0), max(white, 1.0)
    drawn = np.clip((drawn - black) / (white - black), 0, 1)

    tiles = np.full(
        (num_classes, num_steps, height, width, channels), _BLANK, np.uint8
    )
    tiles[classes, steps] = np.rint(drawn * 255)
    factor = _enlargement(height, width)
    tiles = tiles.repeat(factor, axis=2).repeat(factor, axis=3)
    edge = ((0, 0), (0, 0), (0, _SEPARATOR), (0, _SEPARATOR), (0, 0))
    tiles = np.pad(tiles, edge, constant_values=_WHITE)
    rows, columns = num_classes * tiles.shape[2], num_steps * tiles.shape[3]
    picture = tiles.transpose(0, 2, 1, 3, 4).reshape(rows, columns, channels)
    picture = picture[:-_SEPARATOR, :-_SEPARATOR]
    return np.ascontiguousarray(
        np.broadcast_to(picture, (*picture.shape[:2], 3))
    )


def _enlargement(height: int, width: int) -> int:
    return max(1, round(32 / max(height, width)))


def save_png(path: Path, picture: np.ndarray) -> None:
    """Writes a picture, uint8 [H, W, 3], as PNG; atomic."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    write_atomically(path, buffer.getvalue())


def save_curriculum_figure(
    path: Path,
    images: np.ndarray,
    label_ids: np.ndarray,
    mean: float | np.ndarray,
    std: float | np.ndarray,
    title: str,
) -> None:
    """Writes the grid of `curriculum_grid` with axes, as PNG; atomic.

    Beyond 32 inner steps the grid goes on in a band below. A pixel of the
    grid is 1 x 1 or 2 x 2 pixels of the figure: nothing is resampled.

    Args:
      path: The PNG file.
      images: [T, B, H, W, C] float, normalised.
      label_ids: [T, B] int.
      mean: Scalar or [C], data units.
      std: Scalar or [C], data units.
      title: Drawn above; about 60 characters fit.
    """
    picture = curriculum_grid(images, label_ids, mean, std)
    num_steps, _, height, width, _ = images.shape
    factor = _enlargement(height, width)
    pitch_x, pitch_y = factor * width + _SEPARATOR, factor * height + _SEPARATOR
    columns = min(num_steps, _BAND_COLUMNS)
    starts = range(0, num_steps, columns)
    zoom = int(np.clip(1400 // (columns * pitch_x), 1, 2))
    band_height = zoom * picture.shape[0]
    left, right, top, gap = 56, 24, 44, 50  # pixels
    total_width = max(left + zoom * columns * pitch_x + right, 520)
    total_height = top + len(starts) * (band_height + gap)

    size = (total_width / _DPI, total_height / _DPI)
    figure = Figure(figsize=size, dpi=_DPI)
    figure.suptitle(title, fontsize=11, y=1 - 22 / total_height, va="center")
    for band, start in enumerate(starts):
        end = min(start + columns, num_steps)
        part = picture[:, start * pitch_x : end * pitch_x - _SEPARATOR]
        bottom = total_height - top - band_height - band * (band_height + gap)
        axes = figure.add_axes(
            (
                left / total_width,
                bottom / total_height,
                zoom * part.shape[1] / total_width,
                band_height / total_height,
            )
        )
        axes.imshow(part, interpolation="nearest", aspect="auto")
        _label_tiles(axes, range(start, end), pitch_x, pitch_y)
    axes.set_xlabel("inner step")
    save_figure(path, figure, _DPI)


def _label_tiles(axes: Axes, steps: range, pitch_x: int, pitch_y: int) -> None:
    """Puts inner steps and classes beside the tiles, thinned out if many."""
    ticks = steps[:: 1 if len(steps) <= 16 else 4]
    places = [(step - steps.start + 0.5) * pitch_x for step in ticks]
    axes.set_xticks(places, [str(step) for step in ticks])
    num_classes = -(-int(axes.get_ylim()[0]) // pitch_y)
    ticks = range(0, num_classes, -(-num_classes // 20))
    places = [(label + 0.5) * pitch_y for label in ticks]
    axes.set_yticks(places, [str(label) for label in ticks])
    axes.tick_params(length=2, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("class")
