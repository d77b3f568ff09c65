"""Do the data rank ordinary networks as a long training ranks them?

Networks of `learners.pool`, of a draw that no meta-training takes, train for T
steps of B images on the GTN's data and on real ones, all from the same initial
values. What they have learned, read as accuracy and as log-likelihood of
validation images, is compared with their validation accuracy after a long
training on real images; so are scores of untrained networks.

* `gtn`: by the rules of `nas.rank`, of which the best one counts.
* `real`, `real_subset`: images drawn afresh, or a fixed subset; each of
  `evaluation.tuning_learning_rates` by a cosine, of which the best one counts;
  `.._normalized`: by the best of four normalised updates.
* `params`, the number of parameters, and the zero-cost proxies of
  `nas.evaluators.zero_cost` on real images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.experiments.ablation import PLAIN
from gtn_tf.experiments.experiment import Experiment
from gtn_tf.experiments.seed_means import ROW_HEIGHT, draw_mean, seeds_note
from gtn_tf.figures.style import LINES, WIDTH, add_note, in_theme, new_figure
from gtn_tf.statistics import correlation
from gtn_tf.statistics.correlation import with_failures_last
from gtn_tf.statistics.intervals import shown
from gtn_tf.types import InputError

SOURCES = (
    "gtn",
    *("real", "real_normalized"),
    *("real_subset", "real_subset_normalized"),
)
READOUTS = ("accuracy", "log_likelihood")
PARAMS = "params"
FREE = (PARAMS, "naswot", "synflow", "grad_norm", "jacob_cov")


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns rank correlations by source of data and readout.

    They are means over GTN seeds; `differences` are the GTN's less another
    source's, read alike, of the same seeds and networks. Intervals are over
    networks.
    """
    from gtn_tf.experiments.any_ranking_trials import make_measure
    from gtn_tf.experiments.trials import (
        TUNING_KEYS,
        done_trials,
        make_trials,
        run_trials,
    )

    trials = make_trials(config, {PLAIN: {}})
    measure = make_measure(config, folder)
    results = run_trials(trials, folder, measure, TUNING_KEYS)
    done = done_trials(results)
    _check_sources(done, folder)
    truth = with_failures_last(done[0]["truth"])
    scores = {name: [r["free"][name] for r in done] for name in FREE}
    for source in SOURCES:
        for readout in READOUTS:
            scores[f"{source}, {readout}"] = [
                r["scores"][source][readout] for r in done
            ]
    found = {
        name: correlation.mean_spearman(
            [with_failures_last(one) for one in of_seeds], truth
        )
        for name, of_seeds in scores.items()
    }
    return {
        "source": config.source,
        "networks": done[0]["networks"],
        "truth": done[0]["truth"],
        "rank_correlations": {
            name: {
                **_summary(np.mean(points), drawn),
                "of_each_seed": points,
                "num_seeds": len(done),
                "num_failed": len(results) - len(done),
            }
            for name, (points, drawn) in found.items()
        },
        "differences": {
            f"{ours} - {theirs}": _difference(found[ours], found[theirs])
            for ours, theirs in _pairs()
        },
        "seconds": {
            source: float(np.median([r["seconds_on"][source] for r in done]))
            for source in (*FREE, *SOURCES)
        },
        "meta_training_seconds": float(np.median([r["seconds"] for r in done])),
        "results": results,
    }


def _check_sources(results: list[dict], folder: Path) -> None:
    """Refuses trials of an earlier version, which knew less."""
    for result in results:
        known = {*result["scores"], *result.get("free", ())}
        if {*SOURCES, *FREE} - known:
            raise InputError(
                f"trials in {str(folder)!r} are of an earlier version, without "
                "some of the scores; expected all of them; give another "
                "--workdir"
            )


def _pairs() -> list[tuple[str, str]]:
    pairs = []
    for readout in READOUTS:
        ours = f"gtn, {readout}"
        pairs += [(ours, f"{other}, {readout}") for other in SOURCES[1:]]
        pairs += [(ours, name) for name in FREE]
    pairs += [
        (f"{source}, log_likelihood", f"{source}, accuracy")
        for source in SOURCES
    ]
    return pairs


def _difference(ours: tuple, theirs: tuple) -> dict[str, Any]:
    gap = np.mean(ours[0]) - np.mean(theirs[0])
    return _summary(gap, ours[1] - theirs[1])


def _summary(mean: float, drawn: np.ndarray) -> dict[str, Any]:
    """Returns a mean and its interval; None where scores are constant."""
    return {
        "mean": None if np.isnan(mean) else float(mean),
        "ci95": correlation.interval95(drawn),
    }


def table(result: dict) -> str:
    """Returns rank correlations, and what the GTN's exceed others' by."""
    rows = result["rank_correlations"]
    seconds, num_networks = result["seconds"], len(result["networks"])
    lines = [
        f"{result['dataset']}: Spearman with the accuracy after a long "
        f"training, {num_networks} ordinary networks; 95 % intervals are over "
        "them",
        f"{'':34}{'Spearman':>9}  {'95 % interval':17}{'seconds*':>9}  of each "
        "GTN seed",
    ]
    for name, row in rows.items():
        spent = seconds.get(name.partition(",")[0])
        mean, each = "-", "-"
        if row["mean"] is not None:
            mean = f"{row['mean']:.3f}"
            each = " ".join(f"{point:.2f}" for point in row["of_each_seed"])
        cost = "-" if spent is None else f"{spent / num_networks:.1f}"
        lines.append(
            f"{name:34}{mean:>9}  {shown(row['ci95'], 2):17}{cost:>9}  {each}"
        )
    lines.append("*: of training and reading a network, median of seeds")
    lines.append(
        "meta-training: "
        f"{result['meta_training_seconds']:.0f} seconds; paired differences"
    )
    for name, gap in result["differences"].items():
        value = "-"
        if gap["mean"] is not None:
            value = f"{gap['mean']:+.3f}  {shown(gap['ci95'], 2)}"
        lines.append(f"{value:24}{name}")
    return "\n".join(lines)


@in_theme
def figure(result: dict) -> Figure:
    """Draws the rank correlations, one row each."""
    rows = result["rank_correlations"]
    figure = new_figure(WIDTH, ROW_HEIGHT * len(rows) + 130)
    axes = figure.subplots()
    for place, (name, row) in enumerate(rows.items()):
        draw_mean(axes, place, row, LINES[0 if name.startswith("gtn") else 1])
    axes.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Spearman with a long training")
    without = [{**row, "ci95": None} for row in rows.values()]
    source = result["source"]
    seeds = seeds_note(without, "GTN" if source == "gtn" else source)
    add_note(
        figure,
        f"{len(result['networks'])} ordinary networks; bars: 95 % intervals "
        f"over them. {seeds}",
    )
    return figure


EXPERIMENT = Experiment(
    question=(
        "Do the GTN's data rank ordinary networks as a long training does?"
    ),
    run=run,
    table=table,
    figure=figure,
)
