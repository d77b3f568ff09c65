"""The trials of an experiment: one meta-training and one JSON file each.

A trial has a folder: `run/` is a workdir like any other, `result.json` says
what came of it. What is done is not done again. A trial that another process
works on is left to it, so that the same command, started twice, shares out an
experiment.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import config_dict

from gtn_tf.assembly import build_problem, load_dataset
from gtn_tf.baselines import Stopped, source_of_run
from gtn_tf.checkpoints import (
    claim_workdir,
    read_json,
    write_json,
)
from gtn_tf.config import FIELDS, flatten
from gtn_tf.distribution import environment
from gtn_tf.fresh_learners import FreshLearners
from gtn_tf.inner_problem import InnerProblem
from gtn_tf.metrics import read_rows, say, to_json, validation_curve
from gtn_tf.pretrain import Run, pretrain, restore_run
from gtn_tf.real_batches import RealData, device_split
from gtn_tf.types import DivergenceError, InputError, InUseError, one_line

_ALSO_ASKED = ("meta.num_steps", "evaluation.num_learners")


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


#: (a meta-trained run, test data) -> what is added to result.json.
Measure = Callable[[Run, RealData], dict[str, Any]]


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


def changed(
    config: config_dict.ConfigDict, changes: dict[str, Any]
) -> config_dict.ConfigDict:
    """Returns a trial's config: a copy with other values of dotted keys."""
    config = copy.deepcopy(config)
    config.evaluation.experiment = None
    config.log.tensorboard = False
    config.log.samples_every = 0
    with config.ignore_type():
        config.update_from_flattened_dict(changes)
    return config


def run_trials(
    trials: Sequence[Trial], folder: Path, measure: Measure
) -> list[dict]:
    """Does what is missing; returns result.json of every finished trial.

    A trial whose meta-training diverges is a result too: its `status` is
    'diverged' and it has no measurements.

    Raises:
      InputError: a folder holds a trial of another config.
      Stopped: by a signal.
    """
    results = []
    for number, trial in enumerate(trials, start=1):
        place = folder / trial.arm / str(trial.pair)
        if not (place / "result.json").exists():
            say(f"trial {number} of {len(trials)}: {place}")
            try:
                with claim_workdir(place):
                    _do(trial, place, measure)
            except InUseError:
                say("another process has it")
                continue
        results.append(_read(trial, place / "result.json"))
    return results


def _do(trial: Trial, place: Path, measure: Measure) -> None:
    workdir = place / "run"
    found: dict[str, Any] = {"status": "ok"}
    try:
        code = pretrain(trial.config, workdir)
        if code:
            raise Stopped(code)
        found |= _measure(trial.config, workdir, measure)
    except DivergenceError as error:
        found = {"status": "diverged", "reason": one_line(error)}
    rows = read_rows(workdir / "metrics.jsonl")
    result = {
        "arm": trial.arm,
        "pair": trial.pair,
        **found,
        "meta_steps": rows[-1]["step"] if rows else 0,
        "final_meta_loss": _final_meta_loss(rows),
        "seconds": rows[-1]["seconds"] if rows else 0.0,
        "validation_accuracy": validation_curve(rows),
        "asked": _asked(trial.config),
        "environment": environment(),
    }
    write_json(place / "result.json", result)


def _measure(
    config: config_dict.ConfigDict, workdir: Path, measure: Measure
) -> dict[str, Any]:
    run = restore_run(config, workdir)
    done = int(run.step.numpy())
    if done != config.meta.num_steps:
        raise InputError(
            f"{str(workdir)!r} has done {done} meta-steps; expected "
            f"{config.meta.num_steps}, as asked; set "
            "--config.meta.num_steps or give another --workdir"
        )
    dataset = load_dataset(config, with_test=True)
    return measure(run, device_split(dataset, "test"))


def _final_meta_loss(rows: list[dict]) -> float | None:
    """Averages the loss after the last inner step over the last tenth."""
    last = rows[-max(1, len(rows) // 10) :]
    return (
        float(np.mean([r["final_meta_loss"] for r in last])) if rows else None
    )


def _asked(config: config_dict.ConfigDict) -> dict[str, Any]:
    """Returns the keys that a result depends on."""
    return to_json(
        {
            key: value
            for key, value in flatten(config.to_dict())
            if not FIELDS[key].may_change or key in _ALSO_ASKED
        }
    )


def _read(trial: Trial, path: Path) -> dict:
    result = read_json(path)
    asked = _asked(trial.config)
    saved = result["asked"]
    different = [key for key in asked if saved.get(key) != asked[key]]
    if different:
        key = different[0]
        raise InputError(
            f"{str(path)!r} has {key}={saved.get(key)!r}; expected "
            f"{asked[key]!r}, as for the other trials; set it back or give "
            "another --workdir"
        )
    return result


def fresh_test_accuracies(
    run: Run, real_test: RealData, problem: InnerProblem | None = None
) -> list[float]:
    """Returns test accuracies of fresh learners after the last inner step.

    Args:
      run: meta-trained; its config says how many learners.
      real_test: test images.
      problem: other learners than the run's own.
    """
    config = run.config
    if problem is None:
        problem = build_problem(config, device_split(run.dataset, "train"))
    source = source_of_run(config.source, run, 0.0, "")
    learners = FreshLearners(config, problem, real_test)
    return learners.final_accuracies(source, config.evaluation.num_learners)
