"""A search (`--mode=search`): propose, score, rank, select.

Every pair of architecture and evaluator is one job, and one file once it is
done: a search that was killed goes on where it was, and processes that share a
workdir share the work.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from ml_collections import config_dict

from gtn_tf.config.choices import SEARCH_STRATEGIES
from gtn_tf.config.evaluator_names import parts_of
from gtn_tf.config.fields import is_number
from gtn_tf.import_paths import choose
from gtn_tf.nas.evaluators.evaluator import Evaluator
from gtn_tf.nas.executors import executor
from gtn_tf.nas.job_results import problem_of, short_line
from gtn_tf.nas.jobs import Plan, Source, teacher_source
from gtn_tf.nas.kept_proposals import Kept, kept_proposals
from gtn_tf.nas.loop import Loop
from gtn_tf.nas.outputs import write_outputs
from gtn_tf.nas.proposals import Proposals
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import SearchSpec, search_spec
from gtn_tf.nas.strategies.listed import Listed
from gtn_tf.nas.strategies.strategy import (
    Coupled,
    Found,
    Strategy,
)
from gtn_tf.nas.teachers import check_teachers, prepare_teachers
from gtn_tf.nas.weight_training import SOURCES, prepare_source
from gtn_tf.nas.worker import Worker
from gtn_tf.runtime.cluster import refuse_several_workers
from gtn_tf.runtime.global_switches import configure_runtime
from gtn_tf.runtime.graph_memory import older_objects_kept
from gtn_tf.runtime.interrupts import Stopped, catch_signals, exit_code
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.workdir import check_workdir
from gtn_tf.training.memory import check_memory, network_parts
from gtn_tf.training.own_data import check_own_data, is_own_data
from gtn_tf.training.run import write_config
from gtn_tf.types import InputError


def search(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Searches; resumes what the workdir holds.

    Returns:
      The exit code: 0, or 128 + the number of the signal that stopped it.

    Raises:
      InputError: bad config, data or workdir, or a GTN of other data.
      DivergenceError: the GTN, where it has to be meta-trained first, did.
    """
    refuse_several_workers(config.strategy)
    spec = search_spec(config)
    run_jobs = executor(spec.executor)
    check_workdir(config, workdir)
    configure_runtime(spec.num_logical_devices, spec.tensor_float_32)
    caught: list[int] = []
    worker = Worker(spec, lambda: bool(caught))
    strategy = make_strategy(spec)
    _check_shards(spec, strategy)
    _check_guide(spec, worker.evaluators)
    _check_memory(config, worker)
    _check_first(spec, strategy)
    if is_own_data(spec.dataset):
        check_own_data(worker.session.data.dataset, workdir)
    evaluators = worker.evaluators
    found = None
    try:
        if isinstance(strategy, Coupled):
            found = _find(strategy, worker.session, workdir)
            strategy = Listed(tuple(found.architectures))
        strategy = kept_proposals(strategy, spec, workdir)
        proposals = Proposals(
            strategy, worker.space, spec.seed, spec.num_architectures
        )
        sources, setup_seconds = make_sources(
            config, workdir, worker.session, evaluators.values(), found
        )
    except Stopped as stopped:
        return stopped.code
    store = JobStore(workdir / "search" / "results", problem_of)
    if not (workdir / "config.json").exists():
        write_config(config, workdir)
    loop = Loop(spec, proposals, Plan(spec, evaluators, sources), store)
    with catch_signals(caught):
        with older_objects_kept():
            loop.run(run_jobs, worker.do, worker.session.should_stop)
        if caught:
            say("stopped; the same command goes on")
            return exit_code(caught)
        results = {key: store.get(key) for key in loop.planned}
        missing = sum(result is None for result in results.values())
        if missing:
            say(
                f"this shard is done; {missing} evaluations of others are not; "
                "the last one ranks, or the same command later"
            )
            return 0
        folder = workdir / "search"
        write_outputs(
            folder,
            spec,
            worker.space,
            list(results.values()),
            {
                name: setup_seconds.get(evaluator.teacher, 0.0)
                for name, evaluator in evaluators.items()
            },
            config.to_dict(),
            _own_seconds(found, strategy),
            strategy.adapts,
        )
        say(f"done: ranking.json, selected.json and figures in {folder}")
        return 0


def _find(strategy: Coupled, session: Session, workdir: Path) -> Found:
    """Returns what a strategy of its own training ended in.

    Raises:
      InputError: what a person's own returns is no `Found`.
    """
    found = strategy.find(session, workdir)
    is_sound = (
        isinstance(found, Found)
        and isinstance(found.architectures, list | tuple)
        and bool(found.architectures)
        and all(isinstance(text, str) for text in found.architectures)
        and is_number(found.seconds)
        and found.seconds >= 0
        and isinstance(found.supernet, Path | None)
    )
    if not is_sound:
        raise InputError(
            f"search.strategy {session.spec.strategy!r} returns "
            f"{short_line(found)}; expected a Found of texts, at least one, "
            "seconds that are not negative, and a Path or None; correct its "
            "find"
        )
    return found


def _own_seconds(found: Found | None, strategy: Strategy) -> float | None:
    """Returns those of a strategy's training, or of its proposals."""
    if found is not None:
        return found.seconds
    return strategy.seconds if isinstance(strategy, Kept) else None


def make_sources(
    config: config_dict.ConfigDict,
    workdir: Path,
    session: Session,
    evaluators: Collection[Evaluator],
    found: Found | None = None,
) -> tuple[dict[str, Source], dict[str, float]]:
    """Makes what evaluators need; returns it, and its seconds, by name.

    Args:
      config: of the search.
      workdir: of it.
      session: of it.
      evaluators: that need something.
      found: by a coupled strategy, if it was one.
    """
    teachers, seconds = prepare_teachers(config, workdir, evaluators)
    check_teachers(teachers, session, evaluators)
    sources = {name: teacher_source(t) for name, t in teachers.items()}
    for kind in SOURCES:
        if all(evaluator.teacher != kind for evaluator in evaluators):
            continue
        own = found.supernet if found and kind == "supernet" else None
        source = prepare_source(kind, session, workdir, own)
        sources[kind] = Source(str(source.folder), source.digest)
        # Those of the strategy's own are `found_seconds`.
        seconds[kind] = 0.0 if source.folder == own else source.seconds
    return sources, seconds


def make_strategy(spec: SearchSpec) -> Strategy | Coupled:
    """Returns the search's strategy, made with its options.

    Raises:
      InputError: there is none of this name.
    """
    make = choose(spec.strategy, SEARCH_STRATEGIES, "search.strategy")
    return make(**spec.strategy_options)


def _check_guide(spec: SearchSpec, evaluators: Mapping[str, Evaluator]) -> None:
    """Refuses one table by two names."""
    if spec.guide is None:
        return
    guide, truth = evaluators[spec.guide], evaluators[spec.truth]
    if type(guide) is type(truth) and guide.budget() == truth.budget():
        raise InputError(
            f"search.guide {spec.guide!r} is what search.truth {spec.truth!r} "
            "is; expected something that costs less; set --config.search.guide "
            "to another evaluator, or --config.search.truth"
        )


def _check_memory(config: config_dict.ConfigDict, worker: Worker) -> None:
    """Refuses networks that the memory cannot hold, before any is built."""
    spec = worker.spec
    for key, training in (
        ("real_batch_size", spec.training),
        ("truth_batch_size", spec.truth_training),
    ):
        parts = network_parts(
            *("search", spec.channels, key, training.batch_size),
            worker.session.data.dataset.image_shape,
        )
        check_memory(config, parts)


def _check_first(spec: SearchSpec, strategy: Strategy) -> None:
    """Refuses to tell a strategy ranks, which others' scores change."""
    first = spec.evaluators[0]
    if strategy.adapts and parts_of(first):
        raise InputError(
            f"search.evaluators begin with {first!r} under search.strategy "
            f"{spec.strategy!r}, which is told scores as they come; expected "
            "an evaluator of its own first; put one of its parts there"
        )


def _check_shards(spec: SearchSpec, strategy: Strategy) -> None:
    """Refuses shards of what depends on the scores of all."""
    if spec.guide is not None and spec.num_shards > 1:
        raise InputError(
            f"search.num_shards is {spec.num_shards} with search.guide "
            f"{spec.guide!r}, whose best are known once all are scored; "
            "expected 1; set --config.search.num_shards=1, and "
            "--config.search.executor=ray for more machines"
        )
    if strategy.adapts and spec.num_shards > 1:
        raise InputError(
            f"search.num_shards is {spec.num_shards} with search.strategy "
            f"{spec.strategy!r}, whose proposals depend on all scores; "
            "expected 1; set --config.search.num_shards=1, and "
            "--config.search.executor=ray for more machines"
        )
