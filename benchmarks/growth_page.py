"""The page of `benchmarks.growth`: curves, exponents, limits."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth_figures import (
    MEGABYTE,
    META_STEP,
    Points,
    column,
    meta_step_figure,
    search_figure,
    values_of,
)
from gtn_tf.figures.style import save_twins
from gtn_tf.runtime.files import write_atomically

_NUM_LAST = 3  # points that exponents are taken over
_LIMIT_BYTES = 8 * 2**30  # of a small machine
#: Part of a search -> in words, and the power of its arithmetic.
SEARCH = {
    "proposals": ("proposals, each a different one", "n"),
    "jobs": ("jobs, and a file of each result", "n"),
    "resuming": ("finding all results of a search again", "n"),
    "ranking": ("ranking with its intervals, figures", "n log n"),
    "report": ("the report", "n"),
}
RANK = {
    "rank": ("`rank`, one trained and the others refused", "n"),
    "table": ("its table", "n"),
}


def exponent(values: Sequence[float], found: Sequence[float]) -> float | None:
    """Returns the slope of log(found) over log(values), the last three.

    None where there are fewer than two.
    """
    x, y = (np.log(np.asarray(v[-_NUM_LAST:], float)) for v in (values, found))
    if len(x) < 2:
        return None
    return float(np.polyfit(x, y, 1)[0])


def memory_limit(
    values: Sequence[int], peaks: Sequence[float], power: int, limit: float
) -> float | None:
    """Returns where `fixed + factor * value**power` reaches a limit.

    Both are those of the last two points. None where memory does not grow.
    """
    if not power or len(values) < 2:
        return None
    low, high = (value**power for value in values[-2:])
    factor = (peaks[-1] - peaks[-2]) / (high - low)
    if factor <= 0:
        return None
    reached = values[-1] ** power + (limit - peaks[-1]) / factor
    return float(max(reached, 0) ** (1 / power))


def _number(value: float | None, digits: int = 3) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= 10**digits:
        return f"{float(f'{value:.{digits}g}'):,.0f}"
    return f"{value:.{digits}g}"


def _power(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _meta_step_rows(points: Mapping[str, Points]) -> list[str]:
    rows = []
    for name, axis in META_STEP.items():
        if name not in points:
            continue
        own = points[name]
        values = values_of(own)
        powers = [
            exponent(values, column(own, key))
            for key in ("wall_seconds", "cpu_seconds", "flops", "least_bytes")
        ]
        wall = column(own, "wall_seconds")
        rows.append(
            f"| {axis.name} {'' if axis.symbol in axis.name else axis.symbol} "
            f"| {values[0]} to {values[-1]} | {_number(wall[0])} to "
            f"{_number(wall[-1])} | {' | '.join(map(_power, powers))} |"
        )
    return rows


def _memory_rows(points: Mapping[str, Points]) -> list[str]:
    rows = []
    for name, axis in META_STEP.items():
        if name not in points:
            continue
        own = points[name]
        values = values_of(own)
        peaks, least = (
            column(own, key) for key in ("peak_bytes", "least_bytes")
        )
        grown = [f"{(v[-1] - v[0]) / MEGABYTE:,.0f}" for v in (peaks, least)]
        ends = memory_limit(values, peaks, axis.power, _LIMIT_BYTES)
        rows.append(
            f"| {axis.symbol} | {values[0]} to {values[-1]} | "
            f"{peaks[0] / MEGABYTE:,.0f} to {peaks[-1] / MEGABYTE:,.0f} | "
            f"{' | '.join(grown)} | {_number(ends, 2)} | {axis.lowers} |"
        )
    return rows


def _part_rows(
    points: Points, parts: Mapping[str, tuple[str, str]]
) -> list[str]:
    values = values_of(points)
    rows = []
    for part, (words, arithmetic) in parts.items():
        cpu, wall = (
            column(points, "parts", part, key)
            for key in ("cpu_seconds", "wall_seconds")
        )
        rows.append(
            f"| {words} | {' | '.join(map(_number, cpu))} | "
            f"{_number(wall[-1])} | {_power(exponent(values, cpu))} | "
            f"{arithmetic} | {_number(1e3 * cpu[-1] / values[-1], 2)} |"
        )
    return rows


def _part_table(
    points: Points, parts: Mapping[str, tuple[str, str]]
) -> list[str]:
    values = values_of(points)
    heads = " | ".join(f"{value:,}" for value in values)
    peaks = " / ".join(
        f"{peak / MEGABYTE:,.0f}" for peak in column(points, "peak_bytes")
    )
    return [
        f"| candidates | {heads} | wall | exponent | arithmetic | ms each |",
        f"|{'---|' * (len(values) + 5)}",
        *_part_rows(points, parts),
        "",
        f"Peak memory above what the process held before: {peaks} MB.",
        "",
    ]


def _picture(name: str, alternative: str) -> str:
    return (
        '<picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="images/{name}_dark.png"><img src="images/{name}.png" '
        f'width="480" alt="{alternative}"></picture>'
    )


def page(found: Mapping[str, Any]) -> str:
    """Returns the page, as far as there are points."""
    points, base = found["points"], found["base"]
    lines = [
        "# How it grows",
        "",
        "Seconds and memory of one meta-step, and of all that surrounds the "
        "trainings of a search, axis by axis. Written by `python -m "
        "benchmarks.growth`; all numbers are in "
        "`benchmarks/results/growth.json`.",
        "",
    ]
    if set(META_STEP) & set(points):
        sizes = ", ".join(
            f"{axis.symbol} = {base[name]}"
            for name, axis in META_STEP.items()
            if axis.symbol != "learners"
        )
        lines += [
            "## A meta-step",
            "",
            f"`conv2_fc` 32-64-128, {sizes}, {base['num_learners']} learner, "
            "one meta-loss on 64 real images, rematerialised; one size changes "
            "and the others stay.",
            "",
            _picture("growth_meta_step", "Seconds and memory of a meta-step"),
            "",
            "| axis | from, to | wall seconds | exponent: wall | processor | "
            "FLOPs | bytes |",
            "|---|---|---|---|---|---|---|",
            *_meta_step_rows(points),
            "",
            "Exponents are slopes between logarithms over the last three "
            "points; FLOPs are those of convolutions and matrix products that "
            "the optimised graph executes. Bytes: `at least` in the second "
            "table, with which all grows that is done value by value: more "
            "classes are more weights to normalise and update, few products.",
            "",
            "| | from, to | peak, MB | grown, MB | at least, MB | "
            "8 GiB are full at | what lowers it |",
            "|---|---|---|---|---|---|---|",
            *_memory_rows(points),
            "",
            "At least: what `gtn_tf.training.memory` counts, by which a run is "
            "refused before it begins. 8 GiB: computed from the last two "
            "points, linear in T, B and K, in H^2 for images.",
            "",
        ]
    if "num_candidates" in points:
        lines += [
            "## A search beside its trainings",
            "",
            "Candidates of the space `cells` by `params`, the truth `flops`: "
            "both are counted. Processor seconds; wall seconds are of the last "
            "column, with the wait for the disk, as each result is on it "
            "before the next begins.",
            "",
            _picture("growth_search", "Seconds of the parts of a search"),
            "",
            *_part_table(points["num_candidates"], SEARCH),
        ]
    if "num_ranked" in points:
        lines += [
            "## `rank`",
            "",
            *_part_table(points["num_ranked"], RANK),
        ]
    versions = found["versions"]
    tensorflow = versions.get("tensorflow-cpu") or versions.get("tensorflow")
    lines += [
        f"Measured on {found['num_cores']} cores ({found['cpu']}), load "
        f"{found['load_average'][0]:.1f} at the start, TensorFlow "
        f"{tensorflow}, commit {found['commit']}.",
        "",
    ]
    return "\n".join(map(_wrapped, lines))


def _wrapped(line: str) -> str:
    """Breaks the lines of paragraphs, as those of the other pages are."""
    if line.startswith(("|", "<", "#")):
        return line
    return textwrap.fill(line, 80, break_on_hyphens=False)


def write_page(path: Path, found: Mapping[str, Any]) -> None:
    """Writes the page, and its figures beside it in `images/`."""
    images = path.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    points = found["points"]
    if set(META_STEP) & set(points):
        save_twins(images / "growth_meta_step.png", meta_step_figure(points))
    if "num_candidates" in points:
        save_twins(images / "growth_search.png", search_figure(points, SEARCH))
    write_atomically(path, page(found).encode())
