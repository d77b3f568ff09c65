"""What scores cost, of `search_methods`."""

import contextlib
import itertools
import time
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from gtn_tf.config.evaluator_names import TAUGHT, parse_evaluator
from gtn_tf.experiments.method_scores import Scores
from gtn_tf.nas.first_training import steps_per_epoch
from gtn_tf.nas.proposals import Proposal
from gtn_tf.nas.weight_training import (
    SOURCES,
    Stepper,
    num_epochs_of,
    open_source,
)
from gtn_tf.runtime.progress import Progress

_ROUNDS, _CELLS, _STEPS = 2, 3, 40


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
    """
    worker = scores.worker
    space, spec, session = scores.space, worker.spec, worker.session
    prices: dict[str, list[float]] = {name: [] for name in names}
    kinds = {name: parse_evaluator(name).kind for name in names}
    trained = [kind for kind in SOURCES if kind in kinds.values()]
    steps: dict[str, list[float]] = {kind: [] for kind in trained}
    setup = dict.fromkeys(names, 0.0)
    traces: dict[str, float] = {}  # of what several names share
    # What is not trained yet costs the same.
    none = scores.workdir / "no training"
    fresh = {kind: open_source(kind, session, none)[0] for kind in trained}
    steppers = {
        kind: Stepper(
            *(session, source, 10**6, 10**9),
            rates=SOURCES[kind].rates(spec),
        )
        for kind, source in fresh.items()
    }
    # The first traces. One cell costs twice as much as another.
    drawn = [space.sample((spec.seed, 7, n)) for n in range(_CELLS + 1)]
    rounds = [drawn[:1], *[drawn[1:]] * _ROUNDS]
    num_cells = 1 + _ROUNDS * _CELLS
    with contextlib.closing(
        Progress(
            num_cells * len(names) + len(rounds) * len(steppers), unit="price"
        )
    ) as progress:
        counted = itertools.count(1)
        for number, cells in enumerate(rounds):
            spent_on: dict[str, list[float]] = {name: [] for name in names}
            for cell, name in itertools.product(cells, names):
                began = time.perf_counter()
                kind = kinds[name]
                if kind in fresh:
                    fresh[kind].score(cell)
                    spent = time.perf_counter() - began
                    traced = traces.setdefault(kind, spent)
                else:
                    text = space.to_text(cell)
                    _, planned = scores.job(
                        name, Proposal(text, space.key(cell))
                    )
                    seconds = dict(worker.do(planned["job"])["seconds"])
                    traced = seconds.pop("setup", 0.0)
                    spent = sum(seconds.values())
                spent_on[name].append(spent)
                if not number:
                    setup[name] = traced
                progress.update(next(counted))
            for name in names if number else ():
                prices[name].append(fmean(spent_on[name]))
            for kind, stepper in steppers.items():
                taken = _take_steps(stepper, 1 + number * _STEPS)
                if number:
                    steps[kind].append(taken)
                progress.update(next(counted))
    per_epoch = steps_per_epoch(session, len(session.data.train.images))
    for name, kind in kinds.items():
        if kind in steps:
            num_epochs = num_epochs_of(kind, spec)
            num_steps = num_epochs * per_epoch
            setup[name] += num_steps * min(steps[kind])
        elif kind in TAUGHT:
            setup[name] += scores.teacher_seconds[name]
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
