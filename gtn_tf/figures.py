"""Line figures of a run: PNG for a workdir, inline SVG for its report.

Each function draws one `Figure`; `save_figure` and `inline_svg` write it. Text
and axes are drawn in one ink, near-black, which inline SVG replaces by
`currentColor`: it takes the colour of the page's text, light or dark.

No TensorFlow here, and matplotlib through its objects only: `pyplot` keeps
global state and picks a backend that may want a display.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gtn_tf.json_files import write_atomically


class Style(NamedTuple):
    """How a line looks; dashes and markers say what colours say."""

    label: str
    colour: str
    dashes: str
    marker: str


INK = "#1b1c1d"
# From the palette of Okabe and Ito, which the colour-blind can tell apart; the
# orange is darker. All have a contrast of 3 or more with white and near-black.
_BLUE, _VERMILION, _GREEN = "#0072B2", "#D55E00", "#009E73"
_PURPLE, _ORANGE = "#CC79A7", "#B87F00"
#: (colour, dashes, marker) of lines that have no style of their own.
LINES = (
    (_BLUE, "-", "o"),
    (_VERMILION, "--", "^"),
    (_GREEN, "-.", "s"),
    (_PURPLE, "-", "D"),
    (_ORANGE, ":", "v"),
)

#: Source of `evaluate` -> its line.
SOURCES = {
    "gtn": Style("GTN", _BLUE, "-", "o"),
    "distillation": Style("distilled images", _PURPLE, "-", "D"),
    "real": Style("real, learned rates", _GREEN, "--", "s"),
    "real_tuned": Style("real, tuned rates", _VERMILION, "--", "^"),
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
#: More values than these are drawn under their moving mean.
SMOOTHED_BEYOND = 200
_LABEL_POINTS = 14  # from one label of a line to the next
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


@in_theme
def accuracy_per_step(evaluation: dict) -> Figure:
    """Draws test accuracy over inner steps, one line per source.

    Args:
      evaluation: As in evaluation.json: of each of `SOURCES` in it
        `accuracy_per_step` [T] and, where known, `ci95_per_step` [T, 2].
    """
    figure = new_figure(400, 290)
    axes = figure.subplots()
    sources = evaluation["sources"]
    for name in [name for name in SOURCES if name in sources]:
        style = SOURCES[name]
        means = _numbers(sources[name]["accuracy_per_step"])
        steps = np.arange(1, len(means) + 1)
        bands = sources[name].get("ci95_per_step")
        if bands is not None:
            low, high = np.transpose([_numbers(b or [None] * 2) for b in bands])
            axes.fill_between(
                steps, low, high, color=style.colour, alpha=0.18, linewidth=0
            )
        axes.plot(
            steps,
            means,
            color=style.colour,
            linestyle=style.dashes,
            marker=style.marker,
            markevery=max(1, len(means) // 10),
            label=style.label,
        )
    name_accuracy(axes, "test accuracy [%]")
    name_steps(axes, "inner step")
    name_lines(figure, axes)
    return figure


def save_accuracy_per_step(path: Path, evaluation: dict) -> None:
    """Writes `accuracy_per_step` as PNG; atomic."""
    save_figure(path, accuracy_per_step(evaluation))


@in_theme
def learned_rates(
    inner_learning_rate: np.ndarray, inner_momentum: np.ndarray
) -> Figure:
    """Draws the rates of the inner optimizer, [T] each, over inner steps."""
    figure = new_figure(400, 290)
    upper, lower = figure.subplots(2, sharex=True)
    for axes, values, name, colour, marker in (
        (upper, inner_learning_rate, "learning rate", _BLUE, "o"),
        (lower, inner_momentum, "momentum", _VERMILION, "s"),
    ):
        steps = np.arange(1, len(values) + 1)
        marker = marker if len(values) <= 40 else None
        axes.plot(steps, values, color=colour, marker=marker)
        axes.set_ylabel(f"inner {name}")
        axes.yaxis.set_major_locator(MaxNLocator(4))
    figure.align_ylabels()
    name_steps(lower, "inner step")
    return figure


@in_theme
def meta_loss_curve(rows: list[dict]) -> Figure:
    """Draws the meta-loss over meta-steps; rows as in metrics.jsonl."""
    figure = new_figure(400, 290)
    _draw_meta_loss(figure.subplots(), rows)
    return figure


@in_theme
def accuracy_curve(rows: list[dict]) -> Figure:
    """Draws train and validation accuracy over meta-steps."""
    figure = new_figure(400, 290)
    _draw_accuracy(figure.subplots(), rows)
    return figure


@in_theme
def save_curves(path: Path, rows: list[dict], title: str) -> None:
    """Writes meta-loss and accuracies over meta-steps, as PNG; atomic.

    More than `SMOOTHED_BEYOND` values of a kind are drawn pale, under their
    moving mean.

    Args:
      path: The PNG file.
      rows: As in metrics.jsonl; absent and null values are left out.
      title: Drawn above both panels.
    """
    figure = new_figure(720, 288)
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    _draw_meta_loss(left, rows)
    _draw_accuracy(right, rows)
    save_figure(path, figure)


def _draw_meta_loss(axes: Axes, rows: list[dict]) -> None:
    _curve(axes, rows, "meta_loss", "meta-loss", _BLUE)
    axes.set_ylabel("meta-loss [nats]")
    name_steps(axes, "meta-step")


def _draw_accuracy(axes: Axes, rows: list[dict]) -> None:
    _curve(axes, rows, "meta_accuracy", "meta-batch (train)", _BLUE)
    _curve(axes, rows, "validation_accuracy", "validation", _VERMILION, "--")
    name_accuracy(axes, "accuracy [%]")
    name_steps(axes, "meta-step")
    if axes.lines:
        axes.legend(loc="lower right")


def _curve(
    axes: Axes,
    rows: list[dict],
    key: str,
    label: str,
    colour: str,
    dashes: str = "-",
) -> None:
    points = [(r["step"], r[key]) for r in rows if r.get(key) is not None]
    if not points:
        return
    steps, values = np.asarray(points, np.float64).T
    marker = "o" if len(points) <= 40 else None
    if len(points) > SMOOTHED_BEYOND:
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        window = np.ones(len(points) // 50)
        # Sums over counts: the ends average what there is of the window.
        counts = np.convolve(np.ones(len(points)), window, "same")
        values = np.convolve(values, window, "same") / counts
    axes.plot(steps, values, dashes, color=colour, label=label, marker=marker)


def _numbers(values: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], np.float64)


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
      figure: Of this module.
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
