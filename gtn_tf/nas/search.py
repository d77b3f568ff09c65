"""Random search (`--mode=search`): sample, score, rank, select.

Every pair of architecture and evaluator is one job, and one file once it is
done: a search that was killed goes on where it was, and processes that share a
workdir share the work.
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from absl import logging
from ml_collections import config_dict
from tqdm import tqdm

from gtn_tf import __version__
from gtn_tf.config.evaluator_names import EvaluatorName, parse_evaluator
from gtn_tf.evaluation.baselines import meta_train
from gtn_tf.export.load import Teacher, load
from gtn_tf.export.write import export
from gtn_tf.figures import search as search_figures
from gtn_tf.figures.cells import save_cells
from gtn_tf.nas import summary as search_summary
from gtn_tf.nas.evaluators import evaluate_job, stopped_when
from gtn_tf.nas.executors import executor
from gtn_tf.nas.job_results import problem_of
from gtn_tf.nas.jobs import (
    Planned,
    plan,
    sample_architectures,
    settings_of,
)
from gtn_tf.nas.results import PICTURES
from gtn_tf.nas.score_table import read_scores
from gtn_tf.nas.task import Setting, setting_of
from gtn_tf.runtime.cluster import refuse_several_workers
from gtn_tf.runtime.devices import configure_runtime, environment
from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.runtime.interrupts import (
    Stopped,
    catch_signals,
    exit_code,
)
from gtn_tf.runtime.job_store import JobStore, shard
from gtn_tf.runtime.progress import Progress, say
from gtn_tf.runtime.workdir import check_workdir
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.training.pretrain import pretrain
from gtn_tf.training.run import write_config
from gtn_tf.types import InputError

_TABLE_SECONDS = 60.0  # between two live tables
_IN_LIVE_TABLE = 10


def search(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Searches; resumes what the workdir holds.

    Returns:
      The exit code: 0, or 128 + the number of the signal that stopped it.

    Raises:
      InputError: bad config, data or workdir, or a GTN of other data.
      DivergenceError: the GTN, where it has to be meta-trained first, did.
    """
    refuse_several_workers(config.strategy)
    run_jobs = executor(config.search.executor)
    check_workdir(config, workdir)
    configure_runtime(config.num_logical_devices, config.tensor_float_32)
    genotypes = sample_architectures(config)
    names = [parse_evaluator(text) for text in config.search.evaluators]
    names.append(parse_evaluator(config.search.truth))
    for name in names:
        if name.kind == "table":
            read_scores(Path(name.path))
    _check_source(config, names)
    try:
        teachers, setup_seconds = _teachers(
            config, workdir, {name.kind for name in names}
        )
    except Stopped as stopped:
        return stopped.code
    settings = settings_of(config)
    _check_teachers(teachers, setting_of(settings), names)
    store = JobStore(workdir / "search" / "results", problem_of)
    if not (workdir / "config.json").exists():
        write_config(config, workdir)
    planned = plan(config, settings, genotypes, names, teachers)
    with catch_signals() as caught:
        with stopped_when(lambda: bool(caught)):
            _run(config, run_jobs, planned, store, lambda: bool(caught))
        if caught:
            say("stopped; the same command goes on")
            return exit_code(caught)
        return _finish(config, workdir, planned, store, setup_seconds)


def _check_source(
    config: config_dict.ConfigDict, names: list[EvaluatorName]
) -> None:
    """Refuses to meta-train for the evaluator `gtn` what is no GTN."""
    kinds = {name.kind for name in names}
    if "gtn" in kinds and config.search.gtn is None and config.source != "gtn":
        raise InputError(
            f"source is {config.source!r}, and evaluator 'gtn' has no "
            "search.gtn; expected source 'gtn', with which one is meta-trained "
            "first; set --config.source=gtn or give --config.search.gtn"
        )


def _teachers(
    config: config_dict.ConfigDict, workdir: Path, kinds: set[str]
) -> tuple[dict[str, Teacher], dict[str, float]]:
    """Returns what evaluators train on, and its seconds, by their kind."""
    makers = {"gtn": _make_gtn, "distillation": _make_distillation}
    teachers, seconds = {}, {}
    for kind, make in makers.items():
        if kind not in kinds:
            continue
        path, tried = config.search[kind], 0.0
        if path is None:
            path, tried = make(config, workdir)
        teachers[kind] = load(Path(path))
        own = teachers[kind].metadata["meta_training_seconds"]
        seconds[kind] = max(own, tried)
    return teachers, seconds


def _make_gtn(
    config: config_dict.ConfigDict, workdir: Path
) -> tuple[Path, float]:
    """Meta-trains the workdir's GTN, unless it is exported already."""
    if not (workdir / "export" / "metadata.json").exists():
        say(f"{workdir} holds no GTN: it is meta-trained first")
        code = pretrain(config, workdir)
        if code:
            raise Stopped(code)
        export(config, workdir)
    return workdir, 0.0


def _make_distillation(
    config: config_dict.ConfigDict, workdir: Path
) -> tuple[Path, float]:
    """Distils; the seconds are those of all rates that were tried."""
    done = meta_train("distillation", config, workdir)
    path = done.folder / "export" / "metadata.json"
    # A raised meta.num_steps has gone on with the training.
    if (
        not path.exists()
        or read_json(path)["meta_steps"] != config.meta.num_steps
    ):
        export(done.config, done.folder)
    return done.folder, done.seconds


def _check_teachers(
    teachers: Mapping[str, Teacher],
    setting: Setting,
    names: list[EvaluatorName],
) -> None:
    """Refuses synthetic data of another data set, split or, if asked, size."""
    dataset, inner = setting.dataset, setting.config.inner
    expected = inner.num_steps, inner.batch_size
    follows = any(
        name.unit is None and name.kind in ("real", "real_subset")
        for name in names
    )
    for kind, teacher in teachers.items():
        found = teacher.metadata["dataset"]
        if found != dataset.name:
            raise InputError(
                f"search.{kind} is of {found!r}; expected {dataset.name!r}, "
                f"the dataset.name; give another --config.search.{kind}"
            )
        size = tuple(
            teacher.metadata[key]
            for key in ("num_inner_steps", "inner_batch_size")
        )
        if follows and size != expected:
            raise InputError(
                f"search.{kind} has {size[0]} steps of {size[1]} images; "
                f"expected {expected[0]} of {expected[1]}, as inner.num_steps "
                "and inner.batch_size are what 'real' and 'real_subset' take "
                f"without a budget; set them to {size[0]} and {size[1]}"
            )
        if not teacher.was_made_with(dataset.mean):
            raise InputError(
                f"search.{kind} was made with other training images of "
                f"{found!r}; expected those of dataset.split_seed "
                f"{setting.config.dataset.split_seed}; set "
                "--config.dataset.split_seed to its own"
            )


def _run(
    config: config_dict.ConfigDict,
    run_jobs: Callable,
    planned: Planned,
    store: JobStore,
    should_stop: Callable[[], bool],
) -> None:
    """Does the jobs of this shard that nobody has done."""
    mine = shard(planned, config.search.shard, config.search.num_shards)
    results = {key: store.get(key) for key in planned}
    due = {key: mine[key]["job"] for key in mine if results[key] is None}
    if len(due) < len(mine):
        say(f"{len(mine) - len(due)} of {len(mine)} evaluations are there")
    versions = {
        "gtn_tf": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    progress = Progress(len(mine), len(mine) - len(due), unit="evaluation")
    shown_at = time.monotonic()
    try:
        for number, (key, outcome) in enumerate(
            run_jobs(do_job, due, should_stop), start=1
        ):
            identity = {k: v for k, v in planned[key].items() if k != "job"}
            results[key] = {
                "key": key,
                **identity,
                **outcome,
                "versions": versions,
            }
            store.put(key, results[key])
            if outcome["status"] == "failed":
                logging.warning(
                    "Architecture %s failed under %s and ranks last: %s.",
                    identity["genotype_key"],
                    identity["evaluator"],
                    outcome["reason"],
                )
            progress.update(len(mine) - len(due) + number)
            if time.monotonic() - shown_at >= _TABLE_SECONDS:
                shown_at = time.monotonic()
                _show_best(config, results)
    finally:
        progress.close()


def do_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Does one job in a process that may be new, such as a Ray worker."""
    config = job["config"]
    configure_runtime(config["num_logical_devices"], config["tensor_float_32"])
    return evaluate_job(job)


def _show_best(config: config_dict.ConfigDict, results: Mapping) -> None:
    scores = search_summary.scores_by_evaluator(results.values())
    lines = search_summary.best_table(
        scores, config.search.evaluators, config.search.truth, _IN_LIVE_TABLE
    )
    if lines:
        tqdm.write(lines, file=sys.stderr)


def _finish(
    config: config_dict.ConfigDict,
    workdir: Path,
    planned: Planned,
    store: JobStore,
    setup_seconds: Mapping[str, float],
) -> int:
    """Ranks, draws and prints, once the results of all shards are there."""
    results = {key: store.get(key) for key in planned}
    missing = sum(result is None for result in results.values())
    if missing:
        say(
            f"this shard is done; {missing} evaluations of others are not; "
            "the last one ranks, or the same command later"
        )
        return 0
    folder = workdir / "search"
    scores, ranked = search_summary.summarize(
        list(results.values()),
        list(config.search.evaluators),
        config.search.truth,
        setup_seconds,
    )
    ranked["config"] = config.to_dict()
    ranked["environment"] = environment()
    # What is not written anew would be an earlier search's.
    for name in ("selected.json", *(f"{n}.png" for n in PICTURES)):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / "ranking.json", ranked)
    if ranked["selected"] is not None:
        _write_selected(folder, ranked["selected"])
    _draw(config, folder, scores, ranked)
    print(search_summary.evaluator_table(ranked))
    print(
        search_summary.best_table(
            scores,
            config.search.evaluators,
            config.search.truth,
            _IN_LIVE_TABLE,
        )
    )
    say(f"done: ranking.json, selected.json and figures in {folder}")
    return 0


def _write_selected(folder: Path, selected: Mapping[str, Any]) -> None:
    """Writes what `Genotype.from_json` reads, and a picture of it."""
    genotype = Genotype.from_text(selected["genotype"])
    known = {k: v for k, v in selected.items() if k != "genotype"}
    write_json(
        folder / "selected.json",
        {**known, "text": selected["genotype"], **genotype.to_json()},
    )
    save_cells(folder / "selected.png", genotype)


def _draw(
    config: config_dict.ConfigDict,
    folder: Path,
    scores: Mapping[str, Mapping[str, float | None]],
    ranked: dict[str, Any],
) -> None:
    num_truths = ranked["num_architectures"]
    if not num_truths:
        return
    title = f"{config.dataset.name}: {num_truths} architectures"
    search_figures.save_scatter(folder / "scatter.png", scores, ranked, title)
    search_figures.save_cost_curve(folder / "cost.png", ranked, title)
