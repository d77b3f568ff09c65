"""Which curriculum teaches best (Fig. 1c): five, each over GTN seeds.

Departure: the paper plots test accuracy over meta-steps; here the curve is
validation accuracy, and test data are read once, at the end.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.experiments.experiment import Experiment
from gtn_tf.experiments.seed_means import (
    ROW_HEIGHT,
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
    name_accuracy,
    name_lines,
    name_steps,
    new_figure,
)
from gtn_tf.statistics.intervals import shown
from gtn_tf.statistics.over_seeds import difference, mean_accuracy, of_arm
from gtn_tf.teachers.registry import CURRICULA
from gtn_tf.types import InputError

_ACCURACY = mean_accuracy("test")
#: Test accuracy on MNIST after 2000 meta-steps, read off Fig. 1c (+-0.001).
PAPER = {
    "none": 0.957,
    "all_shuffled": 0.968,
    "shuffled_batch": 0.974,
    "full": 0.985,
}


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns test accuracy by curriculum, and `full` minus each other.

    Raises:
      InputError: the config's source has no curriculum.
    """
    from gtn_tf.experiments.trials import (
        make_trials,
        own_accuracies,
        run_trials,
    )

    if config.source != "gtn":
        raise InputError(
            f"experiment 'curricula' with source {config.source!r}; expected "
            "'gtn', as no other source has all curricula; set "
            "--config.source=gtn"
        )
    arms = {name: {"curriculum.name": name} for name in CURRICULA}
    trials = make_trials(config, arms)
    results = run_trials(trials, folder, own_accuracies("test"))
    return {
        "arms": {
            name: {
                **of_arm(results, name, _ACCURACY),
                "paper": PAPER.get(name),
            }
            for name in CURRICULA
        },
        "differences": {
            f"full - {name}": difference(results, "full", name, _ACCURACY)
            for name in CURRICULA
            if name != "full"
        },
        "results": results,
    }


def table(result: dict) -> str:
    """Returns test accuracy by curriculum, beside the paper's."""
    lines = [
        f"{result['dataset']}: test accuracy by curriculum, over GTN seeds",
        f"{'curriculum':16}{'accuracy':>9}  {'95 % interval':17}{'seeds':>6}"
        f"{'full - it':>11}  {'95 % interval':17}{'paper (MNIST)':>14}",
    ]
    for name, row in result["arms"].items():
        gap = result["differences"].get(f"full - {name}")
        paper = row["paper"]
        lines.append(
            f"{name:16}{mean_text(row):>9}  {shown(row['ci95']):17}"
            f"{row['num_seeds']:6}"
            + (
                f"{gap['mean']:+11.4f}  {shown(gap['ci95']):17}"
                if gap
                else " " * 30
            )
            + f"{'-' if paper is None else f'{paper:.3f}':>14}"
        )
    return "\n".join([*lines, *left_out(result["arms"])])


@in_theme
def figure(result: dict) -> Figure:
    """Draws validation accuracy over meta-steps, and the final test one."""
    names = list(result["arms"])
    figure = new_figure(WIDTH, 330 + ROW_HEIGHT * len(names) + 90)
    upper, lower = figure.subplots(
        2, height_ratios=(250, ROW_HEIGHT * len(names))
    )
    lines = dict(zip(names, LINES, strict=False))
    for name, (colour, dashes, marker) in lines.items():
        curves = [
            r["validation_accuracy"]
            for r in result["results"]
            if r["arm"] == name and r["status"] == "ok"
        ]
        if not curves:
            continue
        steps, values = _stack(curves)
        upper.fill_between(
            steps,
            values.min(0),
            values.max(0),
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        upper.plot(
            steps,
            values.mean(0),
            color=colour,
            linestyle=dashes,
            marker=marker,
            markevery=max(1, len(steps) // 8),
            label=name,
        )
    name_accuracy(upper, "validation accuracy [%]")
    name_steps(upper, "meta-step")
    for place, (name, line) in enumerate(lines.items()):
        draw_mean(lower, place, result["arms"][name], line)
        paper = result["arms"][name]["paper"]
        if paper is not None:
            lower.plot(
                paper, place, marker="|", markersize=14, color=INK, ls=""
            )
    lower.set_yticks(range(len(names)), names)
    lower.set_ylim(len(names) - 0.5, -0.5)
    lower.xaxis.set_major_formatter(in_percent)
    lower.set_xlabel("test accuracy [%]")
    note = seeds_note(result["arms"].values())
    add_note(
        figure,
        f"{note} Bands: lowest and highest seed. |: the paper's, on MNIST.",
    )
    name_lines(upper)
    return figure


def _stack(curves: list[list]) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps [S] and values [N, S] of curves with the same steps."""
    arrays = np.asarray(curves, np.float64)
    return arrays[0, :, 0], arrays[:, :, 1]


EXPERIMENT = Experiment(
    question=(
        "Which curriculum teaches best: learned images in a learned order, in "
        "a shuffled one, or fresh noise at every step?"
    ),
    run=run,
    table=table,
    figure=figure,
)
