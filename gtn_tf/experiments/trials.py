"""The trials of an experiment: one meta-training and one JSON file each.

A trial has a folder: `run/` is a workdir like any other, `result.json` says
what came of it. What is done is not done again. A trial that another process
works on is left to it, so that the same command, started twice, shares out an
experiment; the process that ends last has all results.

A trial that is the meta-training of the workdir itself, done, uses that one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import config_dict

from gtn_tf.config import FIELDS, flatten, validate
from gtn_tf.datasets.batches import RealData, device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.baselines import changed
from gtn_tf.evaluation.fresh_learners import FinalTest
from gtn_tf.evaluation.sources import source_of_run
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.runtime.checkpoints import has_checkpoint
from gtn_tf.runtime.devices import environment
from gtn_tf.runtime.files import to_json
from gtn_tf.runtime.graph_memory import TracedGraphs
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.runtime.progress import duration, say
from gtn_tf.runtime.row_log import last_row, read_rows, validation_curve
from gtn_tf.runtime.workdir import check_workdir, claim_workdir
from gtn_tf.training.assembly import build_problem, check_learners, load_dataset
from gtn_tf.training.pretrain import pretrain
from gtn_tf.training.run import Run, restore_run
from gtn_tf.types import DivergenceError, InputError, InUseError, one_line

#: Keys that a workdir may change, and a trial's result depends on.
_ALSO_ASKED = ("meta.num_steps", "evaluation.num_learners")
#: Those of a trial that tunes rates, too.
TUNING_KEYS = (
    "evaluation.tuning_learning_rates",
    "evaluation.tuning_momenta",
    "evaluation.tuning_num_learners",
    "evaluation.num_validation_images",
)


class Trial(NamedTuple):
    """One meta-training of an experiment.

    Attributes:
      arm: what sets it apart from others, in a word.
      pair: number of what the arms have in common, such as the GTN seed.
      config: its own.
    """

    arm: str
    pair: int
    config: config_dict.ConfigDict


#: (config, what was meta-trained by it, its data with test data) -> added to
#: result.json.
Measure = Callable[[config_dict.ConfigDict, Run, Dataset], dict[str, Any]]


class LeftToOthersError(Exception):
    """Other processes are at work on what is missing of an experiment."""


def make_trials(
    config: config_dict.ConfigDict, arms: dict[str, dict[str, Any]]
) -> list[Trial]:
    """Returns one trial per arm and GTN seed, seed by seed.

    Args:
      config: `seed` is the first of `evaluation.num_seeds`.
      arms: by name, the values of dotted keys that it changes.
    """
    seeds = range(config.seed, config.seed + config.evaluation.num_seeds)
    return [
        Trial(arm, seed, changed(config, {**changes, "seed": seed}))
        for seed in seeds
        for arm, changes in arms.items()
    ]


def run_trials(
    trials: Sequence[Trial],
    folder: Path,
    measure: Measure | None,
    also_asked: Sequence[str] = (),
) -> list[dict]:
    """Does what is missing; returns result.json of every trial, in order.

    A trial whose meta-training diverges is a result too: its `status` is
    'diverged' and it has no measurements.

    Args:
      trials: `folder / arm / pair` holds what came of each; a damaged file
        counts as not done.
      folder: of the experiment, WORKDIR/experiments/NAME.
      measure: None: the meta-training itself is all that is asked.
      also_asked: keys that workdirs may change, and `measure` depends on.

    Raises:
      InputError: a trial's config is refused, or a folder holds a trial of
        another config; both are said before the first begins.
      LeftToOthersError: the rest is being done by other processes.
      Stopped: by a signal.
    """
    for trial in trials:
        validate(trial.config)
        check_learners(trial.config)
    keys = (*_ALSO_ASKED, *also_asked)
    store = JobStore(folder, _problem_of)
    for trial in trials:
        _find(trial, store, keys)
    graphs, is_held = TracedGraphs(), False
    for number, trial in enumerate(trials, start=1):
        if _find(trial, store, keys) is not None:
            continue
        place = folder / trial.arm / str(trial.pair)
        left = _time_left(trials, store, keys)
        say(f"trial {number} of {len(trials)}{left}: {place}")
        try:
            with claim_workdir(place):
                # Another process may have ended it since.
                if _find(trial, store, keys) is None:
                    with graphs.collected():
                        own = folder.parents[1]
                        result = _do(trial, place / "run", own, measure)
                        result["asked"] = _asked(trial.config, keys)
                        store.put(_key(trial), result)
                    graphs.release()
        except InUseError:
            say("another process has it")
            is_held = True
    results = [_find(trial, store, keys) for trial in trials]
    if is_held and None in results:
        left = trials[results.index(None)]
        raise LeftToOthersError(
            f"{results.count(None)} of {len(trials)} trials are left to other "
            f"processes, {folder / left.arm / str(left.pair)} first"
        )
    return results


def _time_left(
    trials: Sequence[Trial], store: JobStore, keys: Sequence[str]
) -> str:
    """Says how long what is missing takes, by what there is; '' if nothing."""
    found = [_find(trial, store, keys) for trial in trials]
    known = [result["seconds"] for result in found if result is not None]
    if not known:
        return ""
    left = float(np.mean(known)) * found.count(None)
    return f" (some {duration(left)} of meta-training left)"


def _key(trial: Trial) -> str:
    return f"{trial.arm}/{trial.pair}/result"


def _problem_of(key: str, value: Any) -> str:
    known = {"arm", "pair", "status", "asked"}
    is_known = isinstance(value, dict) and known <= value.keys()
    return "" if is_known else "no result of a trial"


def _do(
    trial: Trial, workdir: Path, own: Path, measure: Measure | None
) -> dict[str, Any]:
    """Meta-trains in `workdir`, unless `own` holds just that; measures."""
    found: dict[str, Any] = {"status": "ok"}
    try:
        if _has_done(own, trial.config):
            workdir = own
        else:
            code = pretrain(trial.config, workdir, is_part=True)
            if code:
                raise Stopped(code)
            last_row(workdir, trial.config.meta.num_steps)
        if measure is not None:
            run = restore_run(trial.config, workdir)
            dataset = load_dataset(trial.config, with_test=True)
            found |= measure(trial.config, run, dataset)
    except DivergenceError as error:
        found = {"status": "diverged", "reason": one_line(error)}
    rows = read_rows(workdir / "metrics.jsonl")
    return {
        "arm": trial.arm,
        "pair": trial.pair,
        **found,
        "meta_steps": rows[-1]["step"] if rows else 0,
        "final_meta_loss": _final_meta_loss(rows),
        "seconds": rows[-1]["seconds"] if rows else 0.0,
        "validation_accuracy": validation_curve(rows),
        "environment": environment(),
    }


def _has_done(workdir: Path, config: config_dict.ConfigDict) -> bool:
    """Whether a workdir holds just this meta-training, to the end.

    The last checkpoint comes after the last row of metrics.jsonl.
    """
    if not has_checkpoint(workdir / "checkpoints", config.meta.num_steps):
        return False
    try:
        check_workdir(config, workdir)
        last_row(workdir, config.meta.num_steps)
    except InputError:
        return False
    return True


def done_trials(results: Sequence[dict]) -> list[dict]:
    """Returns those that did not diverge.

    Raises:
      DivergenceError: there is none.
    """
    done = [result for result in results if result["status"] == "ok"]
    if not done:
        raise DivergenceError(
            f"all {len(results)} meta-trainings diverged; expected one that "
            "does not; set a lower --config.meta.learning_rate or "
            "--config.inner.learning_rate, in another --workdir"
        )
    return done


def _final_meta_loss(rows: list[dict]) -> float | None:
    """Averages the loss after the last inner step over the last tenth."""
    last = [r["final_meta_loss"] for r in rows[-max(1, len(rows) // 10) :]]
    known = [loss for loss in last if loss is not None]
    return float(np.mean(known)) if known else None


def _asked(
    config: config_dict.ConfigDict, also: Sequence[str]
) -> dict[str, Any]:
    """Returns the keys that a result depends on."""
    return to_json(
        {
            key: value
            for key, value in flatten(config.to_dict())
            if not FIELDS[key].may_change or key in also
        }
    )


def _find(trial: Trial, store: JobStore, also: Sequence[str]) -> dict | None:
    """Returns what is kept of a trial; None where it is not done.

    Raises:
      InputError: it is that of another config.
    """
    result = store.get(_key(trial))
    if result is None:
        return None
    asked = _asked(trial.config, also)
    # A key that came after the trial: its default is what the trial did.
    saved = {key: to_json(FIELDS[key].default) for key in asked}
    saved |= result["asked"]
    different = [key for key in asked if saved[key] != asked[key]]
    if different:
        key = different[0]
        raise InputError(
            f"{_key(trial)}.json of the experiment has {key}={saved[key]!r}; "
            f"expected {asked[key]!r}, as for the other trials; set it back or "
            "give another --workdir"
        )
    return result


def own_accuracies(split: str) -> Measure:
    """Returns what measures a run's own learners on a split's real data."""

    def measure(
        config: config_dict.ConfigDict, run: Run, dataset: Dataset
    ) -> dict[str, list[float]]:
        problem = build_problem(config, device_split(dataset, "train"))
        real = device_split(dataset, split)
        (accuracies,) = fresh_accuracies(config, run, problem, [real])
        return {f"{split}_accuracies": accuracies}

    return measure


def fresh_accuracies(
    config: config_dict.ConfigDict,
    run: Run,
    problem: InnerProblem,
    splits: Sequence[RealData],
) -> list[list[float]]:
    """Tests the fresh learners of `evaluate` on a meta-trained run's data.

    Returns:
      For every split one accuracy per learner, after the last inner step.

    Raises:
      Stopped: by a signal.
    """
    source = source_of_run(config.source, run)
    test = FinalTest(config.seed, problem, splits)
    return test.accuracies(source, config.evaluation.num_learners)
