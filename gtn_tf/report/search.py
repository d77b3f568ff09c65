"""What a report says of a search: how well scores rank, and what was picked."""

from __future__ import annotations

from typing import Any

import numpy as np

from gtn_tf.figures import (
    cells as cell_figures,
)
from gtn_tf.figures import (
    search as search_figures,
)
from gtn_tf.figures import (
    style as figure_style,
)
from gtn_tf.nas.results import SearchResults, num_scored
from gtn_tf.report.page import (
    ABSENT,
    Html,
    coefficient,
    columns,
    count,
    element,
    figure,
    interval,
    join,
    percent,
    section,
    table,
    verdict,
    wide,
)
from gtn_tf.report.results import Results
from gtn_tf.runtime.progress import duration


def search_section(results: Results) -> Html | None:
    """Evaluators against the truth, and the architecture that was selected."""
    search = results.search
    if search is None:
        return None
    return section(
        "search",
        "Architecture search",
        _introduction(search.ranking),
        _evaluators_table(search.ranking),
        _scatter(search),
        columns(
            "25rem",
            element("div", _differences_table(search.ranking)),
            _cost(search.ranking),
        ),
        _selected(search),
    )


def search_cards(results: Results) -> list[tuple]:
    """Returns name, value and more of the numbers that a reader comes for."""
    if results.search is None:
        return []
    ranking = results.search.ranking
    name = _selects(ranking)
    row = ranking["evaluators"][name]
    more = f"{name}, over {count(ranking['num_architectures'])} architectures"
    if row["spearman_ci95"] is not None:
        more += (
            f"; 95\u00a0% interval {interval(row['spearman_ci95'], scale=1)}"
        )
    cards = [("Rank correlation", coefficient(row["spearman"]), more)]
    selected = ranking["selected"]
    if selected is not None and selected.get("truth") is not None:
        more = f"its {ranking['truth']['evaluator']}"
        best = ranking["truth"].get("best")
        if best is not None:
            more += f"; the best of all has {_of_truth(best, ranking)}"
        value = _of_truth(selected["truth"], ranking)
        cards.append((f"Selected by {name}", value, more))
    return cards


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


def _introduction(ranking: dict[str, Any]) -> Html:
    truth = ranking["truth"]
    num_all, num_true = num_scored(ranking), ranking["num_architectures"]
    some = "" if num_all == num_true else f"{count(num_true)} of them "
    text = (
        f"{count(num_all)} architectures, drawn at random, were scored by "
        f"each evaluator and {some}by {truth['evaluator']}, whose score counts "
        "as the truth"
    )
    seconds = truth.get("seconds_per_architecture")
    if seconds:
        text += f" and takes {duration(seconds)} each"
    if truth.get("num_failed"):
        text += f"; {count(truth['num_failed'])} failed in it and rank last"
    return element("p", f"{text}.")


def _evaluators_table(ranking: dict[str, Any]) -> Html:
    subject = _selects(ranking)
    rows, classes = [], []
    for name, row in ranking["evaluators"].items():
        precision = row["precision_at_10"]
        rows.append(
            (
                name,
                coefficient(row["spearman"]),
                interval(row["spearman_ci95"], scale=1),
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
    return table(
        caption,
        [
            "evaluator",
            "Spearman",
            "95 % interval",
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


def _differences_table(ranking: dict[str, Any]) -> Html:
    rows = [
        (
            " \u2212 ".join(map(search_figures.short, name.split(" - "))),
            verdict(difference["ci95"]),
            coefficient(difference["spearman"], is_signed=True),
            interval(difference["ci95"], is_signed=True, scale=1),
        )
        for name, difference in ranking["differences"].items()
    ]
    if not rows:
        return Html()
    return table(
        "Paired differences of Spearman\u2019s coefficient over the same "
        "architectures; the verdict is on the first of the two.",
        ["difference", "verdict", "Spearman", "95 % interval"],
        rows,
        num_text_columns=2,
    )


def _scatter(search: SearchResults) -> Html:
    if not search.ranking["num_architectures"]:
        return Html()
    if search.scores is None:
        return element(
            "p",
            "The scores are not drawn: those in search/results/ are not all "
            "that, or not just what, the ranking is of. --mode=search with "
            "the config of the ranking writes both anew.",
        )
    svg = figure_style.inline_svg(
        search_figures.scatter(search.scores, search.ranking),
        "scatter",
        "Scatter charts: true score against score, by evaluator",
    )
    caption = "Truth against score, one point per architecture."
    return wide(svg, "scatter", caption)


def _cost(ranking: dict[str, Any]) -> Html:
    if not ranking["num_architectures"]:
        return Html()
    svg = figure_style.inline_svg(
        search_figures.cost_curve(ranking),
        "cost",
        "Chart: Spearman's coefficient against seconds, by evaluator",
    )
    caption = (
        "What ranking costs; bars are 95 % intervals. "
        "Evaluators without a coefficient are left out."
    )
    return figure(Html(svg), caption)


def _selected(search: SearchResults) -> Html:
    selected = search.ranking["selected"]
    if selected is None or search.selected is None:
        return element("p", "No architecture was selected: all failed.")
    drawn = {
        "normal": cell_figures.cell(search.selected.normal, "normal cell"),
        "reduction": cell_figures.cell(
            search.selected.reduction, "reduction cell"
        ),
    }
    drawings = [
        wide(
            figure_style.inline_svg(
                figure, f"{kind}-cell", f"Diagram of the {kind} cell"
            ),
            f"{kind} cell",
        )
        for kind, figure in drawn.items()
    ]
    # One above the other, unless they can stand almost as they were drawn.
    inches = 0.85 * max(figure.get_figwidth() for figure in drawn.values())
    facts = f"Selected by {_selects(search.ranking)}: {selected['key']}"
    if selected.get("score") is not None:
        facts += f", score {selected['score']:.4g}"
    if selected.get("truth") is not None:
        facts += f", truth {_of_truth(selected['truth'], search.ranking)}"
    return join(
        [
            element("h3", "The selected architecture"),
            element(
                "p",
                f"{facts}. A node adds up what its two operations make; the "
                "output concatenates. The input ",
                element("code", "c[k-1]"),
                " is the cell before, ",
                element("code", "c[k-2]"),
                " the one before that; what does not reach the output is pale.",
            ),
            columns(f"{inches:.2f}in", *drawings),
            element("pre", selected["genotype"], tabindex="0"),
        ]
    )
