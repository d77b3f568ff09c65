"""What a GTN gives beyond the data that it was meta-trained with.

Longer and larger batches, and ensembles of learners, for four sources:

* `repeat`: the curriculum over again, with its learned rates;
* `sample`: the curriculum first, then batches that the generator has never
  been trained to make (`sample` of the export), with the rates of the last
  position; likewise what a batch has beyond its B examples. A learned
  curriculum's noise is all that its generator knows: `sample` draws from these
  T x B vectors;
* `endless`: another GTN, meta-trained on curriculum `none`, whose generator
  turns any noise into data: each learner has its own batches, made as in
  meta-training, and after T steps more of them, with the last rates;
* `real_tuned`: as many real images, constant rates tuned for just these sizes.

GTN data come with the rates they were meta-trained with, or the last of them;
only real data are tuned for every size.

An ensemble averages the class probabilities of its learners; ensembles of one
size share none. Theirs also come from `all_sampled`: no batch is the
curriculum's, each learner has its own.

Intervals are over GTN seeds; of one seed over its fresh learners, or over its
ensembles where there are four or more. A row that only one of several seeds has
is without.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.experiments.experiment import Experiment
from gtn_tf.experiments.seed_means import (
    half_widths,
    log_steps,
    seeds_note,
    seeds_text,
    spread_text,
)
from gtn_tf.figures.style import (
    LINES,
    SOURCES,
    WIDTH,
    add_note,
    in_theme,
    name_accuracy,
    name_lines,
    new_figure,
)
from gtn_tf.statistics.intervals import shown
from gtn_tf.statistics.over_seeds import over_seeds
from gtn_tf.types import InputError

#: Times the steps, times the batch.
SIZES = ((1, 1), (2, 1), (4, 1), (1, 2), (1, 4), (2, 2))
_FEWEST_ENSEMBLES = 4  # of which an interval says something
REAL = "real_tuned"
ENDLESS = "endless"
_SOURCES = (REAL, "repeat", "sample", ENDLESS)
_LEGEND = (
    "+-: half the 95 % interval; repeat: the curriculum, over again; sample:",
    "the curriculum, then new draws of its generator; all_sampled: such draws",
    "alone; endless: another GTN, of fresh noise; real_tuned: tuned rates",
)

#: Of the figure, in the order of its colours.
_LABELS = {
    "repeat": "curriculum,\nover again",
    REAL: SOURCES[REAL].label.replace(" ", "\n", 1),
    "sample": "curriculum,\nthen new draws",
    "all_sampled": "new draws\nalone",
    "endless": "GTN of\nfresh noise",
}


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns test accuracy by source and size, and of ensembles.

    Raises:
      InputError: the config's source makes no data, or has no curriculum.
      DivergenceError: every meta-training diverged.
    """
    from gtn_tf.experiments import more_data_trials
    from gtn_tf.experiments.trials import (
        TUNING_KEYS,
        done_trials,
        make_trials,
        run_trials,
    )

    if config.source != "gtn" or config.curriculum.name == "none":
        raise InputError(
            f"experiment 'more_data' with source {config.source!r} and "
            f"curriculum.name {config.curriculum.name!r}; expected 'gtn', as "
            "only a generator makes more data, and not 'none', which is tried "
            "beside it; set --config.source and --config.curriculum.name"
        )
    arms = {"own": {}, ENDLESS: {"curriculum.name": "none"}}
    trials = make_trials(config, arms)
    measure = more_data_trials.measure
    results = run_trials(trials, folder, measure, TUNING_KEYS)
    done = done_trials(results)
    shape = config.inner.num_steps, config.inner.batch_size
    return {
        "num_steps": shape[0],
        "batch_size": shape[1],
        "num_failed": len(results) - len(done),
        **summarize(done, *shape),
        "results": results,
    }


def summarize(
    results: list[dict], num_steps: int, batch_size: int
) -> dict[str, Any]:
    """Returns means over GTN seeds, and differences to real data, paired.

    Args:
      results: of the trials that did not diverge.
      num_steps: T of the meta-training.
      batch_size: B of the meta-training.
    """
    found: dict[tuple, dict[int, list[float]]] = {}
    ensembles: dict[str, dict[int, list]] = {}
    for result in results:
        for row in result["sizes"]:
            key = (row["source"], row["num_steps"], row["batch_size"])
            found.setdefault(key, {})[result["pair"]] = row["accuracies"]
        for source, rows in result["ensembles"].items():
            of_source = ensembles.setdefault(source, {})
            for row in rows:
                of_size = of_source.setdefault(row["num_learners"], [])
                of_size.append(row["accuracies"])
    num_seeds = len({result["pair"] for result in results})
    all_sizes = [(num_steps * s, batch_size * b) for s, b in SIZES]
    return {
        "sizes": [
            _row(found, source, *sizes, num_seeds)
            for sizes in all_sizes
            for source in _SOURCES
            if (source, *sizes) in found
        ],
        "ensembles": {
            source: [
                {"num_learners": size, **_of_ensembles(of_seeds, num_seeds)}
                for size, of_seeds in of_source.items()
            ]
            for source, of_source in ensembles.items()
        },
    }


def _row(
    found: dict[tuple, dict],
    source: str,
    num_steps: int,
    batch_size: int,
    num_seeds: int,
) -> dict[str, Any]:
    of_seeds = found[source, num_steps, batch_size]
    row = {
        "source": source,
        "num_steps": num_steps,
        "batch_size": batch_size,
        **over_seeds(list(of_seeds.values()), num_seeds),
    }
    real = found.get((REAL, num_steps, batch_size), {})
    pairs = sorted(of_seeds.keys() & real.keys())
    if pairs and source != REAL:
        gaps = [np.subtract(of_seeds[p], real[p]) for p in pairs]
        gap = over_seeds(gaps, num_seeds)
        row["minus_real"] = {"mean": gap["accuracy"], "ci95": gap["ci95"]}
    return row


def _of_ensembles(of_seeds: list[list[float]], num_seeds: int) -> dict:
    row = over_seeds(of_seeds, num_seeds)
    if num_seeds == 1 and len(of_seeds[0]) < _FEWEST_ENSEMBLES:
        row["ci95"] = None
    return row


def table(result: dict) -> str:
    """Returns test accuracy by source and size, and of ensembles."""
    lines = [
        f"{result['dataset']}: test accuracy beyond {result['num_steps']} "
        f"steps of {result['batch_size']} images, "
        f"{seeds_text(result['sizes'][0], result['num_failed'])}",
        f"{'source':12}{'steps':>7}{'batch':>7}{'accuracy':>10}  "
        f"{'95 % interval':18}{'it - real, paired':>17}",
    ]
    for row in result["sizes"]:
        gap = row.get("minus_real")
        lines.append(
            f"{row['source']:12}{row['num_steps']:7}{row['batch_size']:7}"
            f"{row['accuracy']:10.4f}  {shown(row['ci95']):18}"
            + (f"{gap['mean']:+.4f} {shown(gap['ci95'])}" if gap else "")
        )
    for name, rows in result["ensembles"].items():
        found = ", ".join(
            f"{row['num_learners']}: {spread_text(row, 'accuracy')}"
            for row in rows
        )
        lines.append(f"ensembles on {name}: {found}")
    return "\n".join([*lines, *_LEGEND])


@in_theme
def figure(result: dict) -> Figure:
    """Draws accuracy over steps, over batch size and over ensemble size."""
    figure = new_figure(WIDTH, 720)
    panels = figure.subplots(3, sharey=True)
    cases = (
        ("inner steps", "num_steps", "batch_size"),
        ("images per step", "batch_size", "num_steps"),
    )
    for axes, (label, key, fixed) in zip(panels[:2], cases, strict=True):
        rows = [r for r in result["sizes"] if r[fixed] == result[fixed]]
        _panel(axes, rows, key, label)
    of_ensembles = [
        {"source": name, **row}
        for name, rows in result["ensembles"].items()
        for row in rows
    ]
    label = "learners in the ensemble"
    _panel(panels[2], of_ensembles, "num_learners", label)
    for panel in panels:
        name_accuracy(panel, "test accuracy [%]")
    for panel in panels:
        name_lines(panel)
    add_note(figure, seeds_note(result["sizes"]))
    return figure


def _panel(axes: Axes, rows: list[dict], key: str, label: str) -> None:
    for name, line in _by_source(rows):
        of_source = [row for row in rows if row["source"] == name]
        _series(axes, of_source, key, name, line)
    log_steps(axes, sorted({row[key] for row in rows}))
    axes.set_xlabel(f"{label} (log scale)")


def _by_source(rows: list[dict]) -> Iterable[tuple[str, tuple]]:
    names = dict.fromkeys(row["source"] for row in rows)
    lines = dict(zip(_LABELS, LINES, strict=False))
    return [(name, lines[name]) for name in names]


def _series(
    axes: Axes, rows: list[dict], key: str, label: str, line: tuple
) -> None:
    colour, dashes, marker = line
    axes.errorbar(
        [row[key] for row in rows],
        [row["accuracy"] for row in rows],
        yerr=half_widths(rows),
        color=colour,
        linestyle=dashes,
        marker=marker,
        capsize=3,
        # A single point has no end of a line to be named at.
        label=_LABELS[label] if len(rows) > 1 else None,
    )


EXPERIMENT = Experiment(
    question=(
        "What do more steps, larger batches and ensembles of learners gain, "
        "beyond what was meta-trained?"
    ),
    run=run,
    table=table,
    figure=figure,
)
