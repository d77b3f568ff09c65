"""How all figures look, and how they are written: PNG or inline SVG.

Text and axes are drawn in one ink, near-black, which inline SVG replaces by
`currentColor`: it takes the colour of the page's text, light or dark.

No TensorFlow here, and matplotlib through its objects only: `pyplot` keeps
global state and picks a backend that may want a display.
"""

from __future__ import annotations

import html
import io
import re
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

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
BLUE, VERMILION, _GREEN = "#0072B2", "#D55E00", "#009E73"
_PURPLE, _ORANGE = "#CC79A7", "#B87F00"
#: (colour, dashes, marker) of lines that have no style of their own.
LINES = (
    (BLUE, "-", "o"),
    (VERMILION, "--", "^"),
    (_GREEN, "-.", "s"),
    (_PURPLE, "-", "D"),
    (_ORANGE, ":", "v"),
)

#: Source of `evaluate` -> its line.
SOURCES = {
    "gtn": Style("GTN", BLUE, "-", "o"),
    "distillation": Style("distilled images", _PURPLE, "-", "D"),
    "real": Style("real, learned rates", _GREEN, "--", "s"),
    "real_tuned": Style("real, tuned rates", VERMILION, "--", "^"),
    "real_subset": Style("real subset", _ORANGE, "-.", "v"),
    "noise": Style("noise", INK, ":", "x"),
}

_PARTS_OF_BOXES = ("box", "whisker", "cap", "median")
_THEME = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
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
_LABEL_POINTS = 14  # from one label of a line to the next
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def name_accuracy(axes: Axes, label: str) -> None:
    """Labels the vertical axis, shares of 1 in percent."""
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))


def name_steps(axes: Axes, label: str) -> None:
    """Labels the horizontal axis, of whole numbers."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def name_lines(figure: Figure, axes: Axes) -> None:
    """Writes each label at its line's end, or a legend where they collide."""
    figure.draw_without_rendering()
    ends = axes.transData.transform(
        [line.get_xydata()[-1] for line in axes.lines]
    )
    heights = np.sort(ends[:, 1]) * POINTS_PER_INCH / figure.dpi
    if not np.all(np.diff(heights) >= _LABEL_POINTS):
        figure.legend(loc="outside upper left", ncols=2, handlelength=3)
        return
    for line in axes.lines:
        axes.annotate(
            line.get_label(),
            line.get_xydata()[-1],
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )


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
