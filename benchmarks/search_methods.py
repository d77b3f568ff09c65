r"""Strategies x evaluators on one space, at equal total seconds.

    python -m benchmarks.search_methods --table=nb201_val_accs.csv \
        --workdir=runs/methods --folder=docs/results/nb201_methods

Each search proposes until its seconds are spent, or `--proposals` are made; of
the `--top` best by its evaluator the truth of the config selects one, here a
table. What a search is charged: the evaluator's set-up once, and its price for
every different cell; the truth is free.

* An evaluator's score of a cell does not depend on who asks. So each is found
  once, in `search/results` of the workdir, and charged to every search that
  asks for it: strategies and seeds are replayed on the same scores.
* Prices are measured once, in `prices.json`, of the evaluators that are asked
  for and not there. Remove the file to measure them again; scores stay.
* The set-up of `supernet` and `ghn` is their number of steps by the price of
  one; that of `gtn` is its meta-training's. Searches that train weights of
  their own are charged the seconds that they took.

Killed, the same command goes on. `--evaluators=params,supernet --coupled=`
writes what these have found.
"""

import dataclasses
import importlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

from benchmarks.charged_search import run_search
from benchmarks.method_prices import ROUNDS, measure_prices
from benchmarks.method_scores import Scores
from benchmarks.search_methods_page import draw, tables, write_page
from gtn_tf.config.choices import SEARCH_STRATEGIES
from gtn_tf.import_paths import choose
from gtn_tf.nas.proposals import Proposal
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import SearchSpec, search_spec
from gtn_tf.nas.strategies.strategy import Coupled
from gtn_tf.nas.weight_training import open_source
from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.runtime.interrupts import Stopped, catch_signals
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.provenance import commit, cpu_name
from gtn_tf.statistics.picks import best_keys
from gtn_tf.statistics.ranking import ranking
from gtn_tf.types import InputError

_CONFIG = flags.DEFINE_string(
    "config", "configs.nb201_16_methods", "Module of the config."
)
_TABLE = flags.DEFINE_string("table", None, "CSV of validation accuracies.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where scores are kept.")
_FOLDER = flags.DEFINE_string("folder", None, "Where the result goes.")
_SECONDS = flags.DEFINE_float("seconds", 1000.0, "Of each search, in all.")
_PROPOSALS = flags.DEFINE_integer("proposals", 300, "Of a search, at most.", 1)
_NUM_SEEDS = flags.DEFINE_integer("num_seeds", 3, "Per search.", 1)

EVALUATORS = (
    *("params", "supernet", "ghn", "gtn"),
    *("real:steps=60", "real_subset:steps=20", "naswot"),
)
STRATEGIES = ("random", "evolution", "reinforce", "nao")
COUPLED = ("darts", "enas", "nao_ws")
_EVALUATORS = flags.DEFINE_list("evaluators", list(EVALUATORS), "Of these.")
_STRATEGIES = flags.DEFINE_list("strategies", list(STRATEGIES), "Of these.")
_COUPLED = flags.DEFINE_list("coupled", list(COUPLED), "Of these.")
_TOP = flags.DEFINE_integer("top", 10, "Of a search, for the truth.", 1)
_NUM_ENAS_DRAWS = 50


def make_strategy(spec: SearchSpec, name: str, search: Any) -> Any:
    """Returns a strategy with the config's options."""
    make = choose(name, SEARCH_STRATEGIES, "search.strategy")
    options = search.get(name)
    return make(**(options.to_dict() if options is not None else {}))


def run_coupled(
    name: str, seed: int, config: Any, scores: Scores, workdir: Path
) -> dict[str, Any]:
    """Trains a search's own weights, and takes its best cells."""
    spec = dataclasses.replace(
        scores.worker.spec, seed=seed, num_architectures=_NUM_ENAS_DRAWS
    )
    strategy: Coupled = make_strategy(spec, name, config.search)
    session = Session(spec, scores.space, scores.worker.session.should_stop)
    found = strategy.find(session, workdir)
    texts = list(dict.fromkeys(found.architectures))
    if name == "enas":  # its draws have no order of their own
        texts = _by_supernet(texts, session, found.supernet)
    cells = [
        Proposal(text, scores.space.key(scores.space.from_text(text)))
        for text in texts[: _TOP.value]
    ]
    truths = [scores.get(scores.truth, cell) for cell in cells]
    return {
        "seconds": [found.seconds],
        "truths": [max(truths)],
        "pick": max(truths),
        "first": truths[0],
        "cells": [cell.architecture for cell in cells],
        "num_different": len(cells),
    }


def _by_supernet(
    texts: Sequence[str], session: Session, folder: Path
) -> list[str]:
    source, _ = open_source("supernet", session, folder)
    own = {t: source.score(session.space.from_text(t)) for t in texts}
    return best_keys(own, len(own))


def searches(
    config: Any, scores: Scores, prices: Mapping, workdir: Path
) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Yields (strategy, evaluator, seed, what was found)."""
    for evaluator, strategy, seed in itertools.product(
        _EVALUATORS.value, _STRATEGIES.value, range(_NUM_SEEDS.value)
    ):
        made = make_strategy(scores.worker.spec, strategy, config.search)
        found = run_search(
            *(made, evaluator, seed, scores, prices[evaluator]),
            *(_SECONDS.value, _PROPOSALS.value, _TOP.value),
        )
        say(f"{strategy} by {evaluator}, seed {seed}: {found['pick']}")
        yield strategy, evaluator, seed, found
    for name, seed in itertools.product(
        _COUPLED.value, range(_NUM_SEEDS.value)
    ):
        found = run_coupled(name, seed, config, scores, workdir)
        say(f"{name}, seed {seed}: {found['pick']}")
        yield name, "its own", seed, found


def compare(
    found: Sequence[tuple[str, str, int, dict[str, Any]]], scores: Scores
) -> dict[str, Any]:
    """Returns how well evaluators rank the cells that all have scored."""
    drawn: dict[str, set[str]] = {}
    for strategy, evaluator, _, result in found:
        if strategy == "random":
            drawn.setdefault(evaluator, set()).update(result["keys"])
    keys = sorted(set.intersection(*drawn.values())) if drawn else []
    if not scores.is_looked_up or len(keys) < 3:
        return {}
    names = list(drawn)
    names.sort(key=lambda name: name != "gtn")  # others are compared with it
    known = {
        name: {key: scores.known[name][key] for key in keys}
        for name in (*names, scores.truth)
    }
    ranked = ranking(known, scores.truth)
    return {
        "num_cells": len(keys),
        "evaluators": {
            name: {
                field: row[field]
                for field in (
                    *("spearman", "spearman_ci95"),
                    *("kendall", "kendall_ci95"),
                )
            }
            for name, row in ranked["evaluators"].items()
        },
        "differences": ranked["differences"],
    }


def _prices(scores: Scores, path: Path) -> dict[str, dict[str, float]]:
    """Returns those in the file, and measures those that are not there."""
    known = read_json(path) if path.exists() else {}
    missing = [name for name in _EVALUATORS.value if name not in known]
    if missing:
        known |= measure_prices(scores, missing)
        write_json(path, known)
    return known


def main(argv: list[str]) -> None:
    """Scores, searches and writes."""
    del argv
    workdir = Path(_WORKDIR.value)
    config = importlib.import_module(_CONFIG.value).get_config()
    if _TABLE.value is not None:
        config.search.table = str(Path(_TABLE.value).absolute())
    config.search.evaluators = tuple(_EVALUATORS.value)
    caught: list[int] = []
    found = []
    try:
        scores = Scores(search_spec(config), config, workdir, caught)
        prices = _prices(scores, workdir / "prices.json")
        with catch_signals(caught):
            for one in searches(config, scores, prices, workdir):
                found.append(one)
    except InputError as error:
        raise app.UsageError(str(error)) from error
    except Stopped:
        say("stopped; the same command goes on")
    result = {
        "seconds": _SECONDS.value,
        "proposals": _PROPOSALS.value,
        "space": scores.worker.spec.space,
        "truth": scores.truth,
        "strategies": _STRATEGIES.value,
        "coupled": COUPLED,
        "top": _TOP.value,
        "rounds": ROUNDS,
        "prices": prices,
        "searches": [
            {
                "strategy": strategy,
                "evaluator": evaluator,
                "seed": seed,
                **{k: v for k, v in row.items() if k != "keys"},
            }
            for strategy, evaluator, seed, row in found
        ],
        "ranking": compare(found, scores),
        "provenance": {"cpu": cpu_name(), "commit": commit()},
    }
    if _FOLDER.value:
        folder = Path(_FOLDER.value)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "methods.json", result)
        write_page(folder / "README.md", result)
        draw(folder / "methods.png", result)
    print(tables(result))


if __name__ == "__main__":
    flags.mark_flag_as_required("workdir")
    app.run(main)
