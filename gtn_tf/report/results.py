"""What a workdir holds, read and checked; no TensorFlow here."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gtn_tf.config import flatten
from gtn_tf.config.choices import EXPERIMENTS
from gtn_tf.export.load import Teacher, load
from gtn_tf.export.real_images import (
    FILE_NAME,
    RealImages,
    read_real_images,
)
from gtn_tf.figures.style import SOURCES
from gtn_tf.nas.results import SearchResults, read_search
from gtn_tf.runtime.result_files import (
    are_numbers,
    damaged,
    is_interval,
    is_number,
    is_number_or_none,
    is_text,
    list_of,
    or_none,
    pair_of,
    read_checked,
    read_object,
)
from gtn_tf.runtime.row_log import read_thinned_rows
from gtn_tf.types import InputError


class Results(NamedTuple):
    """The files of a workdir; None or empty where absent.

    Attributes:
      workdir: where they are.
      config: of config.json, nested.
      environment: of config.json: versions, devices, threads.
      rows: of metrics.jsonl; values that are no finite numbers are left out.
      evaluation: evaluation.json.
      teacher: export/: its metadata and arrays.
      real: real images beside the export; older ones have none.
      retrainings: retrain/NAME/result.json, by name.
      search: search/.
      experiments: experiments/NAME/result.json, by name.
    """

    workdir: Path
    config: dict
    environment: dict
    rows: list[dict]
    evaluation: dict | None
    teacher: Teacher | None
    real: RealImages | None
    retrainings: list[dict]
    search: SearchResults | None
    experiments: dict[str, dict]


def read_results(workdir: Path) -> Results:
    """Reads whatever a workdir holds.

    Raises:
      InputError: It holds no results, or one of its files is damaged.
    """
    workdir = Path(workdir)
    if not (workdir / "config.json").exists():
        raise _nothing(workdir)
    config = dict(read_object(workdir / "config.json"))
    environment = config.pop("environment", {})
    results = Results(
        workdir=workdir,
        config=config,
        environment=environment if isinstance(environment, dict) else {},
        rows=_read_metrics(workdir / "metrics.jsonl"),
        evaluation=_read_evaluation(workdir / "evaluation.json"),
        teacher=_read_teacher(workdir / "export"),
        real=read_real_images(workdir / "export" / FILE_NAME),
        retrainings=[
            read_checked(path, _RETRAINING)
            for path in sorted(workdir.glob("retrain/*/result.json"))
        ],
        search=read_search(workdir),
        experiments={
            name: read_object(experiment_path(workdir, name))
            for name in EXPERIMENTS
            if experiment_path(workdir, name).exists()
        },
    )
    held = results._replace(real=None)[3:]
    if not any(held):
        raise _nothing(workdir)
    return results


def experiment_path(workdir: Path, name: str) -> Path:
    """Returns where an experiment's result is."""
    return workdir / "experiments" / name / "result.json"


def has_run(results: Results) -> bool:
    """Whether the workdir holds a meta-training, or what came of one."""
    return bool(results.rows or results.evaluation or results.teacher)


def config_value(results: Results, key: str) -> object:
    """Returns the value of a dotted key, None where there is none."""
    return dict(flatten(results.config)).get(key)


def _nothing(workdir: Path) -> InputError:
    return InputError(
        f"workdir {str(workdir)!r} holds no results; expected config.json and "
        "a metrics.jsonl with rows, an evaluation.json, an export, a "
        "search/ranking.json, a retrain/*/result.json or an "
        "experiments/*/result.json; run --mode=pretrain, search, retrain or "
        "evaluate first or give another --workdir"
    )


#: As `result_files.misfit` takes it: key -> what its value must be.
_MEASURED = {
    "accuracy": is_number,
    "ci95": is_interval,
    "num_learners": is_number,
}
_SOURCE = {
    **_MEASURED,
    "accuracy_per_step": are_numbers,
    "ci95_per_step?": or_none(list_of(is_interval)),
    "std?": is_number_or_none,
    "images_seen?": is_number_or_none,
    "seconds_per_learner?": is_number_or_none,
    "setup_seconds?": is_number_or_none,
    "validation_curve?": or_none(
        list_of(pair_of(is_number, is_number_or_none))
    ),
}
_EVALUATION = {
    "sources": {f"{name}?": _SOURCE for name in SOURCES},
    "differences?": {
        "*": {
            "mean": is_number,
            "ci95": is_interval,
            "num_learners?": is_number_or_none,
        }
    },
    "transfer?": {"*": {"*": _MEASURED}},
    "num_test_images?": is_number_or_none,
    "seconds?": is_number_or_none,
}
_EXPORT = {
    "normalisation": dict.fromkeys(
        ("mean", "std"), lambda v: is_number(v) or are_numbers(v)
    )
}
_RETRAINING = {
    **dict.fromkeys(
        (
            *("num_epochs", "batch_size", "num_cells", "channels", "cutout"),
            *("params", "device_days", "test_error_mean"),
        ),
        is_number,
    ),
    **dict.fromkeys(("name", "dataset", "genotype_name"), is_text),
    "seeds": are_numbers,
    "test_error_std": is_number_or_none,
    "search": or_none(
        {
            "strategy?": is_text,
            "evaluator?": or_none(is_text),
            "seconds?": is_number_or_none,
        }
    ),
}


def _read_evaluation(path: Path) -> dict | None:
    evaluation = read_checked(path, _EVALUATION)
    if evaluation is None:
        return None
    if not evaluation["sources"]:
        raise damaged(path, "no sources")
    for name, source in evaluation["sources"].items():
        if name not in SOURCES:
            raise damaged(path, f"sources.{name} is none of gtn_tf's")
        bands = source.get("ci95_per_step")
        num_steps = len(source["accuracy_per_step"])
        if bands is not None and len(bands) != num_steps:
            raise damaged(
                path, f"{len(bands)} of {num_steps} bands of {name!r}"
            )
    return evaluation


def _read_metrics(path: Path) -> list[dict]:
    rows = read_thinned_rows(path) if path.exists() else []
    return [{k: v for k, v in r.items() if is_number(v)} for r in rows]


def _read_teacher(folder: Path) -> Teacher | None:
    metadata = read_checked(folder / "metadata.json", _EXPORT)
    return None if metadata is None else load(folder)
