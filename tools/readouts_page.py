"""The tables and the figure of `tools.readouts`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from gtn_tf.figures.style import (
    LINES,
    WIDTH,
    add_note,
    in_theme,
    new_figure,
    save_twins,
)
from gtn_tf.statistics.intervals import shown

Row = Mapping[str, Any]


def tables(kept: Row) -> str:
    """Returns readouts.json as Markdown."""
    rows = kept["rows"]
    trained = [row for row in rows if row["readout"]]
    sources = list(dict.fromkeys(row["source"] for row in trained))
    readouts = list(dict.fromkeys(row["readout"] for row in trained))
    by_place = {_place(row): row for row in rows}
    several = kept["num_gtns"] > 1
    lines = [
        f"Spearman with `{kept['truth']}` over {kept['num_architectures']} "
        "architectures, 95 % bootstrap intervals"
        + (
            f"; of the GTN the mean over {kept['num_gtns']} GTNs, lowest and "
            "highest below."
            if several
            else "."
        ),
        "",
        "![Spearman by readout](readouts.png)",
    ]
    frees = list(dict.fromkeys(row["free"] for row in trained))
    for free in frees:
        head = f"with {free}" if free else "readout"
        lines += [
            "",
            f"| {head} | {' | '.join(sources)} |",
            "|---" * (len(sources) + 1) + "|",
        ]
        for readout in readouts:
            cells = (
                _cell(by_place.get((source, readout, free)))
                for source in sources
            )
            lines.append(f"| {readout} | {' | '.join(cells)} |")
    lines += ["", "| without a training of its own | Spearman |", "|---|---|"]
    for row in rows:
        if not row["readout"]:
            lines.append(f"| {_named(row)} | {_cell(row)} |")
    lines += [
        "",
        f"| seconds of an architecture | {' | '.join(sources)} |",
        "|---" * (len(sources) + 1) + "|",
    ]
    for readout in readouts:
        found = (by_place.get((s, readout, "")) for s in sources)
        cells = (
            "-" if row is None else f"{row['seconds']:.1f}" for row in found
        )
        lines.append(f"| {readout} | {' | '.join(cells)} |")
    return "\n".join([*lines, *_gains(kept, sources), *_rivals(kept)]) + "\n"


def _cell(row: Row | None) -> str:
    if row is None or np.isnan(row["spearman"]):
        return "-"
    text = f"{row['spearman']:.2f} {shown(row['ci95'], 2)}"
    if len(row["of_each_gtn"]) > 1:
        text += " ({:.2f} to {:.2f})".format(
            min(row["of_each_gtn"]), max(row["of_each_gtn"])
        )
    return text


def _place(row: Row) -> tuple[str, str, str]:
    return row["source"], row["readout"], row["free"]


def _gains(kept: Row, sources: Sequence[str]) -> list[str]:
    """Returns what one source gains by another readout, paired."""
    found: dict[str, dict[str, str]] = {}
    for row in kept["differences"]:
        of, other = row["of"], row["and"]
        if (
            of["source"] == other["source"]
            and of["readout"] != other["readout"]
        ):
            name = f"{of['readout']} - {other['readout']}"
            found.setdefault(name, {})[of["source"]] = _apart(row)
    lines = [
        "",
        f"| what is gained by reading | {' | '.join(sources)} |",
        "|---" * (len(sources) + 1) + "|",
    ]
    return lines + [
        f"| {name} | {' | '.join(by.get(s, '-') for s in sources)} |"
        for name, by in found.items()
    ]


def _rivals(kept: Row) -> list[str]:
    """Returns how the GTN's best readouts compare with all else, paired."""
    rivals = [
        row
        for row in kept["differences"]
        if row["of"]["source"].startswith("gtn")
        and row["of"]["source"] != row["and"]["source"]
    ]
    asked = {_place(row["of"]) for row in rivals}
    rows = [row for row in kept["rows"] if _place(row) in asked]
    # The highest last, which stays.
    rows.sort(key=lambda row: row["spearman"])
    best = {(row["source"], row["free"]): _place(row) for row in rows}
    lines = [
        "",
        "The GTN's highest coefficients, against those of others that are read "
        "alike and of what needs no training; all pairs are in "
        "readouts.json.",
        "",
        "| difference of Spearman | | [95 %] |",
        "|---|---|---|",
    ]
    return lines + [
        f"| {_named(row['of'])} - {_named(row['and'])} | "
        f"{row['spearman']:+.2f} | {shown(row['ci95'], 2)} |"
        for row in rivals
        if _place(row["of"]) in best.values()
    ]


def _apart(row: Row) -> str:
    return f"{row['spearman']:+.2f} {shown(row['ci95'], 2)}"


def _named(read: Row) -> str:
    text = " ".join(filter(None, (read["source"], read["readout"])))
    return " + ".join(filter(None, (text, read["free"])))


@in_theme
@matplotlib.rc_context({"axes.labelsize": 9, "ytick.labelsize": 8})
def draw(path: Path, kept: Row) -> None:
    """Draws coefficients by readout, a mark per source."""
    trained = [row for row in kept["rows"] if row["readout"]]
    sources = list(dict.fromkeys(row["source"] for row in trained))
    readouts = list(dict.fromkeys(row["readout"] for row in trained))
    figure = new_figure(WIDTH, 120.0 + 62.0 * len(readouts))
    frees = list(dict.fromkeys(row["free"] for row in trained))
    panels = figure.subplots(1, len(frees), sharey=True, squeeze=False)[0]
    for panel, free in zip(panels, frees, strict=True):
        for number, source in enumerate(sources):
            of_source = [
                row
                for row in trained
                if (row["source"], row["free"]) == (source, free)
            ]
            offset = (number - (len(sources) - 1) / 2) * 0.17
            places = [readouts.index(r["readout"]) + offset for r in of_source]
            values = np.array([row["spearman"] for row in of_source])
            ends = np.array([row["ci95"] or (np.nan,) * 2 for row in of_source])
            colour, _, marker = LINES[number]
            panel.errorbar(
                *(values, places),
                xerr=np.abs(ends.T - values),
                color=colour,
                marker=marker,
                linestyle="none",
                label=source,
            )
        head = free.replace(" + ", ",\n")
        panel.set_title(f"with {head}" if free else "alone", loc="left")
        panel.set_xlabel("Spearman")
    panels[0].set_yticks(
        range(len(readouts)), [r.replace(", ", "\n") for r in readouts]
    )
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper left",
        ncols=2,
    )
    add_note(
        figure,
        f"{kept['num_architectures']} architectures, "
        f"{kept['num_gtns']} GTN; 95 % intervals over architectures.",
    )
    save_twins(path, figure)
