"""What scores cost, of `search_methods`."""

import contextlib
import itertools
import time
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

from gtn_tf.config.evaluator_names import TAUGHT, parse_evaluator
from gtn_tf.experiments.method_scores import Scores
from gtn_tf.nas.executors import attempt
from gtn_tf.nas.first_training import steps_per_epoch
from gtn_tf.nas.proposals import Proposal
from gtn_tf.nas.weight_sources import WeightSource
from gtn_tf.nas.weight_training import (
    SOURCES,
    Stepper,
    num_epochs_of,
    open_source,
)
from gtn_tf.runtime.global_switches import synchronize
from gtn_tf.runtime.progress import Progress
from gtn_tf.search_spaces.protocol import Architecture
from gtn_tf.types import InputError

_ROUNDS, _CELLS, _STEPS = 2, 3, 40


class _Fresh(NamedTuple):
    """What is trained first; not trained yet, it costs the same.

    Attributes:
      source: of weights.
      take_step: of its training.
    """

    source: WeightSource
    take_step: Stepper


class _Spent(NamedTuple):
    """Seconds of one score.

    Attributes:
      score: of the architecture alone.
      trace: of what all architectures share.
    """

    score: float
    trace: float


def measure_prices(
    scores: Scores, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Returns each evaluator's seconds per architecture and of its set-up.

    They are measured one after the other, on the same few cells in every
    round; of the rounds the fastest counts. Not charged, as it is no
    evaluator's alone: the trace of what builds every cell's graph.

    Args:
      scores: says what a job is; none is put there.
      names: of the evaluators.

    Raises:
      InputError: an evaluator fails on all of these cells.
    """
    space, spec = scores.space, scores.worker.spec
    kinds = {name: parse_evaluator(name).kind for name in names}
    fresh = {
        kind: _fresh(kind, scores) for kind in SOURCES if kind in kinds.values()
    }
    prices: dict[str, list[float]] = {name: [] for name in names}
    steps: dict[str, list[float]] = {kind: [] for kind in fresh}
    traces: dict[str, float] = {}  # by name, or by what several names share
    # The first traces. One cell costs twice as much as another.
    drawn = [space.sample((spec.seed, 7, n)) for n in range(_CELLS + 1)]
    rounds = [drawn[:1], *[drawn[1:]] * _ROUNDS]
    total = (1 + _ROUNDS * _CELLS) * len(names) + len(rounds) * len(fresh)
    with contextlib.closing(Progress(total, unit="price")) as progress:
        counted = itertools.count(1)
        for number, cells in enumerate(rounds):
            spent_on: dict[str, list[float]] = {name: [] for name in names}
            for cell, name in itertools.product(cells, names):
                kind = kinds[name]
                if kind in fresh:
                    spent = _spent_by_weights(fresh[kind].source, cell)
                else:
                    spent = _spent_by_job(scores, name, cell)
                if spent:
                    spent_on[name].append(spent.score)
                    shared = kind if kind in fresh else name
                    traces.setdefault(shared, spent.trace)
                progress.update(next(counted))
            for name, found in spent_on.items() if number else ():
                prices[name] += [fmean(found)] if found else []
            for kind, (_, take_step) in fresh.items():
                taken = _take_steps(take_step, 1 + number * _STEPS)
                steps[kind] += [taken] if number else []
                progress.update(next(counted))
    _refuse_failures(prices)
    step_seconds = {kind: min(found) for kind, found in steps.items()}
    return {
        name: {
            "price": min(prices[name]),
            "setup": traces[kind if kind in fresh else name]
            + _training_seconds(name, scores, step_seconds),
        }
        for name, kind in kinds.items()
    }


def _fresh(kind: str, scores: Scores) -> _Fresh:
    session = scores.worker.session
    source, _ = open_source(kind, session, scores.workdir / "no training")
    rates = SOURCES[kind].rates(session.spec)
    return _Fresh(source, Stepper(session, source, 10**6, 10**9, rates=rates))


def _spent_by_weights(source: WeightSource, cell: Architecture) -> _Spent:
    """Scores a cell by weights that all share; the first time traces."""
    began = time.perf_counter()
    source.score(cell)
    spent = time.perf_counter() - began
    return _Spent(spent, spent)


def _spent_by_job(
    scores: Scores, name: str, cell: Architecture
) -> _Spent | None:
    """Scores a cell as a search does; None where that fails."""
    proposal = Proposal(scores.space.to_text(cell), scores.space.key(cell))
    _, planned = scores.job(name, proposal)
    outcome = attempt(scores.worker.do, planned["job"])
    if outcome["status"] == "failed":
        return None
    trace = outcome["seconds"].pop("setup", 0.0)
    return _Spent(sum(outcome["seconds"].values()), trace)


def _take_steps(take_step: Stepper, first: int) -> float:
    """Returns the median seconds of some steps of a training."""
    spent = []
    for step in range(first, first + _STEPS):
        synchronize()
        began = time.perf_counter()
        take_step(step)
        synchronize()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def _refuse_failures(prices: dict[str, list[float]]) -> None:
    for name, found in prices.items():
        if not found:
            raise InputError(
                f"evaluator {name!r} fails on all architectures by which its "
                "seconds are measured; expected scores of some; leave it out "
                "of search.evaluators"
            )


def _training_seconds(
    name: str, scores: Scores, step_seconds: dict[str, float]
) -> float:
    """Returns those of what is trained before it scores."""
    kind, session = parse_evaluator(name).kind, scores.worker.session
    if kind in step_seconds:
        per_epoch = steps_per_epoch(session, len(session.data.train.images))
        num_epochs = num_epochs_of(kind, session.spec)
        return num_epochs * per_epoch * step_seconds[kind]
    return scores.teacher_seconds[name] if kind in TAUGHT else 0.0
