"""Trained on one learner, evaluated on others: which GTN transfers?

An arm is a recipe for meta-training, all with the same number of meta-steps,
but for `longer`: twice the inner steps, which its fresh learners take too, and
half the meta-steps. Each trial's data then train fresh learners of every
family, and of the config's own family with other widths, initialisations and
layers. A recipe is to be chosen by `chosen_by`, which reads validation data
only; the table of all learners is of test data.

The official code's GTN is reported not to transfer to learners with global
pooling, nor to deep ones; a GTN that ranks architectures has to.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.config.families import learner_names
from gtn_tf.experiments.experiment import Experiment
from gtn_tf.experiments.seed_means import (
    ROW_HEIGHT,
    draw_mean,
    left_out,
    seeds_note,
    spread_text,
)
from gtn_tf.figures.style import (
    INK,
    LINES,
    WIDTH,
    add_note,
    in_percent,
    in_theme,
    name_marks,
    new_figure,
)
from gtn_tf.statistics.over_seeds import Value, difference, of_arm

#: Recipes that differ in the source of the data alone.
_GTN_AND_REAL = (("own", "real"), ("pool", "real_pool"))
_SPREAD = 0.8  # of a row's height, for its marks


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns test accuracy by recipe and learner.

    `chosen_by` has each recipe's mean validation accuracy over the learners
    that no recipe meta-trains on.

    Raises:
      InputError: the config has several families, or draws widths.
    """
    from gtn_tf.experiments.transfer_trials import (
        POOL,
        make_measure,
        make_variants,
        own_widths,
        recipes,
    )
    from gtn_tf.experiments.trials import make_trials, run_trials

    widths = own_widths(config)
    own = learner_names(config)[0]
    arms = recipes(config, own, widths)
    variants = make_variants(own, widths)
    results = run_trials(
        make_trials(config, arms), folder, make_measure(variants)
    )
    test = {name: _mean_on("test", [name]) for name in variants}
    held_out = [name for name in variants if name not in (own, *POOL)]
    chosen_by = _mean_on("validation", held_out)
    return {
        "own": own,
        "pool": POOL,
        "held_out": held_out,
        "chosen_by": {arm: of_arm(results, arm, chosen_by) for arm in arms},
        "chosen_by_minus_own": {
            arm: difference(results, arm, "own", chosen_by)
            for arm in arms
            if arm != "own"
        },
        "arms": {
            arm: {name: of_arm(results, arm, on) for name, on in test.items()}
            for arm in arms
        },
        "differences": {
            f"{arm} - {other}": {
                name: difference(results, arm, other, on)
                for name, on in test.items()
            }
            for arm, other in (
                *((arm, "own") for arm in arms if arm != "own"),
                *(pair for pair in _GTN_AND_REAL if set(pair) <= arms.keys()),
            )
        },
        "results": results,
    }


def _mean_on(split: str, names: list[str]) -> Value:
    """Returns what averages a trial's accuracy over these learners."""

    def value(result: dict) -> float | None:
        of_variants = result.get(f"{split}_accuracies_on")
        if of_variants is None:
            return None
        return float(np.mean([np.mean(of_variants[name]) for name in names]))

    return value


def table(result: dict) -> str:
    """Returns accuracy by recipe and learner, +- half the 95 % interval."""
    arms = result["arms"]
    variants = list(next(iter(arms.values())))
    lines = [
        f"{result['dataset']}: test accuracy by learner (rows) and recipe; "
        "+-: half the 95 % interval over GTN seeds",
        " " * 18 + "".join(f"{arm:>18}" for arm in arms),
    ]
    lines += [
        f"{name + '*' * (name in result['held_out']):18}"
        + "".join(f"{spread_text(arms[arm][name]):>18}" for arm in arms)
        for name in variants
    ]
    chosen_by, gaps = result["chosen_by"], result["chosen_by_minus_own"]
    lines += [
        "validation accuracy, mean over the "
        f"{len(result['held_out'])} learners (*) that no recipe meta-trains "
        "on, and what it exceeds that of `own` by:",
        " " * 18
        + "".join(f"{spread_text(chosen_by[arm]):>18}" for arm in arms),
        " " * 18 + "".join(f"{_gap(gaps.get(arm)):>18}" for arm in arms),
    ]
    for name, gaps in result["differences"].items():
        if "real" in name.split(" - ")[1]:
            lines += [
                f"{name}, test accuracy, paired by GTN seed:",
                *(f"{on:18}{_gap(gap):>18}" for on, gap in gaps.items()),
            ]
    return "\n".join([*lines, *left_out(chosen_by)])


def _gap(gap: dict | None) -> str:
    """Writes a paired difference, +- half its 95 % interval."""
    if gap is None:
        return "-"
    if gap["ci95"] is None:
        return f"{gap['mean']:+.4f}"
    low, high = gap["ci95"]
    return f"{gap['mean']:+.4f} +-{(high - low) / 2:.4f}"


@in_theme
def figure(result: dict) -> Figure:
    """Draws test accuracy by learner (rows) for a few recipes (marks).

    They are `own`, the recipe that validation data choose, `pool`, and real
    data with learned rates; the table has all.
    """
    shown = _shown(result)
    variants = list(next(iter(result["arms"].values())))
    figure = new_figure(WIDTH, 1.25 * ROW_HEIGHT * len(variants) + 130)
    axes = figure.subplots()
    for index, (arm, line) in enumerate(zip(shown, LINES, strict=False)):
        shift = _SPREAD * ((index + 0.5) / len(shown) - 0.5)
        for place, name in enumerate(variants):
            row = result["arms"][arm][name]
            draw_mean(axes, place + shift, row, line)
        axes.plot([], [], ls="", color=line[0], marker=line[2], label=arm)
    for place in range(1, len(variants)):
        axes.axhline(place - 0.5, color=INK, alpha=0.12, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    labels = [name + "*" * (name in result["held_out"]) for name in variants]
    axes.set_yticks(range(len(variants)), labels)
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(in_percent)
    axes.set_xlabel("test accuracy [%] of learners trained on its data")
    name_marks(figure, num_columns=len(shown))
    note = seeds_note(result["arms"][shown[0]].values())
    add_note(figure, f"{note} *: no GTN was meta-trained on these learners.")
    return figure


def _shown(result: dict) -> list[str]:
    """Returns the recipes of the figure, at most five."""
    chosen_by = {
        arm: row["mean"]
        for arm, row in result["chosen_by"].items()
        if row["mean"] is not None and not arm.startswith("real")
    }
    best = [max(chosen_by, key=chosen_by.__getitem__)] if chosen_by else []
    asked = dict.fromkeys(("own", *best, "pool", "real", "real_pool"))
    return [arm for arm in asked if arm in result["arms"]] or list(
        result["arms"]
    )[:5]


EXPERIMENT = Experiment(
    question=(
        "Do data that were learned with one learner teach other learners too, "
        "and which way of meta-training makes them do so?"
    ),
    run=run,
    table=table,
    figure=figure,
)
