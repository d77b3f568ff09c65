"""Do the data teach the networks that people use, none of them seen before?

Each held-out network (see `learners.held_out`) trains for T steps of B images
on the GTN's data, at the learned rates, at the best of a few multiples of them
and by the better of the rules of `nas.rank`, and on real ones: a fixed subset,
and images drawn afresh, both at the best constant rate and momentum of a grid;
these also by normalised updates, where they learn more so. What is chosen, is
chosen for each network by other initialisations than those that are measured,
all on validation data. Batch normalisation takes the statistics of the images
that are asked about.

With `evaluation.arms` also what a change of the config is worth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from ml_collections import config_dict

from gtn_tf.experiments.ablation import PLAIN, name_arm, read_arms
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
from gtn_tf.types import InputError

MEAN = "mean of all"
#: Of the GTN's data and of real ones.
OWN_RATES, BEST_MULTIPLE = "own rates", "best multiple"
RANK_RULES = "rules of rank"
OF_GTN = (OWN_RATES, BEST_MULTIPLE, RANK_RULES)
REAL = ("real_subset", "real_tuned")
REAL_EITHER = tuple(f"{name}, either update" for name in REAL)
_SPREAD = 0.7  # of the marks of a row, which is 1 high


def run(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns validation accuracy by network and column.

    A column is a source of data at its rates. `differences` are paired by the
    seed of GTN and real images.

    Raises:
      InputError: as `ablation.read_arms`; or trials are of two versions.
    """
    from gtn_tf.experiments.any_network_trials import make_measure
    from gtn_tf.experiments.trials import TUNING_KEYS, make_trials, run_trials
    from gtn_tf.learners.held_out import HELD_OUT

    arms = read_arms(config) if config.evaluation.arms else {PLAIN: {}}
    names = {name_arm(changes): text for text, changes in arms.items()}
    trials = make_trials(config, dict(zip(names, arms.values(), strict=True)))
    measure = make_measure(config, folder)
    found = run_trials(trials, folder, measure, TUNING_KEYS)
    _check_rules(found, folder)
    results = [{**result, "arm": names[result["arm"]]} for result in found]
    rows = _rows(results)
    networks = list(HELD_OUT)
    # What an earlier version has measured lacks a way to train.
    known = {key for r in results for key in r.get("accuracies_on", ())}
    ways = [way for way in OF_GTN if way in known] or OF_GTN
    reals = [way for way in (*REAL, *REAL_EITHER) if way in known] or REAL
    of_gtn = [f"{arm}: {way}" for arm in arms for way in ways]
    pairs = [(column, real) for column in of_gtn for real in reals]
    best = f"{PLAIN}: {BEST_MULTIPLE}"
    pairs += [(f"{arm}: {BEST_MULTIPLE}", best) for arm in arms if arm != PLAIN]
    values = {MEAN: _value(networks)} | {n: _value([n]) for n in networks}
    return {
        "source": config.source,
        "networks": networks,
        "setup_seconds": {
            column: _median(
                [row["seconds"] for row in rows if row["arm"] == column]
            )
            for column in (*of_gtn, *reals)
        },
        "accuracies": {
            column: {on: of_arm(rows, column, v) for on, v in values.items()}
            for column in (*of_gtn, *reals)
        },
        "differences": {
            f"{ours} - {theirs}": {
                on: difference(rows, ours, theirs, v)
                for on, v in values.items()
            }
            for ours, theirs in pairs
        },
        "results": results,
    }


def _check_rules(results: list[dict], folder: Path) -> None:
    """Refuses trials of which an earlier version chose rates otherwise."""
    done = [r for r in results if r["status"] == "ok"]
    tried = [r.get("rules") for r in done]
    ways = [r.get("accuracies_on", {}).keys() for r in done if _is_plain(r)]
    if any(one != of[0] for of in (tried, ways) for one in of):
        raise InputError(
            f"trials in {str(folder)!r} have chosen among different rates; "
            "expected the same for all, as of one version; give another "
            "--workdir"
        )


def _is_plain(result: dict) -> bool:
    return result["arm"] == PLAIN


def _rows(results: list[dict]) -> list[dict]:
    """Returns one row per column and seed: accuracies by network, set-up.

    The seconds are those of the meta-training, its warm start with it, and of
    what chose the rates for all networks.
    """
    rows = []
    for result in results:
        columns = [f"{result['arm']}: {column}" for column in OF_GTN]
        columns += [*REAL, *REAL_EITHER] * _is_plain(result)
        for column in columns:
            key = column.rpartition(": ")[2]
            accuracies = result.get("accuracies_on", {}).get(key)
            seconds = None
            if accuracies is not None:
                seconds = sum(result["setup_seconds_on"][key].values())
                seconds += result["seconds"] * (key in OF_GTN)
            rows.append(
                {
                    "arm": column,
                    "pair": result["pair"],
                    "accuracies": accuracies,
                    "seconds": seconds,
                }
            )
    return rows


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _value(networks: list[str]) -> Value:
    def value(row: dict) -> float | None:
        found = row["accuracies"]
        if found is None:
            return None
        return float(np.mean([np.mean(found[name]) for name in networks]))

    return value


def table(result: dict) -> str:
    """Returns accuracies by network, means of arms, and what means differ by.

    What an arm does on each network, and over real data, is in the result.
    """
    every = result["accuracies"]
    columns = {
        name: rows
        for name, rows in every.items()
        if _is_real(name) or name.startswith(f"{PLAIN}: ")
    }
    num_seeds = max(row[MEAN]["num_seeds"] for row in every.values())
    keys = [chr(ord("a") + place) for place in range(len(columns))]
    lines = [
        f"{result['dataset']}: validation accuracy of networks that no "
        f"meta-training saw; +-: half the 95 % interval over {num_seeds} "
        f"{_name(result)} seed{'s' * (num_seeds > 1)}",
        *(f"{key}: {name}" for key, name in zip(keys, columns, strict=True)),
        " " * 16 + "".join(f"{key:>17}" for key in keys),
    ]
    lines += [
        f"{on:16}"
        + "".join(f"{spread_text(rows[on]):>17}" for rows in columns.values())
        for on in (*result["networks"], MEAN)
    ]
    seconds = [_in_seconds(result["setup_seconds"][name]) for name in columns]
    lines += ["set-up [s]      " + "".join(f"{s:>17}" for s in seconds)]
    arms = {name: rows for name, rows in every.items() if name not in columns}
    if arms:
        lines += [f"{MEAN:>17}  set-up [s]  of other arms"]
    lines += [
        f"{spread_text(rows[MEAN]):>17}"
        f"{_in_seconds(result['setup_seconds'][name]):>12}  {name}"
        for name, rows in arms.items()
    ]
    lines += ["paired differences, mean of all networks; networks won and lost"]
    of_plain = f"{PLAIN}: "
    for name, gaps in result["differences"].items():
        if not (name.startswith(of_plain) or f" - {of_plain}" in name):
            continue
        won, lost = _won_and_lost(gaps)
        lines.append(f"{_gap(gaps[MEAN]):>18}  {won:2} {lost:2}  {name}")
    lines.append(
        "won or lost: where the interval does not hold 0; with one seed by sign"
    )
    means = {name: rows[MEAN] for name, rows in every.items()}
    return "\n".join([*lines, *left_out(means)])


def _is_real(column: str) -> bool:
    return column in (*REAL, *REAL_EITHER)


def _in_seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _name(result: dict) -> str:
    """Returns what is said of data: 'GTN', or another source's name."""
    # What an earlier version has measured lacks it.
    source = result.get("source", "gtn")
    return "GTN" if source == "gtn" else source


def _won_and_lost(gaps: dict[str, dict | None]) -> tuple[int, int]:
    known = [gap for on, gap in gaps.items() if on != MEAN and gap is not None]
    ends = [gap["ci95"] or (gap["mean"],) * 2 for gap in known]
    return sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)


def _gap(gap: dict | None) -> str:
    if gap is None:
        return "-"
    if gap["ci95"] is None:
        return f"{gap['mean']:+.4f}"
    low, high = gap["ci95"]
    return f"{gap['mean']:+.4f} +-{(high - low) / 2:.4f}"


@in_theme
def figure(result: dict) -> Figure:
    """Draws accuracy by network (rows) and source of data (marks).

    Of each other arm, the rates with the best mean; of many the first ones.
    """
    places = [*result["networks"], MEAN]
    labelled, of_arms = _labelled(result["accuracies"], _name(result))
    figure = new_figure(WIDTH, 1.25 * ROW_HEIGHT * len(places) + 140)
    axes = figure.subplots()
    for number, (column, label) in enumerate(labelled.items()):
        line = LINES[number]
        shift = _SPREAD * ((number + 0.5) / len(labelled) - 0.5)
        for place, on in enumerate(places):
            row = result["accuracies"][column][on]
            draw_mean(axes, place + shift, row, line)
        axes.plot([], [], ls="", color=line[0], marker=line[2], label=label)
    for place in range(1, len(places)):
        axes.axhline(place - 0.5, color=INK, alpha=0.12, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.set_yticks(range(len(places)), [p.replace("_", " ") for p in places])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(in_percent)
    axes.set_xlabel("validation accuracy [%] after training on its data")
    name_marks(figure, num_columns=2)
    rows = result["accuracies"][f"{PLAIN}: {OWN_RATES}"]
    note = seeds_note([rows[MEAN]], _name(result))
    note += " No meta-training saw these networks."
    add_note(figure, note + of_arms)
    return figure


def _labelled(
    accuracies: dict[str, dict], name: str
) -> tuple[dict[str, str], str]:
    """Returns labels of the columns that are drawn, and a note of other arms.

    There are as many as lines.
    """

    def mean(column: str) -> float:
        found = accuracies[column][MEAN]["mean"]
        return -1.0 if found is None else found

    arms: dict[str, list[str]] = {}
    for column in accuracies:
        if not _is_real(column):
            arms.setdefault(column.rpartition(": ")[0], []).append(column)
    labelled = {
        column: f"{name}, {column.removeprefix(f'{PLAIN}: ')}"
        for column in arms.pop(PLAIN)
        # Results that are kept may be without one.
        if any(row["mean"] is not None for row in accuracies[column].values())
    }
    bests = [max(columns, key=mean) for columns in arms.values()]
    others = [column for column in bests if mean(column) >= 0]
    # By either update real images teach at least as much.
    reals = [name for name in REAL_EITHER if name in accuracies] or REAL
    room = len(LINES) - len(labelled) - len(reals)
    note = ""
    for number, column in enumerate(others[:room], start=1):
        arm, _, way = column.rpartition(": ")
        labelled[column] = f"arm {number}, {way}"
        note += f" Arm {number}: {arm.replace(';', ', ')}, its best."
    if len(arms) > len(others[:room]):
        note += f" Not drawn: {len(arms) - len(others[:room])} more."
    for name in reals:
        label = name.replace("real_tuned", "fresh real").replace("_", " ")
        labelled[name] = label
    return labelled, note


EXPERIMENT = Experiment(
    question=(
        "Do the GTN's data teach ordinary networks that it never saw better "
        "than real images do?"
    ),
    run=run,
    table=table,
    figure=figure,
)
