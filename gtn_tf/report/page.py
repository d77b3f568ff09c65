"""The HTML of a report: one document, its tables, figures and numbers.

Every text goes through `escape`; what is HTML already is of type `Html`.
Nothing is loaded from elsewhere and nothing needs JavaScript.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from gtn_tf.statistics.intervals import shown

#: What stands where something was not run or is not known.
ABSENT = "-"
_CSS = (Path(__file__).parent / "page.css").read_text()


class Html(str):
    """Text that is HTML: `escape` leaves it alone."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Returns a value as HTML text; None as `ABSENT`."""
    if isinstance(value, Html):
        return value
    return Html(ABSENT if value is None else html.escape(str(value)))


def join(pieces: Iterable[object], between: str = "") -> Html:
    """Returns the pieces as one piece of HTML."""
    return Html(between.join(map(escape, pieces)))


def element(tag: str, *content: object, **attributes: object) -> Html:
    """Returns `<tag attributes>content</tag>`; `class_` means class."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
    )
    return Html(f"<{tag}{given}>{join(content)}</{tag}>")


def percent(share: float | None) -> str:
    """Returns 0.8731 as '87.31 %'."""
    return ABSENT if share is None else f"{100 * share:.2f} %"


def points(difference: float) -> str:
    """Returns a difference of shares, 0.012, as '+1.20' percentage points."""
    return _with_minus(f"{100 * difference:+.2f}")


def coefficient(value: float | None, is_signed: bool = False) -> str:
    """Returns a rank correlation, or a difference of two, as '0.56'."""
    if value is None:
        return ABSENT
    # Adding 0 makes one zero of both.
    return _with_minus(f"{round(value, 2) + 0.0:{'+' * is_signed}.2f}")


def interval(
    ci95: Sequence[float | None] | None,
    is_signed: bool = False,
    scale: float = 100,
) -> str:
    """Returns a 95 % interval in the digits of what it belongs to.

    Args:
      ci95: (low, high), or None as a whole or for both.
      is_signed: whether it is of a difference.
      scale: 100 for shares, to be read in percent or percentage points; 1 for
        coefficients.
    """
    if ci95 is None or None in ci95:
        return ABSENT
    return _with_minus(shown([scale * v for v in ci95], 2, is_signed))


def _with_minus(text: str) -> str:
    # A real minus sign is as wide as the plus.
    return text.replace("-", "\u2212")


def verdict(ci95: Sequence[float | None] | None) -> str:
    """Says what the 95 % interval of a paired difference shows."""
    low, high = ci95 or (None, None)
    if low is not None and low > 0:
        return "better"
    if high is not None and high < 0:
        return "worse"
    return "no difference shown"


def count(value: float | None) -> str:
    """Returns 60000 as '60,000'."""
    return ABSENT if value is None else f"{value:,.0f}"


def table(
    caption: object,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    num_text_columns: int = 1,
    row_classes: Sequence[str] | None = None,
) -> Html:
    """Returns a table that scrolls within its own box where it is too wide.

    Args:
      caption: Above it.
      columns: The heads.
      rows: Of cells; the first of each is the head of its row.
      num_text_columns: So many columns from the left hold words; the others
        hold numbers and stand to the right.
      row_classes: CSS class of each row.
    """

    def kind(place: int) -> dict[str, str]:
        return {} if place < num_text_columns else {"class_": "number"}

    head = element(
        "tr",
        *(
            element("th", name, scope="col", **kind(place))
            for place, name in enumerate(columns)
        ),
    )
    body = []
    for place, row in enumerate(rows):
        first, *rest = row
        cells = [element("th", first, scope="row")]
        cells += [
            element("td", cell, **kind(column))
            for column, cell in enumerate(rest, start=1)
        ]
        mark = {"class_": row_classes[place]} if row_classes else {}
        body.append(element("tr", *cells, **mark))
    return scroll_box(
        element(
            "table",
            element("caption", element("span", caption)),
            element("thead", head),
            element("tbody", *body),
        ),
        "table",
    )


def scroll_box(content: Html, label: str) -> Html:
    """Returns content that scrolls by itself, so that the page need not."""
    # Keys can scroll only what can have the focus.
    return element(
        "div",
        content,
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=label,
    )


def figure(content: object, caption: object, class_: str = "plot") -> Html:
    """Returns a figure with its caption below."""
    return element(
        "figure", content, element("figcaption", caption), class_=class_
    )


def wide(svg: str, label: str, caption: object = None) -> Html:
    """Returns a figure in its natural size, which scrolls where that is more.

    It is made a little smaller first, but stays legible.

    Args:
      svg: from `figures.style.inline_svg`.
      label: of what scrolls.
      caption: below it; None: the figure says it all.
    """
    box = scroll_box(Html(svg), label)
    if caption is None:
        return element("figure", box, class_="wide")
    return figure(box, caption, class_="wide")


def png(data: bytes, width: int, height: int, alt: str) -> Html:
    """Returns an image, held by the page itself."""
    source = base64.b64encode(data).decode()
    return Html(
        f'<img src="data:image/png;base64,{source}" width="{width}" '
        f'height="{height}" alt="{html.escape(alt)}">'
    )


def columns(narrowest: str, *content: object) -> Html:
    """Returns content side by side where each has the CSS width for it."""
    return element(
        "div", *content, class_="columns", style=f"--column: {narrowest}"
    )


def section(name: str, title: str, *content: object) -> Html:
    """Returns a section; `name` is its id."""
    return element(
        "section",
        element("h2", title, id=f"{name}-title"),
        *content,
        id=name,
        aria_labelledby=f"{name}-title",
    )


def document(title: str, header: Html, main: Html) -> str:
    """Returns the page as a whole."""
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, '
        'initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        # Else the browser asks for /favicon.ico.
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_CSS}</style>\n</head>\n"
        f"<body>\n<header>{header}</header>\n<main>{main}</main>\n"
        "</body>\n</html>\n"
    )
