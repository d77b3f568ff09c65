"""The HTML of a report: jinja2 templates, one per section, filled in.

Every value is escaped but what is `Html`, which only the templates and the
figures make. Nothing is loaded from elsewhere: style, script and pictures are
in the page, which says so to the browser (a Content-Security-Policy that knows
this script alone). Without the script the page shows the same, but for the
slider over inner steps.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
from markupsafe import Markup as Html
from matplotlib.figure import Figure
from PIL import Image

from gtn_tf.figures.style import inline_svg
from gtn_tf.report.numbers import ABSENT

_FOLDER = Path(__file__).parent / "templates"


class Table(NamedTuple):
    """A table that scrolls within its own box where it is too wide.

    Attributes:
      caption: above it.
      columns: the heads.
      rows: of cells; the first of each is the head of its row.
      num_text_columns: so many columns from the left hold words; the others
        hold numbers and stand to the right.
      row_classes: CSS class of each row.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    num_text_columns: int = 1
    row_classes: Sequence[str] = ()


class Tile(NamedTuple):
    """A number that a reader comes for.

    Attributes:
      name: of what.
      value: the number, with its unit or without.
      more: what it rests on.
      unit: small, beside the value.
      verdict: in a word, of a comparison.
    """

    name: str
    value: str
    more: str
    unit: str = ""
    verdict: str = ""


class Scale(NamedTuple):
    """What intervals of one table are drawn on."""

    low: float
    high: float

    def bar(
        self,
        value: float | None,
        ci95: Sequence[float | None] | None,
        zero: float | None = None,
    ) -> Html:
        """Returns a dot at a value in a bar for its interval.

        A value beyond the scale is an arrow that points there.

        Args:
          value: None: nothing is drawn.
          ci95: (low, high), or None as a whole or for both.
          zero: where a line is drawn, if anywhere.
        """
        if value is None:
            return Html("")
        if not self.low <= value <= self.high:
            return macro("beyond")(value < self.low)
        low, high = ci95 or (None, None)
        low, high = (value if v is None else v for v in (low, high))
        low, high = max(low, self.low), min(high, self.high)
        low, high, mean = map(self._share, (low, high, value))
        zero = None if zero is None else self._share(zero)
        return macro("interval_bar")(low, high - low, mean, zero)

    def _share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def scale_of(rows: Sequence[tuple], *points: float) -> Scale:
    """Returns the narrowest scale that shows all of these.

    Args:
      rows: (value, ci95) each, as `Scale.bar` takes them.
      points: that have to be on it too.
    """
    known = [*points, *(value for value, _ in rows)]
    known += [bound for _, ci95 in rows for bound in ci95 or ()]
    known = [value for value in known if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return Scale(low, high) if high > low else Scale(low - 0.5, high + 0.5)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=lambda value: ABSENT if value is None else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **values: Any) -> Html:
    """Returns the template `name` with these values in it, escaped."""
    return Html(_environment().get_template(f"{name}.html").render(values))


def macro(name: str) -> Any:
    """Returns what makes one small piece of HTML: a macro of macros.html."""
    return getattr(_environment().get_template("macros.html").module, name)


def svg(figure: Figure, name: str, description: str) -> Html:
    """Returns a figure as part of the page.

    Args:
      figure: in the style of `figures.style`.
      name: of its own on this page.
      description: for those who cannot see it.
    """
    return Html(inline_svg(figure, name, description))


def png(picture: np.ndarray) -> str:
    """Returns the address of a picture, uint8 [H, W, 4], that it holds."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    return (
        f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    )


def document(title: str, header: Html, sections: Sequence[Html]) -> str:
    """Returns the page as a whole."""
    script = (_FOLDER / "page.js").read_text()
    digest = hashlib.sha256(script.encode()).digest()
    return render(
        "page",
        title=title,
        css=Html((_FOLDER / "page.css").read_text()),
        script=Html(script),
        script_hash=f"sha256-{base64.b64encode(digest).decode()}",
        header=header,
        sections=sections,
    )
