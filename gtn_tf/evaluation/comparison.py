"""Compares a GTN with other sources of training data (`--mode=evaluate`).

Fresh learners train for T steps on each source. Learner i starts from the same
weights whatever the source, so that differences are paired. Baselines that are
meta-trained take as many meta-steps as the GTN has done. `evaluate`, with its
experiments, and `retrain` alone read test data.

`evaluation.jsonl` has a row per learner and source, written as soon as it is
known: a killed evaluation goes on where it was.
"""

import copy
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ml_collections import config_dict

from gtn_tf.config.choices import BASELINES
from gtn_tf.datasets.batches import device_split
from gtn_tf.evaluation.assembly import build_setting, transfer_problems
from gtn_tf.evaluation.fresh_learners import FreshLearners, Trained
from gtn_tf.evaluation.sources import Setting, Source, source_of_run
from gtn_tf.figures.evaluation import save_evaluation
from gtn_tf.import_paths import choose
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.runtime.devices import environment
from gtn_tf.runtime.files import write_json
from gtn_tf.runtime.interrupts import Stopped, stoppable
from gtn_tf.runtime.progress import Progress, say, show_table
from gtn_tf.runtime.row_log import RowLog, read_rows, validations
from gtn_tf.runtime.workdir import claim_workdir
from gtn_tf.statistics.intervals import mean_interval, shown
from gtn_tf.training.assembly import load_dataset
from gtn_tf.training.run import restore_run

#: What a row of evaluation.jsonl is found by.
_KEYS = ("source", "learner", "index", "digest")
#: Sources whose data are also tried on other learner families.
_TRANSFERRED = ("gtn", "distillation", "real", "real_tuned")


def evaluate(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Evaluates the workdir's GTN beside the baselines of the config.

    Returns:
      The exit code: 0, or 128 + the number of the signal that stopped it.

    Raises:
      InputError: bad config or data, or no GTN in the workdir.
      DivergenceError: a baseline diverged however it was meta-trained.
    """
    run = restore_run(config, workdir)
    config = copy.deepcopy(config)
    config.meta.num_steps = int(run.step.numpy())
    others = [
        name
        for name in dict.fromkeys(config.evaluation.sources)
        if name not in ("gtn", config.source)
    ]
    try:
        with claim_workdir(workdir), stoppable() as check_signals:
            dataset = load_dataset(config, with_test=True)
            setting = build_setting(config, workdir, dataset)
            own = source_of_run(
                config.source,
                run,
                float(run.seconds.numpy()),
                f"meta-trained for {config.meta.num_steps} meta-steps",
                validations(workdir, config.meta.num_steps),
            )
            sources = [own]
            for name in others:
                check_signals()
                make = choose(name, BASELINES, "evaluation.sources")
                sources.append(make(setting))
            # The workdir's own learner is ''.
            problems = {"": setting.problem}
            problems |= transfer_problems(config, dataset, setting.problem)
            found = _train_learners(setting, problems, sources, check_signals)
            result = {
                "format_version": 1,
                "dataset": config.dataset.name,
                **_summarize(
                    setting,
                    config.learner.pool or config.learner.name,
                    sources,
                    found,
                ),
                "environment": environment(),
                "meta_steps": config.meta.num_steps,
            }
            write_json(workdir / "evaluation.json", result)
            save_evaluation(workdir / "evaluation.png", result)
    except Stopped as stopped:
        return stopped.code
    show_table(table(result))
    say(f"done: evaluation.json and evaluation.png in {workdir}")
    return 0


def _train_learners(
    setting: Setting,
    problems: dict[str, InnerProblem],
    sources: list[Source],
    check_signals: Callable[[], None],
) -> dict[tuple[str, str], list[Trained]]:
    """Returns {(learner family or '', source): one entry per learner}."""
    num_learners = setting.num_learners
    real_test = device_split(setting.dataset, "test")
    trainers = {
        family: FreshLearners(setting, problem, real_test)
        for family, problem in problems.items()
    }
    asked = [
        (family, source)
        for family in trainers
        for source in sources
        if not family or source.name in _TRANSFERRED
    ]
    path = setting.workdir / "evaluation.jsonl"
    rows = read_rows(path, "index") if path.exists() else []
    known = {tuple(map(row.get, _KEYS)): row for row in rows}
    found: dict[tuple[str, str], list[Trained]] = {}
    kept: list[dict] = []
    log = RowLog(path, rows)
    progress = Progress(len(asked) * num_learners, unit="learner")
    try:
        for family, source in asked:
            trainer = trainers[family]
            results = found.setdefault((family, source.name), [])
            digest = trainer.digest(source)
            for index in range(num_learners):
                check_signals()
                key = (source.name, family, index, digest)
                row = known.get(key)
                if row is None:
                    trained = trainer.train_and_test(source, index)
                    row = dict(zip(_KEYS, key, strict=True))
                    row |= trained._asdict()
                    log.append(row)
                kept.append(row)
                results.append(Trained(row["accuracies"], row["seconds"]))
                progress.update(len(kept), accuracy=row["accuracies"][-1])
    finally:
        progress.close()
        log.close()
    RowLog(path, kept).close()  # rows of another GTN or setting go
    return found


def _summarize(
    setting: Setting,
    learner: str,
    sources: list[Source],
    found: dict[tuple[str, str], list[Trained]],
) -> dict:
    """Returns what evaluation.json holds of them, in the order it is read."""
    num_steps, batch_size = setting.sequence_shape
    finals = {
        key: [learner.accuracies[-1] for learner in learners]
        for key, learners in found.items()
    }
    own, *others = (source.name for source in sources)
    return {
        "num_inner_steps": num_steps,
        "inner_batch_size": batch_size,
        "split": "test",
        "num_test_images": len(setting.dataset.test.images),
        "learner": learner,
        "unit": "fresh learners of one GTN",
        "sources": {
            source.name: {
                **_accuracy(finals["", source.name]),
                "accuracies": finals["", source.name],
                **_per_step(found["", source.name]),
                "images_seen": num_steps * batch_size,
                "seconds_per_learner": statistics.median(
                    learner.seconds for learner in found["", source.name]
                ),
                "setup_seconds": source.setup_seconds,
                "how": source.how,
                "validation_curve": source.validation_curve,
            }
            for source in sources
        },
        "differences": {
            f"{own} - {other}": _difference(finals["", own], finals["", other])
            for other in others
        },
        "transfer": {
            family: {
                name: _accuracy(values)
                for (of_family, name), values in finals.items()
                if of_family == family
            }
            for family in dict.fromkeys(family for family, _ in finals)
            if family
        },
    }


def _accuracy(values: list[float]) -> dict:
    interval = mean_interval(values)
    return {
        "accuracy": interval.mean,
        "std": interval.std,
        "ci95": interval.ci95,
        "num_learners": len(values),
    }


def _per_step(learners: list[Trained]) -> dict:
    per_step = [
        mean_interval(values)
        for values in zip(*(t.accuracies for t in learners), strict=True)
    ]
    return {
        "accuracy_per_step": [interval.mean for interval in per_step],
        "ci95_per_step": [interval.ci95 for interval in per_step],
    }


def _difference(ours: list[float], theirs: list[float]) -> dict:
    """Learner i against learner i: they start from the same weights."""
    interval = mean_interval(np.subtract(ours, theirs))
    return {
        "mean": interval.mean,
        "ci95": interval.ci95,
        "num_learners": len(ours),
    }


def table(result: dict) -> str:
    """Returns evaluation.json as lines for a terminal."""
    own = next(iter(result["sources"]))
    lines = [
        f"{result['dataset']}: test accuracy of fresh learners "
        f"({result['learner']}) after {result['num_inner_steps']} steps of "
        f"{result['inner_batch_size']} images",
        f"{'source':14}{'accuracy':>9}  {'95 % interval':17}"
        f"{own + ' - source':17}{'95 % interval':>18}{'set-up':>10}",
    ]
    for name, values in result["sources"].items():
        difference = result["differences"].get(f"{own} - {name}")
        lines.append(
            f"{name:14}{values['accuracy']:9.4f}  "
            f"{shown(values['ci95']):17}"
            + (
                f"{difference['mean']:+13.4f}{shown(difference['ci95']):>22}"
                if difference
                else " " * 35
            )
            + f"{values['setup_seconds']:9.0f}s"
        )
    for family, of_sources in result["transfer"].items():
        lines.append(f"transfer to {family}:")
        lines += [
            f"  {name:12}{values['accuracy']:9.4f}  {shown(values['ci95'])}"
            for name, values in of_sources.items()
        ]
    return "\n".join(lines)
