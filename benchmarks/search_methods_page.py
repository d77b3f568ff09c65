"""The page and the figure of `benchmarks.search_methods`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from gtn_tf.figures.style import (
    LINES,
    WIDTH,
    add_note,
    in_theme,
    new_figure,
    save_twins,
)
from gtn_tf.runtime.files import write_atomically
from gtn_tf.statistics.intervals import shown

_TITLE = "# Search methods at equal seconds\n\n"
_MARK = "<!-- results: written by `python -m benchmarks.search_methods` -->\n"
#: Kinds of evaluators, those that are drawn first: as many as there are lines.
_KINDS = ("gtn", "real", "supernet", "ghn", "params", "naswot", "real_subset")
#: Space -> its operation without weights that searches are known to end in.
_SKIPS = {"nb201": "skip_connect", "cells": "identity"}


def write_page(path: Path, result: Mapping[str, Any]) -> None:
    """Writes the tables of a result below what a person has written there."""
    written = path.read_text() if path.exists() else _TITLE
    head = written.split(_MARK)[0]
    write_atomically(path, f"{head}{_MARK}\n{tables(result)}".encode())


def tables(result: Mapping[str, Any]) -> str:
    """Returns the tables of a result, as Markdown."""
    by_search: dict[tuple[str, str], list[dict]] = {}
    for row in result["searches"]:
        by_search.setdefault((row["strategy"], row["evaluator"]), []).append(
            row
        )
    strategies, top = result["strategies"], result["top"]
    percent = _percent(result)
    lines = [
        f"Space `{result['space']}`. Accuracy [%] of the pick, after "
        f"{result['seconds']:.0f} seconds in all or {result['proposals']} "
        f"proposals: of the {top} best by the evaluator the best by the "
        f"truth, `{result['truth']}`, mean ± standard deviation over seeds; in "
        "brackets different cells that were scored. The docstring of "
        "`benchmarks.search_methods` says what a search is charged; [all "
        "numbers](methods.json).",
        "",
        f"| evaluator | set-up, s | each, s | {' | '.join(strategies)} |",
        f"|{'---|' * (3 + len(strategies))}",
    ]
    for evaluator in dict.fromkeys(
        e for _, e in by_search if e in result["prices"]
    ):
        cells = [
            _cell(by_search.get((s, evaluator), []), percent)
            for s in strategies
        ]
        price = result["prices"][evaluator]
        lines.append(
            f"| {evaluator} | {price['setup']:.0f} | {price['price']:.3g} | "
            f"{' | '.join(cells)} |"
        )
    if any(by_search.get((name, "its own")) for name in result["coupled"]):
        lines += [
            "",
            "Searches that train weights of their own:",
            "",
            f"| method | best of its {top} | its first | skips in its first, "
            "each seed | seconds | seeds |",
            "|---|---|---|---|---|---|",
        ]
    for name in result["coupled"]:
        rows = by_search.get((name, "its own"), [])
        if rows:
            first = [percent * row["first"] for row in rows]
            picks = [percent * row["pick"] for row in rows]
            seconds = np.mean([row["seconds"][0] for row in rows])
            skip = _SKIPS[result["space"]]
            skips = [str(row["cells"][0].count(skip)) for row in rows]
            lines.append(
                f"| {name} | {_mean(picks)} | {_mean(first)} | "
                f"{', '.join(skips)} | {seconds:.0f} | {len(rows)} |"
            )
    ranks = result["ranking"]
    if ranks:
        lines += [
            "",
            f"How well the evaluators rank the {ranks['num_cells']} random "
            "cells that all have scored, with 95 % intervals, over cells:",
            "",
            "| evaluator | Spearman | Kendall | gtn - it, Spearman |",
            "|---|---|---|---|",
        ]
        for name, row in ranks["evaluators"].items():
            other = ranks["differences"].get(f"gtn - {name}")
            apart = "-"
            if other:
                apart = f"{other['spearman']:+.2f} {shown(other['ci95'], 2)}"
            lines.append(
                f"| {name} | {row['spearman']:.2f} "
                f"{shown(row['spearman_ci95'], 2)} | {row['kendall']:.2f} "
                f"{shown(row['kendall_ci95'], 2)} | {apart} |"
            )
    where = result["provenance"]
    lines += [
        "",
        "![Accuracy of the best so far against seconds](methods.png)",
        "",
        "The seconds of what trains its own weights were taken as they were, "
        "on a machine that other processes shared; prices are of the fastest "
        f"of {result['rounds']} rounds. Measured on {where['cpu']}, commit "
        f"{where['commit']}.",
        "",
    ]
    return "\n".join(lines)


def _percent(result: Mapping[str, Any]) -> float:
    """Returns what makes percent of a truth: tables hold them, shares else."""
    return 1.0 if result["truth"].startswith("table") else 100.0


def _kind(evaluator: str) -> str:
    return evaluator.partition(":")[0]


def _cell(rows: Sequence[Mapping[str, Any]], percent: float) -> str:
    known = [row for row in rows if row["pick"] is not None]
    if not known:
        return "-"
    number = np.mean([row["num_different"] for row in known])
    picks = [percent * row["pick"] for row in known]
    return f"{_mean(picks)} [{number:.0f}]"


def _mean(values: Sequence[float]) -> str:
    deviation = np.std(values, ddof=1) if len(values) > 1 else float("nan")
    return f"{np.mean(values):.2f} ± {deviation:.2f}"


def _at(grid: np.ndarray, row: Mapping[str, Any]) -> np.ndarray:
    """Returns the best at given seconds, NaN before the first."""
    places = np.searchsorted(row["seconds"], grid, "right")
    return np.array([np.nan, *row["truths"]])[places]


@in_theme
@matplotlib.rc_context({"axes.labelsize": 9, "axes.titlesize": 9})
def draw(path: Path, result: Mapping[str, Any]) -> None:
    """Draws the best so far against seconds, a panel per strategy."""
    strategies = result["strategies"]
    own = [row for row in result["searches"] if row["evaluator"] == "its own"]
    num_panels = len(strategies) + bool(own)
    figure = new_figure(WIDTH, 140.0 * num_panels + 60.0)
    panels = figure.subplots(
        *(num_panels, 1), sharex=True, sharey=True, squeeze=False
    )[:, 0]
    grid = np.linspace(0.0, result["seconds"], 400)
    percent = _percent(result)
    names = {row["evaluator"] for row in result["searches"]} - {"its own"}
    drawn = sorted(names, key=lambda name: _KINDS.index(_kind(name)))
    for panel, strategy in zip(panels, strategies, strict=False):
        for evaluator, line in zip(drawn, LINES, strict=False):
            runs = [
                _at(grid, row)
                for row in result["searches"]
                if (row["strategy"], row["evaluator"]) == (strategy, evaluator)
            ]
            if runs:
                colour, dashes, _ = line
                panel.plot(
                    grid,
                    percent * np.mean(runs, axis=0),
                    color=colour,
                    linestyle=dashes,
                    label=evaluator,
                )
        panel.set_title(strategy, loc="left")
    if own:
        _draw_own(panels[-1], own, percent)
    for panel in panels:
        panel.set_ylabel("accuracy [%]")
    if percent == 1.0:  # of NAS-Bench-201; the first cells are far below
        panels[0].set_ylim(85.0, 92.0)
    panels[0].legend(ncols=3, fontsize=8, loc="lower right")
    panels[-1].set_xlabel("seconds, set-up included")
    note = (
        f"Best true accuracy among the {result['top']} best cells by the "
        "evaluator so far; mean over seeds."
    )
    if own:
        note += " Below: a point for each seed, at its end."
    if drawn[len(LINES) :]:
        note += f" Not drawn: {', '.join(drawn[len(LINES) :])}."
    add_note(figure, note)
    save_twins(path, figure)


def _draw_own(
    panel: Axes, rows: Sequence[Mapping[str, Any]], percent: float
) -> None:
    names = dict.fromkeys(row["strategy"] for row in rows)
    for name, (colour, _, marker) in zip(names, LINES, strict=False):
        found = [row for row in rows if row["strategy"] == name]
        panel.plot(
            [row["seconds"][0] for row in found],
            [percent * row["pick"] for row in found],
            linestyle="none",
            marker=marker,
            color=colour,
            label=name,
        )
    panel.set_title("searches that train weights of their own", loc="left")
    panel.legend(ncols=len(names), fontsize=8, loc="lower right")
