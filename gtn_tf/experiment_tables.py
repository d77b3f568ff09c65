"""Experiments as lines for a terminal: result.json -> text."""

from __future__ import annotations

from collections.abc import Callable


def few_step(result: dict) -> str:
    """Returns accuracy by number of real steps, and the speed-up."""
    lines = [
        f"{result['dataset']}: {result['source']} after {result['num_steps']} "
        f"inner steps: test accuracy {_value(result)}",
        f"{'real data, steps':18}{'accuracy':>9}  95 % interval",
        *(
            f"{row['num_steps']:18}{row['accuracy']:9.4f}  "
            f"{_range(row['ci95'])}"
            for row in result["real"]
        ),
    ]
    if result["speed_up"] is None:
        lines.append("real data did not reach it with the steps tried")
    else:
        lines.append(
            f"real data need {result['real_steps_needed']:.0f} steps for it: "
            f"{result['speed_up']:.1f} times as many"
        )
    return "\n".join(lines)


def curricula(result: dict) -> str:
    """Returns test accuracy by curriculum, beside the paper's."""
    lines = [
        f"{result['dataset']}: test accuracy by curriculum, over GTN seeds",
        f"{'curriculum':16}{'accuracy':>9}  {'95 % interval':17}{'seeds':>6}"
        f"{'full - it':>11}  {'95 % interval':17}{'paper':>7}",
    ]
    for name, row in result["arms"].items():
        gap = result["differences"].get(f"full - {name}")
        paper = row["paper"]
        lines.append(
            f"{name:16}{_mean(row):>9}  {_range(row['ci95']):17}"
            f"{row['num_seeds']:6}"
            + (
                f"{gap['mean']:+11.4f}  {_range(gap['ci95']):17}"
                if gap
                else " " * 30
            )
            + f"{'-' if paper is None else f'{paper:.3f}':>7}"
        )
    return "\n".join(lines)


def weight_norm(result: dict) -> str:
    """Returns spread and divergence, with and without weight norm."""
    lines = [
        f"{result['dataset']}: final meta-loss over random hyperparameters "
        f"(chance: {result['chance_meta_loss']:.2f})",
        f"{'learner':14}{'draws':>6}{'diverged':>10}{'>= chance':>11}"
        f"{'best':>8}{'quartiles':>24}{'std':>9}",
    ]
    for arm, row in result["arms"].items():
        quartiles = " ".join(_number(q) for q in row["quartiles"])
        lines.append(
            f"{arm:14}{row['num_draws']:6}{_percent(row['share_diverged'])}"
            f"{_percent(row['share_no_better_than_chance']):>11}"
            f"{_number(row['best']):>8}{quartiles:>24}"
            f"{_number(row['std']):>9}"
        )
    gap = result["difference"]
    if gap is not None:
        lines.append(
            f"weight norm - plain, paired: {gap['mean']:+.3f} "
            f"{_range(gap['ci95'])} over {gap['num_draws']} draws"
        )
    return "\n".join(lines)


def transfer(result: dict) -> str:
    """Returns test accuracy by recipe and learner."""
    arms = result["arms"]
    variants = list(next(iter(arms.values())))
    lines = [
        f"{result['dataset']}: test accuracy by learner (rows) and recipe",
        " " * 18 + "".join(f"{arm:>18}" for arm in arms),
    ]
    lines += [
        f"{name:18}" + "".join(f"{_mean(arms[arm][name]):>18}" for arm in arms)
        for name in variants
    ]
    return "\n".join(lines)


def more_data(result: dict) -> str:
    """Returns test accuracy by source and size, and of ensembles."""
    lines = [
        f"{result['dataset']}: test accuracy beyond {result['num_steps']} "
        f"steps of {result['batch_size']} images",
        f"{'source':12}{'steps':>7}{'batch':>7}{'accuracy':>10}  95 % interval",
        *(
            f"{row['source']:12}{row['num_steps']:7}{row['batch_size']:7}"
            f"{row['accuracy']:10.4f}  {_range(row['ci95'])}"
            for row in result["sizes"]
        ),
    ]
    for name, rows in result["ensembles"].items():
        found = ", ".join(
            f"{row['num_learners']}: {row['accuracy']:.4f}" for row in rows
        )
        lines.append(f"ensembles on {name}: {found}")
    return "\n".join(lines)


#: Experiment -> its lines.
TABLES: dict[str, Callable[[dict], str]] = {
    "few_step": few_step,
    "curricula": curricula,
    "weight_norm": weight_norm,
    "transfer": transfer,
    "more_data": more_data,
}


def _value(row: dict) -> str:
    return f"{row['accuracy']:.4f} {_range(row['ci95'])}"


def _mean(row: dict) -> str:
    return "-" if row["mean"] is None else f"{row['mean']:.4f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.0%}':>10}"


def _range(ci95: list | tuple | None) -> str:
    return "-" if ci95 is None else f"[{ci95[0]:.4f}, {ci95[1]:.4f}]"
