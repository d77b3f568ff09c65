"""What a search left in a workdir: its ranking and the scores behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gtn_tf.config.evaluator_names import parts_of
from gtn_tf.nas.job_results import problem_of
from gtn_tf.nas.summary import with_rank_means
from gtn_tf.runtime.result_files import (
    damaged,
    is_interval,
    is_number,
    is_number_or_none,
    is_text,
    list_of,
    or_none,
    pair_of,
    read_checked,
    read_object,
)
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.nb201 import genotypes as nb201
from gtn_tf.search_spaces.protocol import Architecture
from gtn_tf.types import InputError

_COSTS = {
    **dict.fromkeys(
        ("seconds_per_architecture?", "setup_seconds?", "total_seconds?"),
        is_number_or_none,
    ),
    "gtn_digest?": or_none(is_text),
}
_EVALUATOR = {
    **dict.fromkeys(
        (
            *("spearman", "kendall", "spearman_top_half"),
            *("precision_at_10", "best_of_top_5"),
        ),
        is_number_or_none,
    ),
    "spearman_ci95": or_none(pair_of(is_number, is_number)),
    "num_scored?": is_number,
    **_COSTS,
}
_SELECTED = {
    "key": is_text,
    "genotype": is_text,
    "evaluator?": is_text,
    "score?": is_number_or_none,
    "truth?": is_number_or_none,
}
_RANKING = {
    "num_architectures": is_number,
    "truth": {
        "evaluator": is_text,
        "best?": is_number_or_none,
        "num_failed?": is_number,
        **_COSTS,
    },
    "evaluators": {"*": _EVALUATOR},
    "differences": {"*": {"spearman": is_number_or_none, "ci95": is_interval}},
    "selected": or_none(_SELECTED),
    "strategy?": {
        "name": is_text,
        "num_proposals": is_number,
        "num_different": is_number,
        "guide?": is_text,
    },
    "keys?": list_of(is_text),
    "found_seconds?": is_number_or_none,
}
#: Figures in search/, as far as there was something to draw.
PICTURES = ("scatter", "cost", "selected")
#: Space -> what reads its architectures, for pictures of them.
READERS = {"cells": Genotype.from_text, "nb201": nb201.from_text}
#: What tells jobs of one evaluator apart that were asked at different times.
_ASKED = ("budget", "gtn_digest")


class SearchResults(NamedTuple):
    """A finished search.

    Attributes:
      ranking: ranking.json.
      space: `search.space` of its architectures.
      selected: of the spaces in `READERS`, the selected architecture; None
        where every evaluation failed.
      scores: of the ranking, by evaluator and architecture, None for failures;
        None as a whole where search/results/ does not hold all of them, or, of
        a ranking that does not name its architectures, holds more.
      genotypes: of all architectures in search/results/, as text by key.
    """

    ranking: dict[str, Any]
    space: str
    selected: Architecture | None
    scores: dict[str, dict[str, float | None]] | None
    genotypes: dict[str, str]


def num_scored(ranking: Mapping[str, Any]) -> int:
    """Returns how many architectures were scored, truth or not."""
    number = ranking["num_architectures"]
    rows = ranking["evaluators"].values()
    return max(row.get("num_scored", number) for row in rows)


def pick_seconds(
    ranking: Mapping[str, Any], evaluator: str, by_truth: bool
) -> float | None:
    """Returns the seconds of all that led to a pick; None: not known.

    They are the strategy's own, those of what told it scores, the evaluator's
    and, where it selects, the truth's.

    Args:
      ranking: ranking.json.
      evaluator: whose pick it is.
      by_truth: whether the truth selected it among the evaluator's best.
    """
    rows = ranking["evaluators"]
    names = parts_of(evaluator) or (evaluator,)
    if ranking.get("strategy", {}).get("adapts"):
        names = (*names, next(iter(rows)))
    led_by = [rows.get(name, {}) for name in dict.fromkeys(names)]
    if by_truth:
        led_by.append(ranking["truth"])
    total, trained_first = ranking.get("found_seconds") or 0.0, set()
    for row in led_by:
        if row.get("total_seconds") is None:
            return None
        total += row["total_seconds"]
        digest = row.get("gtn_digest")
        if digest in trained_first:  # it serves both
            total -= row.get("setup_seconds") or 0.0
        trained_first |= {digest} - {None}
    return total


def read_search(workdir: Path) -> SearchResults | None:
    """Reads a workdir's search; None where it has none that has finished.

    Raises:
      InputError: a file is damaged.
    """
    path = workdir / "search" / "ranking.json"
    ranking = read_checked(path, _RANKING)
    if ranking is None:
        return None
    if not ranking["evaluators"]:
        raise damaged(path, "no evaluators")
    selected = ranking["selected"]
    # Rankings were of cells before there were other spaces.
    asked = ranking.get("config", {}).get("search", {})
    space = asked.get("space", "cells")
    try:
        architecture = None
        if selected is not None and space in READERS:
            architecture = READERS[space](selected["genotype"])
    except InputError as error:
        raise damaged(path, "its 'selected.genotype' is none") from error
    results = read_results(workdir)
    texts = {r["genotype_key"]: r["genotype"] for r in results}
    scores = _scores(results, ranking)
    return SearchResults(ranking, space, architecture, scores, texts)


def read_results(workdir: Path) -> list[dict[str, Any]]:
    """Reads the jobs that are done, of a search that may still run.

    Raises:
      InputError: a file is damaged.
    """
    results = []
    for path in sorted(workdir.glob("search/results/*.json")):
        result = read_object(path)
        if problem_of(path.stem, result):
            raise damaged(path, "not the result of the job in its name")
        results.append(result)
    return results


def _scores(
    results: Iterable[Mapping[str, Any]], ranking: Mapping[str, Any]
) -> dict[str, dict[str, float | None]] | None:
    truth = ranking["truth"]["evaluator"]
    num_true = ranking["num_architectures"]
    rows = {**ranking["evaluators"], truth: ranking["truth"]}
    scores: dict[str, dict[str, float | None]] = {name: {} for name in rows}
    keys = ranking.get("keys")  # older ones have none
    ranked = {name: set(keys or ()) for name in rows}
    ranked[truth] = set((keys or ())[:num_true])
    for result in results:
        name, key = result["evaluator"], result["genotype_key"]
        row = rows.get(name)
        if (
            row is not None
            and all(row[f] == result[f] for f in _ASKED if f in row)
            and (keys is None or key in ranked[name])
        ):
            scores[name][key] = result["score"]
    scores = with_rank_means(scores, list(rows))
    needed = scores[truth].keys() if keys is None else set(keys)
    is_whole = len(scores[truth]) == num_true and all(
        needed <= scores[name].keys() for name in ranking["evaluators"]
    )
    return scores if is_whole else None
