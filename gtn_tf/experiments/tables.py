"""Experiments as lines for a terminal: result.json -> text."""

from __future__ import annotations

import math
from collections.abc import Callable

from gtn_tf.statistics.intervals import shown

#: In the order of the result's arms.
WEIGHT_NORM_ARMS = ("weight norm", "no weight norm")
_SOURCES_OF_MORE_DATA = (
    "+-: half the 95 % interval; repeat: the curriculum, over again; sample:",
    "the curriculum, then new draws of its generator; all_sampled: such draws",
    "alone; endless: another GTN, of fresh noise; real_tuned: tuned rates",
)


def few_step(result: dict) -> str:
    """Returns accuracy by number of real steps, and the speed-up."""
    lines = [
        f"{result['dataset']}: {result['source']} after {result['num_steps']} "
        f"inner steps, {_seeds(result, result['num_failed'])}: test accuracy "
        f"{_value(result)}",
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


def curricula(result: dict) -> str:
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
            f"{name:16}{_mean(row):>9}  {shown(row['ci95']):17}"
            f"{row['num_seeds']:6}"
            + (
                f"{gap['mean']:+11.4f}  {shown(gap['ci95']):17}"
                if gap
                else " " * 30
            )
            + f"{'-' if paper is None else f'{paper:.3f}':>14}"
        )
    return "\n".join([*lines, *_left_out(result["arms"])])


def weight_norm(result: dict) -> str:
    """Returns spread and divergence, with and without weight norm."""
    lines = [
        f"{result['dataset']}: final meta-loss over random hyperparameters "
        f"(chance: {result['chance_meta_loss']:.2f})",
        f"{'learner':14}{'draws':>6}{'diverged':>10}{'>= chance':>11}"
        f"{'best':>8}{'quartiles (-: diverged)':>26}{'std':>9}",
    ]
    for name, row in zip(
        WEIGHT_NORM_ARMS, result["arms"].values(), strict=True
    ):
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


def transfer(result: dict) -> str:
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
        + "".join(f"{_spread(arms[arm][name]):>18}" for arm in arms)
        for name in variants
    ]
    gaps = result["chosen_by_minus_own"]
    lines += [
        "validation accuracy, mean over the "
        f"{len(result['held_out'])} learners (*) that no recipe meta-trains "
        "on, and what it exceeds that of `own` by:",
        " " * 18
        + "".join(f"{_spread(result['chosen_by'][arm]):>18}" for arm in arms),
        " " * 18 + "".join(f"{_gap(gaps.get(arm)):>18}" for arm in arms),
    ]
    for name, gaps in result["differences"].items():
        if "real" in name.split(" - ")[1]:
            lines += [
                f"{name}, test accuracy, paired by GTN seed:",
                *(f"{on:18}{_gap(gap):>18}" for on, gap in gaps.items()),
            ]
    return "\n".join([*lines, *_left_out(result["chosen_by"])])


def _gap(gap: dict | None) -> str:
    """Writes a paired difference, +- half its 95 % interval."""
    if gap is None:
        return "-"
    if gap["ci95"] is None:
        return f"{gap['mean']:+.4f}"
    low, high = gap["ci95"]
    return f"{gap['mean']:+.4f} +-{(high - low) / 2:.4f}"


def more_data(result: dict) -> str:
    """Returns test accuracy by source and size, and of ensembles."""
    lines = [
        f"{result['dataset']}: test accuracy beyond {result['num_steps']} "
        f"steps of {result['batch_size']} images, "
        f"{_seeds(result['sizes'][0], result['num_failed'])}",
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
            f"{row['num_learners']}: {_spread(row, 'accuracy')}" for row in rows
        )
        lines.append(f"ensembles on {name}: {found}")
    return "\n".join([*lines, *_SOURCES_OF_MORE_DATA])


def ablation(result: dict) -> str:
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
        lines.append(
            f"{name:{width}}{_mean(row):>10}  {shown(row['ci95']):17}"
            f"{row['num_seeds']:6}"
            + (
                f"{gap['mean']:+12.4f}  {shown(gap['ci95']):18}"
                if gap
                else " " * 32
            )
            + f"{_whole(row['seconds']):>9}"
        )
    lines.append("*: of a meta-training, median")
    return "\n".join([*lines, *_left_out(result["arms"])])


#: Experiment -> its lines.
TABLES: dict[str, Callable[[dict], str]] = {
    "few_step": few_step,
    "curricula": curricula,
    "weight_norm": weight_norm,
    "transfer": transfer,
    "more_data": more_data,
    "ablation": ablation,
}


def _left_out(arms: dict[str, dict]) -> list[str]:
    """Names the arms whose means lack seeds that diverged."""
    found = [
        f"{name} {row['num_failed']}"
        for name, row in arms.items()
        if row["num_failed"]
    ]
    return [f"diverged, left out of the means: {', '.join(found)}"] * any(found)


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _seeds(row: dict, num_failed: int) -> str:
    failed = f" ({num_failed} diverged)" * (num_failed > 0)
    return f"{row['num_seeds']} GTN seed{'s' * (row['num_seeds'] > 1)}{failed}"


def _value(row: dict) -> str:
    return f"{row['accuracy']:.4f} {shown(row['ci95'])}"


def _mean(row: dict) -> str:
    return "-" if row["mean"] is None else f"{row['mean']:.4f}"


def _spread(row: dict, key: str = "mean") -> str:
    if row[key] is None:
        return "-"
    half = ""
    if row["ci95"] is not None:
        half = f" +-{(row['ci95'][1] - row['ci95'][0]) / 2:.4f}"
    return f"{row[key]:.4f}{half}"


def _number(value: float | str | None) -> str:
    """Writes a number; "inf" stays as it is."""
    if isinstance(value, str):
        return value
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.0%}':>10}"
