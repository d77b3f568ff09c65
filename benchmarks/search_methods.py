r"""Strategies x evaluators on NAS-Bench-201, at equal total seconds.

    python -m benchmarks.search_methods --table=nb201_val_accs.csv \
        --workdir=runs/methods --folder=docs/results/nb201_methods

Each search proposes until its seconds are spent, or `--proposals` are made; of
the ten best by its evaluator the truth, the table, selects one. What a search
is charged: the evaluator's set-up once, and its price for every different cell.

* An evaluator's score of a cell does not depend on who asks. So each is found
  once, in `search/results` of the workdir, and charged to every search that
  asks for it: strategies and seeds are replayed on the same scores.
* Prices are measured once, in `prices.json`: the evaluators one after the
  other, round by round in one process, and of the rounds the fastest. Remove
  the file to measure them again; scores stay.
* The set-up of `supernet` and `ghn` is their number of steps by the price of
  one; that of `gtn` is its meta-training's. Searches that train weights of
  their own are charged the seconds that they took.

Killed, the same command goes on. `--evaluators=params,supernet --coupled=`
writes what these have found.
"""

import collections
import dataclasses
import importlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.charged_search import TOP, run_search
from benchmarks.search_methods_page import draw, tables, write_page
from gtn_tf.config.choices import SEARCH_STRATEGIES
from gtn_tf.import_paths import choose
from gtn_tf.nas.executors import run_inline
from gtn_tf.nas.first_training import steps_per_epoch
from gtn_tf.nas.job_results import problem_of
from gtn_tf.nas.jobs import Plan
from gtn_tf.nas.proposals import Proposal
from gtn_tf.nas.search import make_sources
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import SearchSpec, search_spec
from gtn_tf.nas.strategies.strategy import Coupled
from gtn_tf.nas.weight_training import SOURCES, Stepper, open_source
from gtn_tf.nas.worker import Worker
from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.runtime.interrupts import Stopped, catch_signals, exit_code
from gtn_tf.runtime.job_store import JobStore
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
_COUPLED = flags.DEFINE_list("coupled", list(COUPLED), "Of these.")
_NUM_ENAS_DRAWS = 50
_ROUNDS, _STEPS = 3, 40
#: Of the bundled GTN: measured with it, on one core of its own.
_GTN_SECONDS = 563.0


class Scores:
    """Scores of cells, each found once.

    Args:
      spec: of the search that names the evaluators.
      config: of it, for what is trained first.
      workdir: where scores and trainings are.
      caught: signals so far.
    """

    def __init__(
        self, spec: SearchSpec, config: Any, workdir: Path, caught: list[int]
    ) -> None:
        self.worker = Worker(spec, lambda: bool(caught))
        self.space = self.worker.space
        self.truth = spec.truth
        self._config, self._workdir = config, workdir
        self._plans: dict[str, Plan] = {}
        self._store = JobStore(workdir / "search" / "results", problem_of)
        self._caught = caught

    def job(self, evaluator: str, proposal: Proposal) -> tuple[str, dict]:
        """Returns the job that scores a cell: key, and what it is."""
        planned = self._plan(evaluator).jobs_of(proposal, 0)
        return next(
            (key, job)
            for key, job in planned.items()
            if job["evaluator"] == evaluator
        )

    def _plan(self, evaluator: str) -> Plan:
        """Returns that of one evaluator, for which its weights are trained."""
        if evaluator not in self._plans:
            worker = self.worker
            names = dict.fromkeys((evaluator, self.truth))
            own = {name: worker.evaluators[name] for name in names}
            sources, _ = make_sources(
                self._config, self._workdir, worker.session, own.values()
            )
            spec = dataclasses.replace(worker.spec, evaluators=(evaluator,))
            self._plans[evaluator] = Plan(spec, own, sources)
        return self._plans[evaluator]

    def get(self, evaluator: str, proposal: Proposal) -> float | None:
        """Returns a score, None for a failure.

        Raises:
          Stopped: a signal came.
        """
        key, planned = self.job(evaluator, proposal)
        result = self._store.get(key)
        if result is None:
            due = collections.deque([(key, planned["job"])])
            outcomes = list(
                run_inline(self.worker.do, due, lambda: bool(self._caught))
            )
            if not outcomes:
                raise Stopped(exit_code(self._caught))
            identity = {k: v for k, v in planned.items() if k != "job"}
            result = {"key": key, **identity, **outcomes[0][1], "versions": {}}
            self._store.put(key, result)
        return result["score"]

    def all_of(self, evaluator: str, keys: Sequence[str]) -> dict[str, float]:
        """Returns what is known of cells."""
        asked = set(keys)
        return {
            result["genotype_key"]: result["score"]
            for result in self._store.all().values()
            if result["evaluator"] == evaluator
            and result["genotype_key"] in asked
        }


def measure_prices(scores: Scores) -> dict[str, dict[str, float]]:
    """Returns each evaluator's seconds per cell and of its set-up."""
    worker = scores.worker
    space, spec, session = scores.space, worker.spec, worker.session
    prices: dict[str, list[float]] = {name: [] for name in EVALUATORS}
    steps: dict[str, list[float]] = {kind: [] for kind in SOURCES}
    setup = dict.fromkeys(EVALUATORS, 0.0)
    # What is not trained yet costs the same.
    none = Path(_WORKDIR.value) / "no training"
    fresh = {k: open_source(k, session, none)[0] for k in SOURCES}
    steppers = {
        kind: Stepper(
            *(session, source, 10**6, 10**9),
            rates=SOURCES[kind].rates(spec),
        )
        for kind, source in fresh.items()
    }
    for number in range(_ROUNDS + 1):
        for name in EVALUATORS:
            cell = space.sample((spec.seed, 7, number))
            began = time.perf_counter()
            if name in fresh:
                fresh[name].score(cell)
                spent = traced = time.perf_counter() - began
                taken = _take_steps(steppers[name], 1 + number * _STEPS)
            else:
                text = space.to_text(cell)
                _, planned = scores.job(name, Proposal(text, space.key(cell)))
                seconds = dict(worker.do(planned["job"])["seconds"])
                traced = seconds.pop("setup", 0.0)
                spent = sum(seconds.values())
            if not number:  # the first traces
                setup[name] = traced
                continue
            prices[name].append(spent)
            if name in fresh:
                steps[name].append(taken)
    per_epoch = steps_per_epoch(session, len(session.data.train.images))
    for kind, found in steps.items():
        num_steps = getattr(spec, kind).num_epochs * per_epoch
        setup[kind] += num_steps * min(found)
    setup["gtn"] += _GTN_SECONDS
    return {
        name: {"price": min(found), "setup": setup[name]}
        for name, found in prices.items()
    }


def _take_steps(take_step: Stepper, first: int) -> float:
    """Returns the median seconds of some steps of a training."""
    spent = []
    for step in range(first, first + _STEPS):
        began = time.perf_counter()
        take_step(step)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def make_strategy(spec: SearchSpec, name: str, search: Any) -> Any:
    """Returns a strategy with the config's options."""
    make = choose(name, SEARCH_STRATEGIES, "search.strategy")
    options = search.get(name)
    return make(**(options.to_dict() if options is not None else {}))


def run_coupled(
    name: str, seed: int, config: Any, scores: Scores, workdir: Path
) -> dict[str, Any]:
    """Trains a search's own weights, and takes its ten best cells."""
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
        for text in texts[:TOP]
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
        _EVALUATORS.value, STRATEGIES, range(_NUM_SEEDS.value)
    ):
        made = make_strategy(scores.worker.spec, strategy, config.search)
        found = run_search(
            *(made, evaluator, seed, scores, prices[evaluator]),
            *(_SECONDS.value, _PROPOSALS.value),
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
    if len(keys) < TOP:
        return {}
    names = [name for name in EVALUATORS if name in drawn]
    names.sort(key=lambda name: name != "gtn")  # others are compared with it
    known = {name: scores.all_of(name, keys) for name in (*names, scores.truth)}
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


def main(argv: list[str]) -> None:
    """Scores, searches and writes."""
    del argv
    workdir = Path(_WORKDIR.value)
    config = importlib.import_module(_CONFIG.value).get_config()
    config.search.table = str(Path(_TABLE.value).absolute())
    config.search.evaluators = EVALUATORS
    caught: list[int] = []
    found = []
    try:
        scores = Scores(search_spec(config), config, workdir, caught)
        path = workdir / "prices.json"
        if not path.exists():
            write_json(path, measure_prices(scores))
        prices = read_json(path)
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
        "strategies": STRATEGIES,
        "coupled": COUPLED,
        "top": TOP,
        "rounds": _ROUNDS,
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
    flags.mark_flags_as_required(["table", "workdir"])
    app.run(main)
