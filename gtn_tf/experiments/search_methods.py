"""Which search, led by which evaluator, finds the best in given seconds?

Every strategy of `evaluation.strategies` proposes until its seconds are spent,
`evaluation.search_seconds`, or `search.num_architectures` are proposed; each of
`search.evaluators` leads each of them. Of the `search.select_top` best by the
evaluator the truth, `search.truth`, selects one: it is a table's, or has to be
trained, and is not charged. What is charged is the evaluator's set-up once, and
its price for every different architecture.

* An evaluator's score does not depend on who asks. So each is found once, in
  `search/results` of the experiment's folder, and charged to every search that
  asks for it: strategies and seeds are replayed on the same scores. All of them
  are in `scores.csv`.
* Prices, means over the same three architectures, the faster of two rounds, are
  measured once, in `prices.json`, and again where the config or a GTN has
  changed. Remove the file to measure them again; scores stay. What a strategy
  itself takes, as the networks that `nao` trains, is not charged.
* The set-up of `supernet` and `ghn` is their number of steps by the price of
  one; that of `gtn` is its meta-training's.
* Searches that train weights of their own, such as `darts`, run to their end:
  `evaluation.search_seconds` does not stop them. Their seconds are told.
* Seeds are of strategies: there is one GTN, one supernet and one hypernetwork.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.experiments.experiment import Experiment
from gtn_tf.figures.search import is_share
from gtn_tf.figures.style import (
    LINES,
    WIDTH,
    add_note,
    in_theme,
    new_figure,
)
from gtn_tf.statistics.intervals import shown

Row = Mapping[str, Any]

#: Kinds of evaluators, those that are drawn first: as many as there are lines.
_KINDS = ("gtn", "real", "supernet", "ghn", "params", "naswot", "real_subset")
#: Space -> its operation without weights that searches are known to end in.
_SKIPS = {"nb201": "skip_connect", "cells": "identity"}
_NAME_WIDTH = 22


def run(config: config_dict.ConfigDict, folder: Path) -> dict[str, Any]:
    """Returns prices, what each search found, and how evaluators rank.

    `searches` have `strategy`, `evaluator` (None: it trains weights of its own)
    and `seed`; `seconds` and `truths`, the best accuracy after each; `pick`,
    the last of them; and `num_different` architectures that were scored.
    `ranking` is of what random searches by all evaluators have scored, where
    the truth is a table.
    """
    from gtn_tf.experiments.search_methods_trials import (  # TensorFlow
        run_searches,
    )

    return run_searches(config, folder)


def table(result: dict) -> str:
    """Returns what was found, by strategy and evaluator, and how they rank."""
    guided, own = _by_search(result)
    strategies = list(dict.fromkeys(strategy for strategy, _ in guided))
    percent = _percent(result)
    lines = [
        f"{result['space']}: accuracy [%] of the pick after "
        f"{result['seconds']:.0f} seconds or {result['num_proposals']} "
        f"proposals, the best of {result['select_top']} by "
        f"{result['truth']}; mean +- standard deviation over seeds, and "
        "different architectures that were scored",
        f"{'evaluator':{_NAME_WIDTH}}{'set-up':>7}{'each':>9}"
        + "".join(f"{name:>19}" for name in strategies),
    ]
    for evaluator, price in result["prices"].items():
        cells = [
            _cell(guided.get((s, evaluator), []), percent) for s in strategies
        ]
        lines.append(
            f"{evaluator:{_NAME_WIDTH}}{price['setup']:>7.0f}"
            f"{price['price']:>9.3g}" + "".join(f"{cell:>19}" for cell in cells)
        )
    if own:
        lines.append(
            f"{'weights of their own':{_NAME_WIDTH}}{'to their end, s':>16}"
            f"{'best of its top':>19}{'its first':>19}  skips in its first, by "
            "seed"
        )
    skip = _SKIPS.get(result["space"])
    for name, rows in own.items():
        ends = [row["seconds"][0] for row in rows]
        seconds = " to ".join(
            dict.fromkeys(f"{end:.0f}" for end in (min(ends), max(ends)))
        )
        picks, firsts = (
            _mean([percent * row[key] for row in rows if row[key] is not None])
            for key in ("pick", "first")
        )
        skips = [
            str(row["cells"][0].count(skip)) if skip else "-" for row in rows
        ]
        lines.append(
            f"{name:{_NAME_WIDTH}}{seconds:>16}{picks:>19}{firsts:>19}  "
            f"{' '.join(skips)}"
        )
    return "\n".join([*lines, *_ranks(result["ranking"], result["prices"])])


def _ranks(ranking: Row, evaluators: Iterable[str]) -> list[str]:
    if not ranking:
        return []
    left_out = [n for n in evaluators if n not in ranking["evaluators"]]
    first = next(iter(ranking["evaluators"]))
    lines = [
        f"ranks of the {ranking['num_cells']} that all have scored, 95 % "
        "intervals over them",
        f"{'evaluator':{_NAME_WIDTH}}{'Spearman':22}{'Kendall':22}"
        f"{first} - it, Spearman",
    ]
    for name, row in ranking["evaluators"].items():
        gap = ranking["differences"].get(f"{first} - {name}")
        apart = (
            f"{gap['spearman']:+.2f} {shown(gap['ci95'], 2)}" if gap else "-"
        )
        ranks = [
            f"{row[key]:.2f} {shown(row[f'{key}_ci95'], 2)}"
            for key in ("spearman", "kendall")
        ]
        lines.append(f"{name:{_NAME_WIDTH}}{ranks[0]:22}{ranks[1]:22}{apart}")
    if left_out:
        lines.append(f"too long a set-up to score any: {', '.join(left_out)}")
    return lines


def _by_search(
    result: Row,
) -> tuple[dict[tuple[str, str], list[Row]], dict[str, list[Row]]]:
    """Returns searches by strategy and evaluator, and those of own weights."""
    guided: dict[tuple[str, str], list[Row]] = {}
    own: dict[str, list[Row]] = {}
    for row in result["searches"]:
        if row["evaluator"] is None:
            own.setdefault(row["strategy"], []).append(row)
        else:
            key = row["strategy"], row["evaluator"]
            guided.setdefault(key, []).append(row)
    return guided, own


def _percent(result: Row) -> float:
    """Returns what makes percent of a truth: some tables hold it already."""
    picks = [row["pick"] for row in result["searches"]]
    known = [pick for pick in picks if pick is not None]
    return 100.0 if is_share(np.array(known)) else 1.0


def _kind(evaluator: str) -> str:
    return evaluator.partition(":")[0]


def _cell(rows: Sequence[Row], percent: float) -> str:
    picks = [percent * row["pick"] for row in rows if row["pick"] is not None]
    if not picks:
        return "-"
    number = np.mean([row["num_different"] for row in rows])
    return f"{_mean(picks)} {number:>4.0f}"


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} +-{np.std(values, ddof=1):.2f}"


def _at(grid: np.ndarray, row: Row) -> np.ndarray:
    """Returns the best at given seconds, NaN before the first."""
    places = np.searchsorted(row["seconds"], grid, "right")
    return np.array([np.nan, *row["truths"]], float)[places]


@in_theme
@matplotlib.rc_context({"axes.labelsize": 9, "axes.titlesize": 9})
def figure(result: dict) -> Figure:
    """Draws the best so far against seconds, a panel per strategy."""
    guided, own = _by_search(result)
    strategies = list(dict.fromkeys(strategy for strategy, _ in guided))
    num_panels = len(strategies) + bool(own)
    figure = new_figure(WIDTH, 140.0 * num_panels + 60.0)
    panels = figure.subplots(num_panels, 1, squeeze=False)[:, 0]
    led = panels[: len(strategies)]
    for panel in led[1:]:
        panel.sharex(led[0])
        panel.sharey(led[0])
    percent = _percent(result)
    drawn = sorted(result["prices"], key=_place)
    rows = [row for found in guided.values() for row in found]
    # Else true accuracies are known of the ends alone.
    has_curves = any(len(row["seconds"]) > 1 for row in rows)
    for panel, strategy in zip(led, strategies, strict=True):
        for evaluator, line in zip(drawn, LINES, strict=False):
            runs = [
                row
                for row in guided.get((strategy, evaluator), [])
                if row["seconds"]
            ]
            if runs and not has_curves:
                _draw_ends(panel, runs, percent, line, evaluator)
            elif runs:
                colour, dashes, marker = line
                end = max(row["seconds"][-1] for row in runs)
                grid = np.linspace(0.0, end, 400)
                panel.plot(
                    grid,
                    percent * np.mean([_at(grid, row) for row in runs], axis=0),
                    color=colour,
                    linestyle=dashes,
                    marker=marker,
                    markevery=[-1],
                    label=evaluator,
                )
        panel.set_title(strategy, loc="left")
    if own:
        _draw_own(panels[-1], own, percent)
    for panel in panels:
        panel.set_ylabel("accuracy [%]")
    picks = [percent * row["pick"] for row in rows if row["pick"] is not None]
    if picks and has_curves:  # the first cells may be far below
        room = 0.5 + (max(picks) - min(picks)) / 2
        panels[0].set_ylim(min(picks) - 2 * room, max(picks) + room / 2)
    named: dict[str, Any] = {}
    for panel in led:
        handles, labels = panel.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(
        named.values(), named, loc="outside upper left", ncols=3, fontsize=9
    )
    panels[-1].set_xlabel("seconds, set-up included")
    among = f"among the {result['select_top']} best by the evaluator"
    note = f"Best true accuracy {among}; a point for each seed."
    if has_curves:
        ends = " Below: a point for each seed, at its end." * bool(own)
        note = (
            f"Best true accuracy {among} so far; mean over seeds, to the last "
            f"one's end.{ends}"
        )
    if drawn[len(LINES) :]:
        note += f" Not drawn: {', '.join(drawn[len(LINES) :])}."
    add_note(figure, note)
    return figure


def _place(evaluator: str) -> tuple[int, str]:
    kind = _kind(evaluator)
    known = kind in _KINDS
    return (_KINDS.index(kind) if known else len(_KINDS), evaluator)


def _draw_ends(
    panel: Axes,
    rows: Sequence[Row],
    percent: float,
    line: tuple[str, str, str],
    name: str,
) -> None:
    colour, _, marker = line
    panel.plot(
        [row["seconds"][-1] for row in rows],
        np.array([row["pick"] for row in rows], float) * percent,
        linestyle="none",
        marker=marker,
        color=colour,
        label=name,
    )


def _draw_own(
    panel: Axes, own: Mapping[str, Sequence[Row]], percent: float
) -> None:
    for (name, rows), line in zip(own.items(), LINES, strict=False):
        _draw_ends(panel, rows, percent, line, name)
    panel.set_title("weights of their own", loc="left")
    panel.legend(  # beside the title: points may be anywhere
        ncols=len(own),
        fontsize=9,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.0,
    )


EXPERIMENT = Experiment(
    question=(
        "Which search, led by which evaluator, finds the best architecture in "
        "given seconds?"
    ),
    run=run,
    table=table,
    figure=figure,
)
