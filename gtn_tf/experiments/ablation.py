"""What a change of the config is worth: arms of your own, over GTN seeds.

Every arm is meta-trained from the same seeds as the config itself, `plain`.
Its fresh learners are those of its own config, trained and validated as it
says: an arm may change the GTN, the learners, or both.
"""

from __future__ import annotations

import ast
import hashlib
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.config import FIELDS, learning, unknown_key_error, validate
from gtn_tf.experiments.experiment import Experiment
from gtn_tf.experiments.seed_means import (
    draw_mean,
    left_out,
    mean_text,
    seeds_note,
)
from gtn_tf.figures.style import (
    INK,
    LINES,
    WIDTH,
    add_note,
    in_percent,
    in_theme,
    new_figure,
)
from gtn_tf.runtime.files import to_json
from gtn_tf.statistics.intervals import shown
from gtn_tf.statistics.over_seeds import difference, mean_accuracy, of_arm
from gtn_tf.types import InputError

PLAIN = "plain"
_SHARED = ("seed", "dataset.")
_ACCURACY = mean_accuracy("validation")
_LINE_HEIGHT = 13.0  # points
_LINE_LETTERS = 66


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns validation accuracy by arm, and each arm minus `plain`.

    An arm's trials are in a folder of its digest: its text may be long.

    Raises:
      InputError: as `read_arms`.
    """
    from gtn_tf.experiments.trials import (
        make_trials,
        own_accuracies,
        run_trials,
    )

    arms = read_arms(config)
    names = {name_arm(changes): text for text, changes in arms.items()}
    trials = make_trials(config, dict(zip(names, arms.values(), strict=True)))
    found = run_trials(trials, folder, own_accuracies("validation"))
    results = [{**result, "arm": names[result["arm"]]} for result in found]
    return {
        "source": config.source,
        "meta_steps": config.meta.num_steps,
        "arms": {
            arm: {
                **of_arm(results, arm, _ACCURACY),
                "seconds": _median_seconds(results, arm),
            }
            for arm in arms
        },
        "differences": {
            arm: difference(results, arm, PLAIN, _ACCURACY)
            for arm in arms
            if arm != PLAIN
        },
        "results": results,
    }


def read_arms(config: config_dict.ConfigDict) -> dict[str, dict[str, Any]]:
    """Returns what each arm changes, by its text; `plain` first.

    Raises:
      InputError: there is none, or one cannot be read, is refused as a config,
        or is the same as another.
    """
    from gtn_tf.evaluation.baselines import changed

    if not config.evaluation.arms:
        raise InputError(
            "experiment 'ablation' has no arms; expected changes of the config "
            "such as meta.batch_size=256; set --config.evaluation.arms="
            "\"('KEY=VALUE','KEY=VALUE')\""
        )
    arms: dict[str, dict[str, Any]] = {PLAIN: {}}
    configs = {PLAIN: changed(config, {})}
    for text in config.evaluation.arms:
        arms[text] = read_arm(text)
        of_arm = changed(config, arms[text])
        _check(text, of_arm)
        for other, of_other in configs.items():
            if of_arm == of_other:
                raise InputError(
                    f"arm {_quoted(text)} is the same as {_quoted(other)}; "
                    "expected different meta-trainings; take one out of "
                    "--config.evaluation.arms"
                )
        configs[text] = of_arm
    return arms


def read_arm(text: str) -> dict[str, Any]:
    """Reads "KEY=VALUE;KEY=VALUE": Python's literals, or else a string.

    Raises:
      InputError: it is none, names a key twice, or one that is not the
        meta-training's own.
    """
    changes: dict[str, Any] = {}
    for change in text.split(";"):
        key, equals, value = (part.strip() for part in change.partition("="))
        if not (key and equals and value):
            raise InputError(
                f"evaluation.arms has {change.strip()!r}; expected KEY=VALUE; "
                "set --config.evaluation.arms"
            )
        if key not in FIELDS:
            raise unknown_key_error(key)
        if (
            key not in learning.FIELDS
            or key.startswith(_SHARED)
            or key in changes
        ):
            raise InputError(
                f"evaluation.arms has {change.strip()!r}; expected keys of the "
                "meta-training, each once, and neither seed nor data set, "
                "which all arms share; set --config.evaluation.arms"
            )
        changes[key] = _read_value(value)
    return changes


def _read_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return text


def _check(text: str, config: config_dict.ConfigDict) -> None:
    from gtn_tf.training.assembly import check_learners

    try:
        validate(config)
        check_learners(config)
    except InputError as error:
        received, expected, *_ = str(error).split("; ")
        raise InputError(
            f"arm {_quoted(text)}: {received}; {expected}; mend it in "
            "--config.evaluation.arms"
        ) from error


def _quoted(text: str) -> str:
    return repr(text.replace(";", ", "))


def name_arm(changes: dict[str, Any]) -> str:
    """Returns the name of an arm's folder: a digest, or `plain`."""
    if not changes:
        return PLAIN
    text = json.dumps(to_json(changes), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _median_seconds(results: list[dict], arm: str) -> float | None:
    """Of the trials to the end: one beside other work stays without weight."""
    found = [
        result["seconds"]
        for result in results
        if result["arm"] == arm and result["status"] == "ok"
    ]
    return float(np.median(found)) if found else None


def table(result: dict) -> str:
    """Returns validation accuracy by arm, and what each is worth."""
    width = max(map(len, result["arms"]))
    lines = [
        f"{result['dataset']}: validation accuracy over GTN seeds (plain: "
        f"{result['source']}, {result['meta_steps']} meta-steps)",
        f"{'arm':{width}}{'accuracy':>10}  {'95 % interval':17}{'seeds':>6}"
        f"{'it - plain':>12}  {'95 % interval':18}{'seconds*':>9}",
    ]
    for name, row in result["arms"].items():
        gap = result["differences"].get(name)
        seconds = row["seconds"]
        lines.append(
            f"{name:{width}}{mean_text(row):>10}  {shown(row['ci95']):17}"
            f"{row['num_seeds']:6}"
            + (
                f"{gap['mean']:+12.4f}  {shown(gap['ci95']):18}"
                if gap
                else " " * 32
            )
            + f"{'-' if seconds is None else f'{seconds:.0f}':>9}"
        )
    lines.append("*: of a meta-training, median")
    return "\n".join([*lines, *left_out(result["arms"])])


@in_theme
def figure(result: dict) -> Figure:
    """Draws what each arm's accuracy exceeds `plain`'s by, arm by arm.

    An arm's text may be as wide as the figure: it stands above its bar.
    """
    gaps = {n: gap for n, gap in result["differences"].items() if gap}
    texts = {name: _wrapped(name) for name in gaps}
    tops, bottom = {}, 0.0
    for name, lines in texts.items():  # in lines of text
        tops[name] = bottom
        bottom += len(lines) + 1.4
    figure = new_figure(WIDTH, _LINE_HEIGHT * bottom + 110)
    axes = figure.subplots()
    for name, gap in gaps.items():
        lines, top = texts[name], tops[name]
        draw_mean(axes, top + len(lines) + 0.5, gap, LINES[0])
        axes.annotate(
            "\n".join(lines),
            (0, top),
            xycoords=("axes fraction", "data"),
            va="top",
            fontsize=9,
        )
        accuracy = result["arms"][name]["mean"]
        axes.annotate(
            f"{100 * accuracy:.1f} %",
            (1, top + len(lines) + 0.5),
            (-2, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9,
        )
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylim(max(bottom, 1), -0.4)
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.16)  # for the accuracies at the right
    axes.xaxis.set_major_formatter(in_percent)
    axes.set_xlabel("validation accuracy minus plain's, paired [points]")
    plain = result["arms"][PLAIN]
    about = (
        "" if plain["mean"] is None else f" {100 * plain['mean']:.1f}\u00a0%"
    )
    note = f"{seeds_note([plain])} Right: accuracy; plain has{about}."
    add_note(figure, note)
    return figure


def _wrapped(name: str) -> list[str]:
    return textwrap.wrap(name.replace(";", "; "), _LINE_LETTERS) or [name]


EXPERIMENT = Experiment(
    question="What is a change of the config worth?",
    run=run,
    table=table,
    figure=figure,
)
