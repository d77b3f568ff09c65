"""How much faster GTN data teach than real data (Figs. 2b and 3a).

For each GTN seed, real data with once, twice, four times, .. as many steps,
the constant rates and the way to draw batches tuned for each number of steps,
until fresh learners reach the GTN's accuracy in 97.5 % of the draws of
learners. All other sources at equal steps are `evaluate`'s.

Intervals are over GTN seeds; of one seed over its fresh learners.

Departure: the paper reads the speed-up off one curve of training accuracy;
here each number of steps has rates of its own, and test data decide.
"""

from __future__ import annotations

import math
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
)
from gtn_tf.figures.style import (
    INK,
    SOURCES,
    WIDTH,
    add_note,
    in_theme,
    name_accuracy,
    new_figure,
)
from gtn_tf.statistics.intervals import mean_interval, shown
from gtn_tf.statistics.over_seeds import over_seeds

_NUM_DRAWS = 1000
_MOST_SHOWN = 2  # times the most steps that were tried
_LEARNED, _REAL = SOURCES["gtn"], SOURCES["real_tuned"]


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns the GTN's accuracy, and real data's by number of steps.

    Raises:
      DivergenceError: every meta-training diverged.
    """
    from gtn_tf.experiments import few_step_trials
    from gtn_tf.experiments.trials import (
        TUNING_KEYS,
        done_trials,
        make_trials,
        run_trials,
    )

    trials = make_trials(config, {config.source: {}})
    measure = few_step_trials.measure
    results = run_trials(trials, folder, measure, TUNING_KEYS)
    done, num_steps = done_trials(results), config.inner.num_steps
    return {
        "source": config.source,
        "num_steps": num_steps,
        "num_failed": len(results) - len(done),
        **summarize(done, num_steps, config.seed),
        "results": results,
    }


def summarize(
    results: list[dict], num_inner_steps: int, seed: int
) -> dict[str, Any]:
    """Returns accuracies, and how many real steps the GTN's are worth.

    The mean over GTN seeds of that number is geometric; None where a seed's
    accuracy was not reached; at most that many where a seed needed no more than
    T. Sizes that a seed had no need of are means over the others.

    Args:
      results: of the trials that did not diverge.
      num_inner_steps: T, with GTN data.
      seed: of the draws of learners, where there is one result.
    """
    per_step = [np.asarray(r["accuracies_per_step"]) for r in results]
    num_seeds = len(results)
    of_steps = [
        over_seeds([accuracies[:, step] for accuracies in per_step], num_seeds)
        for step in range(num_inner_steps)
    ]
    found: dict[int, list] = {}
    for row in (row for result in results for row in result["real"]):
        found.setdefault(row["num_steps"], []).append(row["accuracies"])
    of_seeds = [
        steps_to_reach(float(a[:, -1].mean()), _means(result["real"]))
        for a, result in zip(per_step, results, strict=True)
    ]
    steps, ci95 = _over_seeds_in_log(of_seeds)
    if num_seeds == 1:
        final = per_step[0][:, -1].tolist()
        ci95 = bootstrap_steps(final, results[0]["real"], seed)
    return {
        **of_steps[-1],
        "accuracy_per_step": [step["accuracy"] for step in of_steps],
        "ci95_per_step": [step["ci95"] for step in of_steps],
        "real": [
            {"num_steps": number, **over_seeds(found[number], num_seeds)}
            for number in sorted(found)
        ],
        "is_at_most": num_inner_steps in of_seeds,
        "real_steps_needed": steps,
        "real_steps_needed_ci95": ci95,
        "speed_up": steps and steps / num_inner_steps,
        "speed_up_ci95": ci95 and [s and s / num_inner_steps for s in ci95],
    }


def _over_seeds_in_log(
    of_seeds: list[float | None],
) -> tuple[float | None, list[float] | None]:
    """Returns the geometric mean and its interval."""
    if None in of_seeds:
        return None, None
    mean, _, ci95 = mean_interval(np.log(of_seeds))
    return math.exp(mean), ci95 and [math.exp(bound) for bound in ci95]


def _means(real: list[dict]) -> list[dict]:
    return [
        {
            "num_steps": row["num_steps"],
            "accuracy": float(np.mean(row["accuracies"])),
        }
        for row in real
    ]


def steps_to_reach(accuracy: float, real: list[dict]) -> float | None:
    """Interpolates in log steps after the last number that does not suffice.

    None where that is the largest. Where all suffice, the first is the answer:
    less was not tried.

    Args:
      accuracy: the GTN's.
      real: rows with `num_steps` and `accuracy`.
    """
    short = [row["accuracy"] < accuracy for row in real]
    if not any(short):
        return float(real[0]["num_steps"])
    last = max(place for place, is_short in enumerate(short) if is_short)
    if last + 1 == len(real):
        return None
    before, after = real[last : last + 2]
    share = accuracy - before["accuracy"]
    share /= after["accuracy"] - before["accuracy"]
    low, high = (math.log(row["num_steps"]) for row in (before, after))
    return math.exp(low + share * (high - low))


def bootstrap_steps(
    own: list[float], real: list[dict], seed: int
) -> list[float | None]:
    """Returns the 95 % percentile interval of `steps_to_reach`.

    Learner i has the same initial weights in every row, hence one draw of
    learners for all rows. None: beyond the largest number of steps.

    Args:
      own: accuracies of the learners trained on the GTN's data.
      real: rows with `num_steps` and `accuracies` of the same learners.
      seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_NUM_DRAWS):
        drawn = rng.integers(len(own), size=len(own))
        rows = [
            {**row, "accuracies": np.take(row["accuracies"], drawn)}
            for row in real
        ]
        accuracy = float(np.mean(np.take(own, drawn)))
        steps = steps_to_reach(accuracy, _means(rows))
        found.append(math.inf if steps is None else steps)
    bounds = np.percentile(found, (2.5, 97.5), method="inverted_cdf")
    return [float(b) if math.isfinite(b) else None for b in bounds]


def table(result: dict) -> str:
    """Returns accuracy by number of real steps, and the speed-up."""
    lines = [
        f"{result['dataset']}: {result['source']} after {result['num_steps']} "
        f"inner steps, {seeds_text(result, result['num_failed'])}: test "
        f"accuracy {result['accuracy']:.4f} {shown(result['ci95'])}",
        f"{'real data, steps':18}{'accuracy':>9}  95 % interval",
        *(
            f"{row['num_steps']:18}{row['accuracy']:9.4f}  {shown(row['ci95'])}"
            for row in result["real"]
        ),
    ]
    if result["speed_up"] is None:
        lines.append("real data did not reach it with the steps tried")
    else:
        # Fewer steps than the GTN's were not tried.
        at_most = "at most " * result["is_at_most"]
        lines.append(
            f"real data need {at_most}{result['real_steps_needed']:.0f} steps "
            f"for it: {result['speed_up']:.1f} times as many "
            f"{shown(result['speed_up_ci95'], 1)}"
        )
    return "\n".join(lines)


@in_theme
def figure(result: dict) -> Figure:
    """Draws test accuracy over inner steps, the GTN's and real data's."""
    figure = new_figure(WIDTH, 320)
    axes = figure.subplots()
    own = result["accuracy_per_step"]
    _band(axes, range(1, len(own) + 1), own, result["ci95_per_step"])
    axes.plot(
        range(1, len(own) + 1),
        own,
        color=_LEARNED.colour,
        marker=_LEARNED.marker,
    )
    real = result["real"]
    steps = [row["num_steps"] for row in real]
    axes.errorbar(
        steps,
        [row["accuracy"] for row in real],
        yerr=half_widths(real),
        color=_REAL.colour,
        linestyle=_REAL.dashes,
        marker=_REAL.marker,
        capsize=3,
    )
    axes.axhline(result["accuracy"], color=INK, linewidth=0.8, linestyle=":")
    needed = result["real_steps_needed"]
    if needed is not None:
        axes.axvline(needed, color=INK, linewidth=0.8, linestyle=":")
        low, high = result["real_steps_needed_ci95"]
        # Few seeds may leave open what no axis could show.
        right = _MOST_SHOWN * max(steps)
        right = right if high is None else min(high, right)
        axes.axvspan(max(1, low), right, color=INK, alpha=0.08, linewidth=0)
        at_most = "at most " * result["is_at_most"]
        axes.annotate(
            f"{at_most}{result['speed_up']:.1f} x the steps\n"
            f"{shown(result['speed_up_ci95'], 1)}",
            (needed, axes.get_ylim()[0]),
            xytext=(-6, 8),
            textcoords="offset points",
            ha="right",
        )
    log_steps(axes, [1, *steps])
    name_accuracy(axes, "test accuracy [%]")
    axes.set_xlabel("inner steps (log scale)")
    learned = SOURCES[result["source"]].label
    middle = len(own) // 4
    axes.annotate(
        f"{learned},\nstep by step",
        (middle + 1, own[middle]),
        xytext=(14, -28),
        textcoords="offset points",
        va="top",
    )
    axes.annotate(
        "real, rates tuned\nfor each number",
        (steps[-1], real[-1]["accuracy"]),
        xytext=(6, -44),
        textcoords="offset points",
        va="top",
        ha="right",
    )
    note = seeds_note([*real, {**result, "ci95": None}])
    add_note(figure, f"{note} Grey: interval of the steps needed.")
    return figure


def _band(
    axes: Axes, steps: Iterable[int], means: list[float], ci95: list
) -> None:
    known = [
        interval or (mean, mean)
        for mean, interval in zip(means, ci95, strict=True)
    ]
    low, high = np.transpose(known)
    axes.fill_between(
        list(steps), low, high, color=_LEARNED.colour, alpha=0.18, linewidth=0
    )


EXPERIMENT = Experiment(
    question=(
        "How many more steps do learners need on real data to become as good "
        "as after the GTN's few?"
    ),
    run=run,
    table=table,
    figure=figure,
)
