"""What a report says of a search: how well scores rank, and what was picked."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gtn_tf.figures import cells as cell_figures
from gtn_tf.figures import nb201 as nb201_figures
from gtn_tf.figures import search as search_figures
from gtn_tf.nas.results import SearchResults, num_scored
from gtn_tf.report.numbers import (
    ABSENT,
    coefficient,
    count,
    interval,
    percent,
    verdict,
)
from gtn_tf.report.page import Html, Table, Tile, render, scale_of, svg
from gtn_tf.report.results import Results
from gtn_tf.runtime.progress import duration

_INTERVAL = "95\u00a0% interval"


def search_section(results: Results) -> Html | None:
    """Evaluators against the truth, and the architecture that was selected."""
    search = results.search
    if search is None:
        return None
    ranking = search.ranking
    are_truths_known = bool(ranking["num_architectures"])
    return render(
        "search",
        introduction=_introduction(ranking),
        evaluators=_evaluators_table(ranking),
        differences=_differences_table(ranking),
        cost=_cost(ranking) if are_truths_known else None,
        panels=_panels(search) if are_truths_known else [],
        panels_note=search_figures.scatter_note(ranking),
        are_scores_missing=are_truths_known and search.scores is None,
        **_selected(search),
    )


def search_tiles(results: Results) -> list[Tile]:
    """Returns how well the scores rank, against every rival, and the pick."""
    if results.search is None:
        return []
    ranking = results.search.ranking
    name = _selects(ranking)
    row = ranking["evaluators"][name]
    more = f"{name}, over {count(ranking['num_architectures'])} architectures"
    if row["spearman_ci95"] is not None:
        more += f"; {_INTERVAL} {interval(row['spearman_ci95'], scale=1)}"
    tiles = [Tile("Rank correlation", coefficient(row["spearman"]), more)]
    for pair, gap in ranking["differences"].items():
        own, _, rival = pair.partition(" - ")
        if own == name:
            shown = interval(gap["ci95"], is_signed=True, scale=1)
            tiles.append(
                Tile(
                    f"Against {search_figures.short(rival)}",
                    coefficient(gap["spearman"], is_signed=True),
                    f"{_INTERVAL} {shown}",
                    "Spearman",
                    verdict(gap["ci95"]),
                )
            )
    selected = ranking["selected"]
    if selected is not None and selected.get("truth") is not None:
        more = f"its {ranking['truth']['evaluator']}"
        best = ranking["truth"].get("best")
        if best is not None:
            more += f"; the best of all has {_of_truth(best, ranking)}"
        value = _of_truth(selected["truth"], ranking)
        tiles.append(Tile(f"Selected by {name}", value, more))
    return tiles


def _selects(ranking: dict[str, Any]) -> str:
    """Returns the evaluator that selects."""
    first = next(iter(ranking["evaluators"]))
    found = (ranking["selected"] or {}).get("evaluator", first)
    return found if found in ranking["evaluators"] else first


def _of_truth(score: float | None, ranking: dict[str, Any]) -> str:
    """Writes a true score: an accuracy in percent, others as they are."""
    best = ranking["truth"].get("best")
    if score is None or (
        best is not None and search_figures.is_share(np.array([score, best]))
    ):
        return percent(score)
    return f"{score:.4g}"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _introduction(ranking: dict[str, Any]) -> str:
    truth, strategy = ranking["truth"], ranking.get("strategy", {})
    num_all, num_true = num_scored(ranking), ranking["num_architectures"]
    guide = strategy.get("guide")
    some = "" if num_all == num_true else f"{count(num_true)} of them "
    if guide is not None:
        some = f"the {count(num_true)} best of them "
    text = (
        f"{count(num_all)} architectures, {how_drawn(strategy)}, were scored "
        f"by {guide or 'each evaluator'} and {some}by {truth['evaluator']}, "
        f"whose score {'selects' if guide else 'counts as the truth'}"
    )
    seconds = truth.get("seconds_per_architecture")
    if seconds:
        text += f" and takes {duration(seconds)} each"
    if truth.get("num_failed"):
        text += f"; {count(truth['num_failed'])} failed in it and rank last"
    return f"{text}."


def how_drawn(strategy: dict[str, Any]) -> str:
    """Says how architectures were chosen; nothing in older rankings."""
    if strategy.get("name", "random") == "random":
        return "drawn at random"
    return (
        f"among {count(strategy['num_proposals'])} proposals of the strategy "
        f"{strategy['name']}"
    )


def _evaluators_table(ranking: dict[str, Any]) -> Table:
    subject = _selects(ranking)
    scale = scale_of(
        [
            (row["spearman"], row["spearman_ci95"])
            for row in ranking["evaluators"].values()
        ],
        0.0,
    )
    rows, classes = [], []
    for name, row in ranking["evaluators"].items():
        precision = row["precision_at_10"]
        rows.append(
            (
                name,
                coefficient(row["spearman"]),
                interval(row["spearman_ci95"], scale=1),
                scale.bar(row["spearman"], row["spearman_ci95"], zero=0.0),
                coefficient(row["kendall"]),
                coefficient(row["spearman_top_half"]),
                ABSENT if precision is None else _share(precision),
                _of_truth(row["best_of_top_5"], ranking),
                duration(row.get("seconds_per_architecture")),
                duration(row.get("setup_seconds")),
            )
        )
        classes.append("subject" if name == subject else "source")
    caption = (
        "How well scores rank: Spearman\u2019s and Kendall\u2019s coefficients "
        "against the truth; Spearman\u2019s in the half that the evaluator "
        "scores best; how many of the ten truly best are among its ten best"
    )
    number = ranking["num_architectures"]
    if number >= 10:
        caption += f" (chance gives {_share(10 / number)})"
    caption += "; the best truth among its five best."
    ends = f"{coefficient(scale.low)} to {coefficient(scale.high)}, line: 0"
    return Table(
        caption,
        [
            "evaluator",
            "Spearman",
            "95 % interval",
            ends,
            "Kendall",
            "top half",
            "precision at 10",
            "best of top 5",
            "per architecture",
            "set-up",
        ],
        rows,
        row_classes=classes,
    )


def _differences_table(ranking: dict[str, Any]) -> Table | None:
    differences = ranking["differences"]
    if not differences:
        return None
    scale = scale_of(
        [(gap["spearman"], gap["ci95"]) for gap in differences.values()], 0.0
    )
    rows = [
        (
            " \u2212 ".join(map(search_figures.short, name.split(" - "))),
            verdict(gap["ci95"]),
            coefficient(gap["spearman"], is_signed=True),
            interval(gap["ci95"], is_signed=True, scale=1),
            scale.bar(gap["spearman"], gap["ci95"], zero=0.0),
        )
        for name, gap in differences.items()
    ]
    low, high = (
        coefficient(v, is_signed=True) for v in (scale.low, scale.high)
    )
    return Table(
        "Paired differences of Spearman\u2019s coefficient over the same "
        "architectures; the verdict is on the first of the two.",
        [
            *("difference", "verdict", "Spearman", "95 % interval"),
            f"{low} to {high}, line: 0",
        ],
        rows,
        num_text_columns=2,
    )


def _panels(search: SearchResults) -> list[Html]:
    if search.scores is None:
        return []
    return [
        svg(
            search_figures.scatter_panel(search.scores, search.ranking, name),
            f"scatter-{place}",
            f"Scatter chart: true score against the score of {name}",
        )
        for place, name in enumerate(search.ranking["evaluators"])
    ]


def _cost(ranking: dict[str, Any]) -> Html:
    return svg(
        search_figures.cost_curve(ranking),
        "cost",
        "Chart: Spearman's coefficient of each evaluator, with its seconds",
    )


def _selected(search: SearchResults) -> dict[str, Any]:
    selected = search.ranking["selected"]
    if selected is None:
        return {"cells": [], "genotype": None}
    facts = f"Selected by {_selects(search.ranking)}: {selected['key']}"
    if selected.get("score") is not None:
        facts += f", score {selected['score']:.4g}"
    if selected.get("truth") is not None:
        facts += f", truth {_of_truth(selected['truth'], search.ranking)}"
    found = {"genotype": selected["genotype"], "selected_facts": facts}
    drawn = _drawn_cells(search)
    if not drawn:  # of a space of a person's own
        return {**found, "cells": []}
    # One above the other, unless they can stand almost as they were drawn.
    inches = 0.85 * max(figure.get_figwidth() for figure in drawn.values())
    cells = [
        (
            svg(figure, f"{kind}-cell", f"Diagram of the {kind} cell"),
            f"{kind} cell",
        )
        for kind, figure in drawn.items()
    ]
    return {
        **found,
        "cells": cells,
        "cells_width": f"{inches:.2f}in",
        "space": search.space,
    }


def _drawn_cells(search: SearchResults) -> dict[str, Figure]:
    """Returns pictures of the selected cells by kind."""
    found = search.selected
    if found is None:
        return {}
    if search.space == "nb201":
        return {"selected": nb201_figures.cell(found)}
    return {
        kind: cell_figures.cell(getattr(found, kind), f"{kind} cell")
        for kind in ("normal", "reduction")
    }
