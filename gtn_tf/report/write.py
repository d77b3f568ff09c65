"""`--mode=report`: one self-contained page of whatever a workdir holds.

Reads files only. A section is a function of the results that returns None
where what it shows is absent; `_SECTIONS` lists them in the order of the page.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.config import (
    FIELDS,
    default_config,
    flatten,
    validate,
)
from gtn_tf.report.evaluation import evaluation_section
from gtn_tf.report.experiments import experiments_section
from gtn_tf.report.header import header, title
from gtn_tf.report.numbers import ABSENT
from gtn_tf.report.page import Html, Table, document, macro, render
from gtn_tf.report.results import (
    Results,
    has_run,
    read_results,
)
from gtn_tf.report.retrain import retrain_section
from gtn_tf.report.search import search_section
from gtn_tf.report.training import curriculum_section, meta_training_section
from gtn_tf.runtime.files import to_json, write_atomically
from gtn_tf.runtime.progress import duration, say
from gtn_tf.runtime.workdir import check_workdir
from gtn_tf.types import InputError

_EXPERIMENT = "--config.evaluation.experiment"


def report(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Writes `workdir/report.html` and says so on standard error.

    Returns:
      The exit code, 0.

    Raises:
      InputError: bad config; no results in the workdir, damaged ones or those
        of another config; or the page cannot be written.
    """
    validate(config)
    results = read_results(workdir)
    check_workdir(config, workdir)
    path = Path(workdir) / "report.html"
    # A lone surrogate, which JSON can hold, has no UTF-8.
    page = build_page(results).encode("utf-8", "xmlcharrefreplace")
    try:
        write_atomically(path, page)
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be written ({error.strerror}); expected a "
            "workdir that can be written; report on a copy of it"
        ) from error
    say(str(path))
    return 0


def build_page(results: Results) -> str:
    """Returns the page: the same results, the same text."""
    found = (make(results) for make in _SECTIONS)
    return document(
        title(results),
        header(results),
        [part for part in found if part is not None],
    )


def _defaults() -> dict[str, Any]:
    return dict(flatten(to_json(default_config().to_dict())))


def _config(results: Results) -> Html:
    defaults = _defaults()
    values = dict(flatten(results.config))
    rows, classes, code = [], [], macro("code")
    for key in [*FIELDS, *(key for key in values if key not in FIELDS)]:
        value, default = values.get(key, ABSENT), defaults.get(key, ABSENT)
        is_set = key in values and value != default
        rows.append(
            (
                code(key),
                code(_flag_value(value)),
                code(_flag_value(default)) if is_set else "",
                FIELDS[key].meaning if key in FIELDS else "",
            )
        )
        classes.append("set" if is_set else "default")
    return render(
        "config",
        num_set=classes.count("set"),
        table=Table(
            "Keys that differ from the default are marked.",
            ["key", "value", "default, if another", "meaning"],
            rows,
            num_text_columns=4,
            row_classes=classes,
        ),
    )


def _provenance(results: Results) -> Html:
    facts = dict(flatten(results.environment))
    export = results.teacher.metadata if results.teacher else {}
    evaluation = results.evaluation or {}
    seconds = results.rows[-1].get("seconds") if results.rows else None
    if has_run(results):
        facts["time of meta-training"] = duration(seconds)
    for name, found in (("export", export), ("evaluation", evaluation)):
        versions = found.get("versions")
        if isinstance(versions, dict):
            listed = flatten(versions)
            text = ", ".join(f"{key} {value}" for key, value in listed)
            facts[f"versions of the {name}"] = text
    shown = {
        name.replace("_", " "): ", ".join(map(str, value))
        if isinstance(value, list)
        else value
        for name, value in facts.items()
    }
    return render("provenance", facts=shown)


def flags(values: dict[str, Any], base: dict[str, Any]) -> list[str]:
    """Returns the flags that make one config of another.

    Args:
      values: of the config that is wanted, as in config.json, by dotted key.
      base: of the config that the command names, alike.
    """
    return [
        f"--config.{key}={_flag_value(value)}"
        for key, value in values.items()
        if key in FIELDS
        and value != base[key]
        and key != "evaluation.experiment"  # stands with its mode
    ]


def _flag_value(value: object) -> str:
    """Writes a value of config.json as flags take it: lists as tuples."""
    if isinstance(value, list):
        items = "".join(f"{_item(item)}," for item in value)
        return f"({items if len(value) == 1 else items[:-1]})"
    return str(value)


def _item(value: object) -> str:
    # A tuple's strings are read with their quotes alone: double ones, as a
    # shell's are single.
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return _flag_value(value)


def _reproduce(results: Results) -> Html:
    modes, experiments = _modes(results), list(results.experiments)
    first = [f"--mode={modes.pop(0) if modes else 'evaluate'}"]
    if first == ["--mode=pretrain"]:
        first = []  # the default
    elif first == ["--mode=evaluate"]:
        first.append(f"{_EXPERIMENT}={experiments.pop(0)}")
    given = [
        "python -m gtn_tf.main --config=default",
        f"--workdir={results.workdir}",
        *first,
        *flags(dict(flatten(results.config)), _defaults()),
    ]
    command = " \\\n    ".join(
        [given[0], *(shlex.quote(flag) for flag in given[1:])]
    )
    return render(
        "reproduce",
        command=command,
        modes=modes,
        experiments=experiments,
        experiment_flag=_EXPERIMENT,
    )


def _modes(results: Results) -> list[str]:
    """Returns the modes that make what the workdir holds, in order."""
    made = {
        "pretrain": has_run(results),
        "evaluate": results.evaluation,
        "export": results.teacher,
        "search": results.search,
        "retrain": results.retrainings,
    }
    return [mode for mode, holds in made.items() if holds]


def _notes(results: Results) -> Html:
    notes = {
        "Intervals are over learners within one GTN: fresh initial weights, "
        "the same meta-trained GTN. They do not say how another "
        "meta-training, from another seed, would end.": results.evaluation,
        "Intervals of rank correlations are over architectures: they speak of "
        "other architectures of the space, scored by the same evaluators, not "
        "of another GTN or seed.": results.search,
        "Intervals of the experiments are over GTN seeds, or of one seed over "
        "its learners; the difference that weight_norm shows is over draws, "
        "what any_ranking shows is over networks.": results.experiments,
        "\u201cBetter\u201d and \u201cworse\u201d mean that the 95 % interval "
        "of the paired difference excludes 0.": (
            results.evaluation or results.search
        ),
        "Training reads the train split; validation accuracies are of images "
        "held out from it, and are what choices are made by. Test images are "
        "read by evaluations, experiments and final trainings alone.": True,
        f"\u201c{ABSENT}\u201d: not run, or not known.": True,
    }
    return render("notes", notes=[n for n, holds in notes.items() if holds])


#: In the order of the page.
_SECTIONS: tuple[Callable[[Results], Html | None], ...] = (
    evaluation_section,
    search_section,
    retrain_section,
    experiments_section,
    curriculum_section,
    meta_training_section,
    _notes,
    _reproduce,
    _config,
    _provenance,
)
