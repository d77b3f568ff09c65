"""What a report says of trained architectures: the paper's two tables."""

from __future__ import annotations

from typing import Any

from gtn_tf.report.numbers import ABSENT, count, percent
from gtn_tf.report.page import Html, Table, macro, render
from gtn_tf.report.paper_tables import (
    PAPER_ROWS,
    SOURCE,
    PaperRow,
    belongs,
    is_paper_scale,
)
from gtn_tf.report.results import Results
from gtn_tf.runtime.progress import duration

_COLUMNS = [
    "architecture",
    "published error",
    "published parameters",
    "published GPU days",
    "method here",
    "our error",
    "seeds",
    "parameters",
    "search device-days",
    "training device-days",
    "at what scale",
]
_SECONDS_PER_DAY = 86400


def retrain_section(results: Results) -> Html | None:
    """The tables, and what was trained that has no row in them."""
    trained = results.retrainings
    if not trained:
        return None
    placed = [r for r in trained if any(belongs(p, r) for p in PAPER_ROWS)]
    others = [r for r in trained if r not in placed]
    tables = [
        _table(
            "Random proposals: the table of the paper's main text.",
            [row for row in PAPER_ROWS if row.is_random],
            placed,
        ),
        _table("All methods: the table of the appendix.", PAPER_ROWS, placed),
    ]
    if others:
        tables.append(
            Table(
                "Trained here, without a row in the paper.",
                _COLUMNS,
                [(r["name"], *[ABSENT] * 4, *_ours(r)) for r in others],
            )
        )
    return render("retrain", source=SOURCE, tables=tables)


def _table(
    caption: str, paper_rows: tuple | list, trained: list[dict]
) -> Table:
    rows, classes = [], []
    for row in paper_rows:
        ours = [r for r in trained if belongs(row, r)]
        published = (
            row.model,
            _published_error(row),
            row.params,
            f"{row.gpu_days:g}",
            macro("words")(row.method),
        )
        if not ours:
            rows.append((*published, *[ABSENT] * 6))
            classes.append("absent")
        for result in ours:
            rows.append((*published, *_ours(result, row)))
            classes.append("source")
    return Table(caption, _COLUMNS, rows, row_classes=classes)


def _published_error(row: PaperRow) -> str:
    if row.test_error_std is None:
        return f"{row.test_error:.2f} %"
    return f"{row.test_error:.2f} \u00b1 {row.test_error_std:.2f} %"


def _ours(result: dict[str, Any], row: PaperRow | None = None) -> tuple:
    error = percent(result["test_error_mean"])
    if result["test_error_std"] is not None:
        error = error.replace(
            " %", f" \u00b1 {100 * result['test_error_std']:.2f} %"
        )
    seconds = (result.get("search") or {}).get("seconds")
    search_days = None if seconds is None else _days(seconds / _SECONDS_PER_DAY)
    scale = (
        f"{result['dataset']}, N={result['num_cells']}, "
        f"F={result['channels']}, {count(result['num_epochs'])} epochs, "
        f"Cutout {result['cutout'] or 'off'}"
    )
    if row is not None:
        suits = is_paper_scale(row, result)
        scale += "; the paper's" if suits else "; not the paper's"
    return (
        error,
        len(result["seeds"]),
        count(result["params"]),
        search_days,
        _days(result["device_days"]),
        macro("words")(scale),
    )


def _days(days: float) -> str:
    """Writes days with three digits, shorter times in their own unit too."""
    return f"{days:.3g} ({duration(days * _SECONDS_PER_DAY)})"
