"""What a search found, as data and as lines; imports no TensorFlow."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gtn_tf.config.evaluator_names import parts_of
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.statistics.intervals import shown
from gtn_tf.statistics.picks import best_keys
from gtn_tf.statistics.rank_mean import rank_mean
from gtn_tf.statistics.ranking import ranking

_SECONDS_PER_DAY = 86400.0

Scores = dict[str, dict[str, float | None]]


def scores_by_evaluator(
    results: Iterable[Mapping[str, Any] | None],
) -> Scores:
    """Returns scores by evaluator and architecture; None are failures."""
    scores: Scores = {}
    for result in results:
        if result is not None:
            of_evaluator = scores.setdefault(result["evaluator"], {})
            of_evaluator[result["genotype_key"]] = result["score"]
    return scores


def with_rank_means(scores: Scores, evaluators: Sequence[str]) -> Scores:
    """Returns the scores, and of means of ranks those that parts give."""
    return scores | {
        name: rank_mean([scores.get(part, {}) for part in parts_of(name)])
        for name in evaluators
        if parts_of(name)
    }


def summarize(
    results: Sequence[Mapping[str, Any]],
    evaluators: Sequence[str],
    truth: str,
    setup_seconds: Mapping[str, float],
) -> tuple[Scores, dict[str, Any]]:
    """Ranks.

    Args:
      results: of all jobs, as stored.
      evaluators: their names, the first one selects.
      truth: the name of the truth.
      setup_seconds: by evaluator, 0 where absent.

    Returns:
      Scores by evaluator and architecture, and the content of ranking.json.
    """
    found = with_rank_means(scores_by_evaluator(results), evaluators)
    scores = {name: found.get(name, {}) for name in (*evaluators, truth)}
    costs = {
        name: _costs(
            [result for result in results if result["evaluator"] == name],
            setup_seconds.get(name, 0.0),
        )
        for name in scores
        if not parts_of(name)
    }
    for name in evaluators:
        if parts_of(name):
            costs[name] = _sum_of_costs([costs[p] for p in parts_of(name)])
    genotypes = {r["genotype_key"]: r["genotype"] for r in results}
    return scores, ranking(scores, truth, costs, genotypes)


def describe_search(
    spec: SearchSpec,
    results: Sequence[Mapping[str, Any]],
    scores: Scores,
    ranked: dict[str, Any],
    adapts: bool,
) -> None:
    """Adds to `ranked` what was scored, how, and what the truth selects.

    `keys` are of all architectures, those with a truth first. Where there is a
    guide, the best truth among its best is selected; what the guide selects,
    where no truth is known.
    """
    first = spec.evaluators[0]
    # A workdir may hold the scores of more: of an earlier, larger search.
    ranked["keys"] = list({**scores[spec.truth], **scores[first]})
    ranked["strategy"] = {
        "name": spec.strategy,
        "adapts": adapts,
        "num_proposals": spec.num_architectures,
        "num_different": len(scores[first]),
    }
    if spec.guide is None:
        return
    ranked["strategy"]["guide"] = spec.guide
    true_scores = scores[spec.truth]
    genotypes = {r["genotype_key"]: r["genotype"] for r in results}
    for key in best_keys(true_scores, 1):
        if true_scores[key] is not None:
            ranked["selected"] = {
                "key": key,
                "genotype": genotypes[key],
                "evaluator": first,
                "score": scores[first][key],
                "truth": true_scores[key],
            }


def _costs(
    results: Sequence[Mapping[str, Any]], setup_seconds: float
) -> dict[str, Any]:
    """Returns what one evaluator cost; failures cost their seconds too."""
    spent = [dict(result["seconds"]) for result in results]
    # Once per process: no two processes take the same, to the nanosecond.
    setup_seconds += sum({s.pop("setup", 0.0) for s in spent})
    totals = [sum(seconds.values()) for seconds in spent]
    total = sum(totals) + setup_seconds
    return {
        # What was asked of it: it tells these results from earlier ones.
        "budget": results[0]["budget"] if results else None,
        "gtn_digest": results[0]["gtn_digest"] if results else None,
        "seconds_per_architecture": (
            statistics.fmean(totals) if totals else None
        ),
        "seconds": {
            part: statistics.fmean(s.get(part, 0.0) for s in spent)
            for part in sorted({part for s in spent for part in s})
        },
        "setup_seconds": setup_seconds,
        "total_seconds": total,
        "device_days": total / _SECONDS_PER_DAY,
    }


def _sum_of_costs(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the costs of a mean of ranks: of its parts, done one by one."""
    each = [part["seconds_per_architecture"] for part in parts]
    spent = [part["seconds"] for part in parts]
    return {
        "budget": [part["budget"] for part in parts],
        "gtn_digest": next(
            (part["gtn_digest"] for part in parts if part["gtn_digest"]), None
        ),
        "seconds_per_architecture": None if None in each else sum(each),
        "seconds": {
            name: sum(seconds.get(name, 0.0) for seconds in spent)
            for name in sorted({name for seconds in spent for name in seconds})
        },
        **{
            name: sum(part[name] for part in parts)
            for name in ("setup_seconds", "total_seconds", "device_days")
        },
    }


def evaluator_table(ranked: Mapping[str, Any]) -> str:
    """Returns ranking.json as lines for a terminal."""
    truth = ranked["truth"]
    width = max(map(len, (*ranked["evaluators"], "evaluator")))
    first = next(iter(ranked["evaluators"]))
    lines = [
        f"{ranked['num_architectures']} architectures against "
        f"{truth['evaluator']} ({_number(truth['seconds_per_architecture'])} "
        "s each)",
        f"{'evaluator':{width}} {'Spearman [95 %]':>20} {'tau':>6} "
        f"{'top half':>8} {first + ' - it [95 %]':>22} {'s each':>8} "
        f"{'set-up':>8} {'days':>8}",
    ]
    for name, row in ranked["evaluators"].items():
        difference = ranked["differences"].get(f"{first} - {name}")
        lines.append(
            f"{name:{width}} {_with_range(row, 'spearman_ci95'):>20} "
            f"{_signed(row['kendall']):>6} "
            f"{_signed(row['spearman_top_half']):>8} "
            f"{_with_range(difference, 'ci95'):>22} "
            f"{_number(row['seconds_per_architecture']):>8} "
            f"{_number(row['setup_seconds']):>8} "
            f"{_number(row['device_days']):>8}"
            + (f"  {row['num_failed']} failed" if row["num_failed"] else "")
        )
    return "\n".join(lines)


def best_table(
    scores: Scores, evaluators: Sequence[str], truth: str, number: int
) -> str:
    """Returns the best by the first evaluator as lines, '' if none is known."""
    first, *others = evaluators
    scores = with_rank_means(scores, evaluators)
    if not scores.get(first):
        return ""
    columns = [first, *others, truth]
    widths = [max(len(name), 9) for name in columns]
    heads = " ".join(
        f"{name:>{width}}" for name, width in zip(columns, widths, strict=True)
    )
    lines = [f"{'best':16} {heads}"]
    for key in best_keys(scores[first], number):
        cells = (scores.get(name, {}).get(key) for name in columns)
        lines.append(
            f"{key:16} "
            + " ".join(
                f"{_number(value):>{width}}"
                for value, width in zip(cells, widths, strict=True)
            )
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _with_range(row: Mapping[str, Any] | None, interval: str) -> str:
    if row is None or row["spearman"] is None:
        return "-"
    return f"{row['spearman']:.2f} {shown(row[interval], 2)}"
