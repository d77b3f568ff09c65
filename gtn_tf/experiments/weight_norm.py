"""What weight normalisation does for stability (Fig. 1b).

Hyperparameters are drawn at random, and each draw meta-trains once with and
once without weight normalisation in the learner. The paper's search ranges
are not published; ours are `RANGES`.

Departures: random search in place of Bayesian optimisation; the generator
keeps its weight normalisation; the gradient is not clipped, as in the paper.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from ml_collections import config_dict
from scipy import stats

from gtn_tf.experiments.experiment import Experiment
from gtn_tf.figures.style import (
    INK,
    LINES,
    WIDTH,
    add_note,
    in_theme,
    new_figure,
    plainly,
)
from gtn_tf.statistics.intervals import shown
from gtn_tf.statistics.over_seeds import difference

#: Key -> (low, high, whether drawn uniformly in its logarithm).
RANGES = {
    "meta.learning_rate": (1e-3, 1e-1, True),
    "meta.adam_beta_1": (0.5, 0.95, False),
    "meta.adam_beta_2": (0.9, 0.999, False),
    "inner.learning_rate": (1e-2, 1.0, True),
    "inner.momentum": (0.1, 0.95, False),
}
ARMS = {"weight_norm": True, "plain": False}
_LABELS = ("weight norm", "no weight norm")  # in the order of the arms
_NUM_RESAMPLES = 10_000


def draw_hyperparameters(seed: int, index: int) -> dict[str, float]:
    """Returns draw number `index` of `RANGES`."""
    rng = np.random.default_rng([seed, index])
    drawn = {}
    for key, (low, high, is_log) in RANGES.items():
        share = float(rng.random())
        if is_log:
            drawn[key] = math.exp(
                math.log(low) + share * (math.log(high) - math.log(low))
            )
        else:
            drawn[key] = low + share * (high - low)
    return drawn


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns the final meta-losses of both arms over the same draws."""
    from gtn_tf.evaluation.baselines import changed
    from gtn_tf.experiments.trials import Trial, run_trials
    from gtn_tf.training.assembly import load_dataset

    trials = [
        Trial(
            arm,
            index,
            changed(
                config,
                {
                    **draw_hyperparameters(config.seed, index),
                    "learner.weight_norm": is_normalised,
                    "meta.global_clipnorm": None,
                },
            ),
        )
        for index in range(config.evaluation.num_draws)
        for arm, is_normalised in ARMS.items()
    ]
    results = run_trials(trials, folder, measure=None)
    chance = math.log(load_dataset(config).num_classes)
    return {
        "ranges": {key: list(value) for key, value in RANGES.items()},
        "chance_meta_loss": chance,
        "arms": {arm: _of_arm(results, arm, chance) for arm in ARMS},
        # Over the draws in which neither diverged: losses span a decade.
        "log_ratio": difference(
            results, "weight_norm", "plain", _log_final_meta_loss
        ),
        "signs": _signs(results),
        # Over all draws, one that diverged infinitely bad.
        "resampled": _resampled(results),
        "results": results,
    }


def _final_meta_loss(result: dict) -> float | None:
    return result["final_meta_loss"] if result["status"] == "ok" else None


def _log_final_meta_loss(result: dict) -> float | None:
    loss = _final_meta_loss(result)
    return None if loss is None else math.log(loss)


def _losses(results: list[dict], arm: str) -> np.ndarray:
    """Returns the arm's losses, in the order of the draws; inf: diverged."""
    found = (_final_meta_loss(r) for r in results if r["arm"] == arm)
    return np.array([math.inf if loss is None else loss for loss in found])


def _signs(results: list[dict]) -> dict[str, float]:
    """Counts the draws in which weight norm's loss is lower, and higher.

    A draw in which one arm diverges counts for the other; one in which both
    do, for none. `p_value`: of the two-sided sign test.
    """
    gap = _minus(*(_losses(results, arm) for arm in ARMS))
    lower, higher = int((gap < 0).sum()), int((gap > 0).sum())
    p_value = (
        stats.binomtest(lower, lower + higher).pvalue if lower + higher else 1.0
    )
    return {"lower": lower, "higher": higher, "p_value": float(p_value)}


def _resampled(results: list[dict]) -> dict[str, dict[str, Any]]:
    """Returns weight norm - plain of what describes a whole arm.

    Intervals are percentiles of a bootstrap of the draws, which the arms
    share. Where a value is infinite it is "inf" or "-inf", as JSON has none.
    """
    losses = [_losses(results, arm) for arm in ARMS]
    num_draws = len(losses[0])
    drawn = np.random.default_rng(0).integers(
        num_draws, size=(_NUM_RESAMPLES, num_draws)
    )
    found = {}
    for name, statistic in _STATISTICS.items():
        point = _minus(*(statistic(x[np.newaxis]) for x in losses))[0]
        differences = _minus(*(statistic(x[drawn]) for x in losses))
        ends = np.quantile(differences, (0.025, 0.975), method="inverted_cdf")
        found[name] = {
            "difference": _for_json(point),
            "ci95": [_for_json(end) for end in ends],
        }
    return found


def _minus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        gap = first - second
    # Both infinite: no difference.
    return np.where(np.isnan(gap), 0.0, gap)


def _for_json(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))


def _quantile(losses: np.ndarray, share: float) -> np.ndarray:
    return np.quantile(losses, share, axis=1, method="inverted_cdf")


def _interquartile_range(losses: np.ndarray) -> np.ndarray:
    upper, lower = _quantile(losses, 0.75), _quantile(losses, 0.25)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(upper), np.inf, upper - lower)


#: What describes an arm: losses [R, draws] -> [R].
_STATISTICS = {
    "median": lambda losses: _quantile(losses, 0.5),
    "interquartile_range": _interquartile_range,
    "share_diverged": lambda losses: np.isinf(losses).mean(1),
}


def _of_arm(results: list[dict], arm: str, chance: float) -> dict[str, Any]:
    """Summarises an arm; a draw that diverged counts as infinitely bad.

    Quartiles are values of draws, none between two, and None where infinite.
    """
    losses = _losses(results, arm).tolist()
    finite = [loss for loss in losses if math.isfinite(loss)]
    return {
        "num_draws": len(losses),
        "share_diverged": 1 - len(finite) / len(losses),
        "share_no_better_than_chance": (
            sum(loss >= chance for loss in losses) / len(losses)
        ),
        "best": min(finite, default=None),
        "quartiles": np.percentile(
            losses, (25, 50, 75), method="inverted_cdf"
        ).tolist(),
        "std_of_finite": float(np.std(finite, ddof=1))
        if len(finite) > 1
        else None,
    }


def table(result: dict) -> str:
    """Returns spread and divergence, with and without weight norm."""
    lines = [
        f"{result['dataset']}: final meta-loss over random hyperparameters "
        f"(chance: {result['chance_meta_loss']:.2f})",
        f"{'learner':14}{'draws':>6}{'diverged':>10}{'>= chance':>11}"
        f"{'best':>8}{'quartiles (-: diverged)':>26}{'std':>9}",
    ]
    for name, row in zip(_LABELS, result["arms"].values(), strict=True):
        quartiles = " ".join(_number(q) for q in row["quartiles"])
        lines.append(
            f"{name:16}{row['num_draws']:4}{_percent(row['share_diverged'])}"
            f"{_percent(row['share_no_better_than_chance']):>11}"
            f"{_number(row['best']):>8}{quartiles:>26}"
            f"{_number(row['std_of_finite']):>9}"
        )
    signs = result["signs"]
    lines.append(
        f"with it the loss is lower in {signs['lower']} draws, higher in "
        f"{signs['higher']} (one that diverges is higher); sign test: p = "
        f"{signs['p_value']:.3f}"
    )
    gap = result["log_ratio"]
    if gap is not None:
        ends = gap["ci95"] and [math.exp(end) for end in gap["ci95"]]
        lines.append(
            f"with / without it, geometric mean: {math.exp(gap['mean']):.3f} "
            f"{shown(ends, 3)} over the {gap['num_pairs']} draws where neither "
            "diverges"
        )
    for name, found in result["resampled"].items():
        ends = ", ".join(map(_number, found["ci95"] or ["-"]))
        lines.append(
            f"with - without it, {name.replace('_', ' ')}: "
            f"{_number(found['difference'])} [{ends}]"
        )
    return "\n".join(lines)


def _number(value: float | str | None) -> str:
    """Writes a number; "inf" stays as it is."""
    if isinstance(value, str):
        return value
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.0%}':>10}"


@in_theme
def figure(result: dict) -> Figure:
    """Draws the final meta-losses of all draws, with and without.

    Draws that diverged stand above all others, and count in the boxes.
    """
    figure = new_figure(WIDTH, 330)
    axes = figure.subplots()
    arms = list(result["arms"])
    above = 2 * max(
        (r["final_meta_loss"] for r in result["results"] if _is_done(r)),
        default=result["chance_meta_loss"],
    )
    rng = np.random.default_rng(0)  # moves the dots apart
    for place, (arm, line) in enumerate(zip(arms, LINES, strict=False)):
        losses = [
            r["final_meta_loss"] if _is_done(r) else above
            for r in result["results"]
            if r["arm"] == arm
        ]
        quartiles = [
            above if q is None or math.isinf(q) else q
            for q in result["arms"][arm]["quartiles"]
        ]
        box = dict(zip(("q1", "med", "q3"), quartiles, strict=True))
        box |= {"whislo": min(losses), "whishi": max(losses)}
        axes.bxp([box], positions=[place], widths=0.5, showfliers=False)
        axes.plot(
            place + rng.uniform(-0.15, 0.15, len(losses)),
            losses,
            color=line[0],
            marker=line[2],
            linestyle="",
        )
    axes.axhline(
        result["chance_meta_loss"], color=INK, linewidth=0.8, linestyle=":"
    )
    labels = [
        f"{name}\n{result['arms'][arm]['share_diverged']:.0%} diverged"
        for name, arm in zip(_LABELS, arms, strict=True)
    ]
    axes.set_xticks(range(len(arms)), labels)
    if not all(map(_is_done, result["results"])):
        axes.axhline(above, color=INK, linewidth=0.8)
        axes.annotate(
            "diverged",
            (0.5, above),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(plainly)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("final meta-loss [nats]")
    number = result["arms"][arms[0]]["num_draws"]
    add_note(
        figure,
        f"{number} draws of hyperparameters, shared by both. Boxes: quartiles; "
        "dotted: chance.",
    )
    return figure


def _is_done(result: dict) -> bool:
    return result["status"] == "ok"


EXPERIMENT = Experiment(
    question=(
        "Does weight normalisation in the learner make meta-training less "
        "sensitive to its hyperparameters?"
    ),
    run=run,
    table=table,
    figure=figure,
)
