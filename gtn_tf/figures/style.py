"""How all figures look, and how they are written: PNG or inline SVG.

A figure is as wide as a phone: it stays legible where the page leaves it 360
pixels. It has at most six series, named where they are drawn, and says once
what its bars, bands and seeds are (`add_note`).

Text and axes are drawn in one ink, near-black, which inline SVG replaces by
`currentColor`: it takes the colour of the page's text, light or dark. PNG has a
twin for dark pages (`save_twins`).

No TensorFlow here, and matplotlib through its objects only: `pyplot` keeps
global state and picks a backend that may want a display.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gtn_tf.runtime.files import write_atomically


class Style(NamedTuple):
    """How a line looks; dashes and markers say what colours say."""

    label: str
    colour: str
    dashes: str
    marker: str


INK = "#1b1c1d"
# From the palette of Okabe and Ito, which the colour-blind can tell apart; the
# orange is darker. All have a contrast of 3 or more with white and near-black.
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#B87F00", "#56B4E9"
#: (colour, dashes, marker) of lines that have no style of their own.
LINES = (
    (BLUE, "-", "o"),
    (VERMILION, "--", "^"),
    (GREEN, "-.", "s"),
    (PURPLE, "-", "D"),
    (ORANGE, ":", "v"),
    (INK, "--", "P"),
    (SKY, ":", "X"),
)

#: Source of `evaluate` -> its line.
SOURCES = {
    "gtn": Style("GTN", BLUE, "-", "o"),
    "distillation": Style("distilled images", PURPLE, "-", "D"),
    "real": Style("real, learned rates", GREEN, "--", "s"),
    "real_tuned": Style("real, tuned rates", VERMILION, "--", "^"),
    "real_subset": Style("real subset", ORANGE, "-.", "v"),
    "noise": Style("noise", INK, ":", "x"),
}

_PARTS_OF_BOXES = ("box", "whisker", "cap", "median")
_THEME = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "lines.markersize": 3.5,
    **dict.fromkeys(
        (
            *("text.color", "axes.edgecolor", "axes.labelcolor"),
            *("xtick.color", "ytick.color"),
            *(f"boxplot.{part}props.color" for part in _PARTS_OF_BOXES),
        ),
        INK,
    ),
}
in_theme = matplotlib.rc_context(_THEME)
POINTS_PER_INCH = 72
WIDTH = 400.0  # of a figure, in points
_LABEL_POINTS = 13.0  # from one label of a line to the next
_NOTE_LETTERS = 78  # of a line of a note
_DARK_PAGE, _DARK_INK = "#0d1117", "#e4e7eb"
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def name_accuracy(axes: Axes, label: str) -> None:
    """Labels the vertical axis, shares of 1 in percent."""
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(in_percent)


def name_steps(axes: Axes, label: str) -> None:
    """Labels the horizontal axis, of whole numbers."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def name_lines(axes: Axes) -> None:
    """Writes each line's label at its end, apart from the others.

    One of error bars carries its label for its line.
    """
    axes.figure.draw_without_rendering()
    labels = {line: line.get_label() for line in axes.lines}
    labels |= {bars.lines[0]: bars.get_label() for bars in axes.containers}
    ends = {}
    for line, label in labels.items():
        if label.startswith("_"):
            continue
        points = line.get_xydata()
        known = points[np.isfinite(points[:, 1])]
        if len(known):
            ends[line] = known[-1]
    if not ends:
        return
    heights = axes.transData.transform(list(ends.values()))[:, 1]
    heights *= POINTS_PER_INCH / axes.figure.dpi
    rows = 1 + max(labels[line].count("\n") for line in ends)
    moved = moved_apart(heights, rows * _LABEL_POINTS)
    for (line, end), height, at in zip(
        ends.items(), heights, moved, strict=True
    ):
        axes.annotate(
            labels[line],
            end,
            xytext=(12, at - height),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "linewidth": 0.8,
                "relpos": (0, 0.5),
                "shrinkA": 0,
                "shrinkB": 2,
            },
        )


def name_marks(figure: Figure, num_columns: int) -> None:
    """Names the marks of a dot plot above it."""
    figure.legend(
        loc="outside upper left",
        ncols=num_columns,
        handlelength=1,
    )


def moved_apart(places: np.ndarray, least: float) -> np.ndarray:
    """Returns places at least so far apart, in their order, little moved.

    Those that would meet become a block about their mean.
    """
    blocks: list[tuple[float, list[int]]] = []  # middle, who
    for index in np.argsort(places, kind="stable"):
        block = (float(places[index]), [int(index)])
        while blocks:
            middle, who = blocks[-1]
            apart = least * (len(who) + len(block[1])) / 2
            if block[0] - middle >= apart:
                break
            blocks.pop()
            who = who + block[1]
            block = (float(np.mean(places[who])), who)
        blocks.append(block)
    found = np.empty(len(places))
    for middle, who in blocks:
        found[who] = middle + least * (np.arange(len(who)) - (len(who) - 1) / 2)
    return found


def add_note(figure: Figure, text: str) -> None:
    """Says below a figure, once, what its bars, bands and seeds are."""
    lines = textwrap.wrap(text, _NOTE_LETTERS, break_on_hyphens=False)
    figure.supxlabel("\n".join(lines), x=0.02, ha="left", fontsize=9)


def in_percent(value: float, place: int | None = None) -> str:
    """Formats a tick: a share of 1 in percent, in as few digits as it has."""
    return f"{100 * value:.6g}".replace("-", "\u2212")


def plainly(value: float, place: int) -> str:
    """Formats a tick: 0.5 instead of a power of ten."""
    return f"{value:g}"


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of so many points."""
    size = (width / POINTS_PER_INCH, height / POINTS_PER_INCH)
    return Figure(figsize=size, layout="constrained")


def save_figure(path: Path, figure: Figure, dpi: int = 150) -> None:
    """Writes a figure as PNG; atomic."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    write_atomically(path, buffer.getvalue())


def dark_twin(path: Path) -> Path:
    """Returns where the same figure for a dark page is."""
    return path.with_name(f"{path.stem}_dark{path.suffix}")


def save_twins(path: Path, figure: Figure, dpi: int = 150) -> None:
    """Writes a figure as PNG twice: for light pages and for dark ones.

    The figure itself is dark afterwards.
    """
    save_figure(path, figure, dpi)
    figure.set_facecolor(_DARK_PAGE)
    for artist in figure.findobj():
        _lighten(artist)
    save_figure(dark_twin(path), figure, dpi)


def _lighten(artist: Artist) -> None:
    """Turns the ink of an artist into that of dark pages."""
    for name in ("color", "facecolor", "edgecolor", "markerfacecolor"):
        get = getattr(artist, f"get_{name}", None)
        if get is None:
            continue
        colours = to_rgba_array(get())
        is_ink = np.all(np.isclose(colours[:, :3], to_rgb(INK)), axis=1)
        if np.any(is_ink):
            colours[is_ink, :3] = to_rgb(_DARK_INK)
            one = len(colours) == 1
            set_colour = getattr(artist, f"set_{name}")
            set_colour(tuple(colours[0]) if one else colours)


def inline_svg(figure: Figure, prefix: str, description: str) -> str:
    """Returns a figure as an SVG element; the same figure, the same text.

    Args:
      figure: In this style.
      prefix: Begins every id, so that no two figures of a page share one.
      description: What it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": prefix}
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(settings):
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=metadata
        )
    text = buffer.getvalue()
    view, width = re.search(r'viewBox="0 0 ([\d.]+) [^"]*"', text).group(0, 1)
    body = text[text.index("</defs>") + len("</defs>") :]
    body = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", body)
    body = re.sub(r"font-family: [^;\"]*", f"font-family: {_FONTS}", body)
    body = body.replace("xlink:href", "href").replace(INK, "currentColor")
    return (
        f'<svg {view} role="img" aria-label="{html.escape(description)}" '
        f'stroke-linejoin="round" style="--width: {width}pt">{body}'
    )
