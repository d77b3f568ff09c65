"""What a report says of an evaluation: its numbers, tables and curves."""

from __future__ import annotations

from gtn_tf.figures import evaluation as evaluation_figures
from gtn_tf.figures.style import SOURCES
from gtn_tf.report.numbers import (
    ABSENT,
    count,
    interval,
    percent,
    points,
    verdict,
)
from gtn_tf.report.page import Html, Table, Tile, macro, render, scale_of, svg
from gtn_tf.report.results import Results
from gtn_tf.runtime.progress import duration

#: What is so far from all others that they would be one dot beside it.
_FAR = "noise"
_INTERVAL = "95\u00a0% interval"  # on one line


def _source_label(name: str) -> str:
    found = SOURCES.get(name)
    return found.label if found else name


def evaluation_tiles(results: Results) -> list[Tile]:
    """Returns the accuracy, and how it stands against every rival."""
    evaluation = results.evaluation
    if evaluation is None:
        return []
    sources = evaluation["sources"]
    own = "gtn" if "gtn" in sources else next(iter(sources))
    subject = sources[own]
    more = f"{_INTERVAL} {interval(subject['ci95'])}; "
    more += f"{count(subject['num_learners'])} fresh learners"
    tiles = [Tile("Test accuracy", percent(subject["accuracy"]), more)]
    for rival, style in SOURCES.items():
        gap = evaluation.get("differences", {}).get(f"{own} - {rival}")
        if gap is not None:
            tiles.append(
                Tile(
                    f"Against {style.label}",
                    points(gap["mean"]),
                    f"{_INTERVAL} {interval(gap['ci95'], is_signed=True)}",
                    "points",
                    verdict(gap["ci95"]),
                )
            )
    return tiles


def evaluation_section(results: Results) -> Html | None:
    """Test accuracy by training data: table, curves, differences, transfer."""
    evaluation = results.evaluation
    if evaluation is None:
        return None
    curves = svg(
        evaluation_figures.accuracy_per_step(evaluation),
        "accuracy-per-step",
        "Line chart: test accuracy after each inner step, by training data",
    )
    caption = "Test accuracy after each inner step; bands: 95 % intervals."
    plots = [(curves, caption)]
    if evaluation_figures.has_validation_curves(evaluation):
        curves = svg(
            evaluation_figures.accuracy_per_meta_step(evaluation),
            "accuracy-per-meta-step",
            "Line chart: validation accuracy over meta-steps, by training data",
        )
        caption = "Validation accuracy over meta-steps of what is meta-trained."
        plots.append((curves, caption))
    return render(
        "evaluation",
        sources=_sources_table(evaluation),
        differences=_differences_table(evaluation),
        transfer=_transfer_table(evaluation),
        plots=plots,
    )


def _sources_table(evaluation: dict) -> Table:
    sources = evaluation["sources"]
    ranked = sorted(sources, key=lambda n: (-sources[n]["accuracy"], n))
    scale = scale_of(
        [
            (source["accuracy"], source["ci95"])
            for name, source in sources.items()
            if name != _FAR
        ]
    )
    rows, classes = [], []
    for name in ranked:
        source = sources[name]
        accuracy, ci95 = source["accuracy"], source["ci95"]
        rows.append(
            (
                macro("labelled")(_source_label(name), source.get("how") or ""),
                percent(accuracy),
                interval(ci95),
                scale.bar(accuracy, ci95),
                percent(source.get("std")),
                count(source["num_learners"]),
                count(source.get("images_seen")),
                duration(source.get("seconds_per_learner")),
                duration(source.get("setup_seconds")),
            )
        )
        classes.append("subject" if name == "gtn" else "source")
    for name in [n for n in SOURCES if n not in sources]:
        rows.append((_source_label(name), *[ABSENT] * 8))
        classes.append("absent")
    tests = count(evaluation.get("num_test_images"))
    return Table(
        f"Learner {evaluation.get('learner')} on {tests} test images after "
        f"{evaluation.get('num_inner_steps')} inner steps of "
        f"{evaluation.get('inner_batch_size')} images.",
        [
            "training data",
            "accuracy",
            "95 % interval",
            f"{100 * scale.low:.1f} to {100 * scale.high:.1f} %",
            "std",
            "learners",
            "images seen",
            "per learner",
            "setup",
        ],
        rows,
        row_classes=classes,
    )


def _differences_table(evaluation: dict) -> Table | None:
    differences = evaluation.get("differences")
    if not differences:
        return None
    scale = scale_of(
        [
            (gap["mean"], gap["ci95"])
            for name, gap in differences.items()
            if _FAR not in name.split(" - ")
        ],
        0.0,
    )
    rows = [
        (
            " \u2212 ".join(map(_source_label, name.split(" - "))),
            verdict(gap["ci95"]),
            points(gap["mean"]),
            interval(gap["ci95"], is_signed=True),
            scale.bar(gap["mean"], gap["ci95"], zero=0.0),
            count(gap.get("num_learners")),
        )
        for name, gap in differences.items()
    ]
    ends = f"{points(scale.low)} to {points(scale.high)}, line: 0"
    return Table(
        "Paired differences of test accuracy, in percentage points; the "
        "verdict is on the first of the two.",
        ["difference", "verdict", "mean", "95 % interval", ends, "pairs"],
        rows,
        num_text_columns=2,
    )


def _transfer_table(evaluation: dict) -> Table | None:
    measured = [
        (learner, name, source)
        for learner, of_learner in evaluation.get("transfer", {}).items()
        for name, source in of_learner.items()
    ]
    if not measured:
        return None
    scale = scale_of([(s["accuracy"], s["ci95"]) for _, _, s in measured])
    rows = [
        (
            learner,
            _source_label(name),
            percent(source["accuracy"]),
            interval(source["ci95"]),
            scale.bar(source["accuracy"], source["ci95"]),
            count(source["num_learners"]),
        )
        for learner, name, source in measured
    ]
    ends = f"{100 * scale.low:.1f} to {100 * scale.high:.1f} %"
    return Table(
        "Transfer: test accuracy of learners of other families.",
        [
            *("learner", "training data", "accuracy", "95 % interval"),
            *(ends, "learners"),
        ],
        rows,
        num_text_columns=2,
    )
