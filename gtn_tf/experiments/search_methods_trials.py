"""The searches of the experiment `search_methods`."""

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.config.evaluator_names import parse_evaluator
from gtn_tf.experiments.charged_search import best_of, run_search
from gtn_tf.experiments.method_prices import measure_prices
from gtn_tf.experiments.method_scores import Scores
from gtn_tf.nas.kept_proposals import kept_proposals
from gtn_tf.nas.proposals import Proposal
from gtn_tf.nas.search import make_strategy
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import strategy_options
from gtn_tf.nas.strategies.strategy import Coupled, Strategy
from gtn_tf.nas.weight_training import open_source
from gtn_tf.runtime.files import (
    read_json,
    to_json,
    write_atomically,
    write_json,
)
from gtn_tf.runtime.interrupts import Stopped, catch_signals
from gtn_tf.runtime.progress import Progress, say
from gtn_tf.statistics.picks import best_keys
from gtn_tf.statistics.ranking import ranking
from gtn_tf.types import InputError

_NUM_ENAS_DRAWS = 50


def run_searches(
    config: config_dict.ConfigDict, folder: Path
) -> dict[str, Any]:
    """Returns what all searches found; see the experiment's `run`.

    Raises:
      InputError: an evaluator or a strategy does not fit the space; there is a
        guide; a mean of ranks is to lead a search; or none is to be selected.
      Stopped: by a signal; what is scored is kept.
    """
    caught: list[int] = []
    with catch_signals(caught):
        try:
            return _run(config, folder, caught)
        except Stopped:
            say("stopped; the same command goes on")
            raise


def _run(
    config: config_dict.ConfigDict, folder: Path, caught: list[int]
) -> dict[str, Any]:
    if config.search.guide is not None:
        raise InputError(
            f"search.guide is {config.search.guide!r}; expected None, as each "
            "of search.evaluators leads searches; set "
            "--config.search.guide=None"
        )
    for name in config.search.evaluators:
        if parse_evaluator(name).kind == "rank_mean":
            raise InputError(
                f"search.evaluators has {name!r}; expected evaluators whose "
                "score of an architecture is its own, to lead searches; leave "
                "it out"
            )
    if config.search.select_top < 1:
        raise InputError(
            f"search.select_top is {config.search.select_top}; expected at "
            "least 1, as the pick of a search is the best of so many; set "
            "--config.search.select_top=1"
        )
    scores = Scores(config, folder, caught)
    strategies = {
        name: _strategy(name, config, scores)
        for name in config.evaluation.strategies
    }
    is_led = any(not isinstance(s, Coupled) for s in strategies.values())
    prices = _prices(scores, folder / "prices.json") if is_led else {}
    found = list(_searches(config, strategies, scores, prices))
    write_atomically(folder / "scores.csv", scores.to_csv())
    return {
        "space": scores.worker.spec.space,
        "truth": scores.truth,
        "seconds": config.evaluation.search_seconds,
        "num_proposals": config.search.num_architectures,
        "select_top": config.search.select_top,
        "prices": prices,
        "searches": [
            {k: v for k, v in row.items() if k != "keys"} for row in found
        ],
        "ranking": _ranking(found, scores),
    }


def _strategy(
    name: str, config: config_dict.ConfigDict, scores: Scores
) -> Strategy | Coupled:
    spec = dataclasses.replace(
        scores.worker.spec,
        strategy=name,
        strategy_options=strategy_options(config.search, name),
    )
    strategy = make_strategy(spec)
    if isinstance(strategy, Coupled):
        return strategy
    return kept_proposals(strategy, spec, scores.workdir)


def _prices(scores: Scores, path: Path) -> dict[str, dict[str, float]]:
    """Returns those in the file, or measures them where it is of others.

    They depend on all that is asked: many trainings share one traced graph,
    few have one each; and on what evaluators are taught by.
    """
    spec = scores.worker.spec
    asked = to_json(
        {
            **dataclasses.asdict(spec),
            "taught_by": scores.taught_by(spec.evaluators),
        }
    )
    if path.exists():
        known = read_json(path)
        if known["asked"] == asked:
            return known["prices"]
        say(f"{path} is of another config: prices are measured again")
    prices = measure_prices(scores, spec.evaluators)
    write_json(path, {"asked": asked, "prices": prices})
    return prices


def _searches(
    config: config_dict.ConfigDict,
    strategies: Mapping[str, Any],
    scores: Scores,
    prices: Mapping[str, Mapping[str, float]],
) -> Iterator[dict[str, Any]]:
    """Yields what was found, with `strategy`, `evaluator` and `seed`."""
    seeds = range(config.seed, config.seed + config.evaluation.num_seeds)
    search = config.search
    guided = [n for n, s in strategies.items() if not isinstance(s, Coupled)]
    led = list(itertools.product(search.evaluators, guided, seeds))
    each = search.num_architectures
    with contextlib.closing(
        Progress(len(led) * each, unit="proposal")
    ) as progress:
        for done, (evaluator, name, seed) in enumerate(led):

            def told(number: int, before: int = done * each) -> None:
                progress.update(before + number)

            found = run_search(
                *(strategies[name], evaluator, seed, scores),
                *(prices[evaluator], config.evaluation.search_seconds),
                *(each, search.select_top, told),
            )
            say(f"{name} by {evaluator}, seed {seed}: {found['pick']}")
            yield {
                **{"strategy": name, "evaluator": evaluator, "seed": seed},
                **found,
            }
    for name, seed in itertools.product(strategies, seeds):
        if name not in guided:
            found = _run_coupled(strategies[name], name, seed, config, scores)
            say(f"{name}, seed {seed}: {found['pick']}")
            yield {
                **{"strategy": name, "evaluator": None, "seed": seed},
                **found,
            }


def _run_coupled(
    strategy: Coupled,
    name: str,
    seed: int,
    config: config_dict.ConfigDict,
    scores: Scores,
) -> dict[str, Any]:
    """Trains a search's own weights, and takes its best cells."""
    spec = dataclasses.replace(
        scores.worker.spec, seed=seed, num_architectures=_NUM_ENAS_DRAWS
    )
    session = Session(spec, scores.space, scores.worker.session.should_stop)
    found = strategy.find(session, scores.workdir)
    # Two texts may be one function.
    different: dict[str, str] = {}
    for text in found.architectures:
        different.setdefault(_key(text, scores), text)
    texts, seconds = list(different.values()), found.seconds
    if name == "enas":  # its draws have no order of their own
        texts, of_scoring = _by_supernet(texts, session, found.supernet)
        seconds += of_scoring
    cells = [
        Proposal(text, _key(text, scores))
        for text in texts[: config.search.select_top]
    ]
    truths = [scores.true_score(cell) for cell in cells]
    return {
        "seconds": [seconds],
        "truths": [best_of(truths)],
        "pick": best_of(truths),
        "first": truths[0],
        "cells": [cell.architecture for cell in cells],
        "num_different": len(cells),
    }


def _key(text: str, scores: Scores) -> str:
    return scores.space.key(scores.space.from_text(text))


def _by_supernet(
    texts: Sequence[str], session: Session, folder: Path
) -> tuple[list[str], float]:
    """Returns them, the best first, and the seconds of scoring them once."""
    path = folder.parent / "draws.json"  # beside the weights, of these alone
    if not path.exists():
        began = time.perf_counter()
        source, _ = open_source("supernet", session, folder)
        own = {t: source.score(session.space.from_text(t)) for t in texts}
        write_json(
            path, {"scores": own, "seconds": time.perf_counter() - began}
        )
    kept = read_json(path)
    return best_keys(kept["scores"], len(texts)), kept["seconds"]


def _ranking(
    found: Sequence[Mapping[str, Any]], scores: Scores
) -> dict[str, Any]:
    """Returns how well evaluators rank the cells that all have scored."""
    drawn: dict[str, set[str]] = {}
    for row in found:
        if row["strategy"] == "random":
            drawn.setdefault(row["evaluator"], set()).update(row["keys"])
    # One whose set-up alone is longer than a search has scored none.
    drawn = {name: keys for name, keys in drawn.items() if keys}
    keys = sorted(set.intersection(*drawn.values())) if drawn else []
    if not scores.is_looked_up or len(keys) < 3:
        return {}
    known = {
        name: {key: scores.known[name][key] for key in keys}
        for name in (*drawn, scores.truth)
    }
    ranked = ranking(known, scores.truth)
    fields = ("spearman", "spearman_ci95", "kendall", "kendall_ci95")
    return {
        "num_cells": len(keys),
        "evaluators": {
            name: {field: row[field] for field in fields}
            for name, row in ranked["evaluators"].items()
        },
        "differences": ranked["differences"],
    }
