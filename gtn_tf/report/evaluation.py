"""What a report says of an evaluation: its numbers, tables and curves."""

from __future__ import annotations

from gtn_tf.figures import evaluation as evaluation_figures
from gtn_tf.figures import style as figure_style
from gtn_tf.report.page import (
    ABSENT,
    Html,
    columns,
    count,
    element,
    figure,
    interval,
    join,
    percent,
    points,
    section,
    table,
    verdict,
)
from gtn_tf.report.results import Results
from gtn_tf.runtime.progress import duration

_INTERVAL = "95\u00a0% interval"  # on one line


def _source_label(name: str) -> str:
    found = figure_style.SOURCES.get(name)
    return found.label if found else name


def evaluation_cards(results: Results) -> list[tuple]:
    """Returns name, value and more of the numbers that a reader comes for."""
    evaluation = results.evaluation
    if evaluation is None:
        return []
    cards = []
    subject = evaluation["sources"].get("gtn")
    if subject is not None:
        more = f"{_INTERVAL} {interval(subject['ci95'])}; "
        more += f"{count(subject['num_learners'])} fresh learners"
        cards.append(("Test accuracy", percent(subject["accuracy"]), more))
    for other in ("real_tuned", "real"):
        difference = evaluation.get("differences", {}).get(f"gtn - {other}")
        if difference is not None:
            value = [points(difference["mean"]), element("small", " points")]
            word = element("strong", verdict(difference["ci95"]))
            shown = interval(difference["ci95"], is_signed=True)
            more = join([word, f"; {_INTERVAL} {shown}"])
            cards.append((f"Against {_source_label(other)}", join(value), more))
    return cards


def evaluation_section(results: Results) -> Html | None:
    """Test accuracy by training data: table, curves, differences, transfer."""
    evaluation = results.evaluation
    if evaluation is None:
        return None
    curves = figure_style.inline_svg(
        evaluation_figures.accuracy_per_step(evaluation),
        "accuracy-per-step",
        "Line chart: test accuracy after each inner step, by training data",
    )
    drawn = [
        figure(
            Html(curves),
            "Test accuracy after each inner step; bands: 95 % intervals.",
        )
    ]
    if evaluation_figures.has_validation_curves(evaluation):
        curves = figure_style.inline_svg(
            evaluation_figures.accuracy_per_meta_step(evaluation),
            "accuracy-per-meta-step",
            "Line chart: validation accuracy over meta-steps, by training data",
        )
        drawn.append(
            figure(
                Html(curves),
                "Validation accuracy over meta-steps of what is meta-trained.",
            )
        )
    tests = count(evaluation.get("num_test_images"))
    return section(
        "evaluation",
        "Test accuracy",
        _sources_table(evaluation, tests),
        columns(
            "25rem",
            *drawn,
            element(
                "div",
                _differences_table(evaluation),
                _transfer_table(evaluation),
            ),
        ),
    )


def _sources_table(evaluation: dict, num_test_images: str) -> Html:
    sources = evaluation["sources"]
    ranked = sorted(sources, key=lambda n: (-sources[n]["accuracy"], n))
    rows, classes = [], []
    for name in ranked:
        source = sources[name]
        label = join(
            [_source_label(name), element("small", source.get("how") or "")]
        )
        rows.append(
            (
                label,
                percent(source["accuracy"]),
                interval(source["ci95"]),
                _range(source),
                percent(source.get("std")),
                count(source["num_learners"]),
                count(source.get("images_seen")),
                duration(source.get("seconds_per_learner")),
                duration(source.get("setup_seconds")),
            )
        )
        classes.append("subject" if name == "gtn" else "source")
    for name in [n for n in figure_style.SOURCES if n not in sources]:
        rows.append((_source_label(name), *[ABSENT] * 8))
        classes.append("absent")
    return table(
        f"Learner {evaluation.get('learner')} on {num_test_images} test "
        f"images after {evaluation.get('num_inner_steps')} inner steps of "
        f"{evaluation.get('inner_batch_size')} images.",
        [
            "training data",
            "accuracy",
            "95 % interval",
            "0 to 100 %",
            "std",
            "learners",
            "images seen",
            "per learner",
            "setup",
        ],
        rows,
        row_classes=classes,
    )


def _range(source: dict) -> Html:
    """A dot at the accuracy in a bar for its interval, from 0 to 100 %."""
    mean = source["accuracy"]
    low, high = source["ci95"] or (None, None)
    low, high = (mean if v is None else v for v in (low, high))
    style = f"--low: {low:.2%}; --width: {high - low:.2%}; --mean: {mean:.2%}"
    return element(
        "span",
        element("i"),
        element("b"),
        class_="range",
        style=style,
        aria_hidden="true",
    )


def _differences_table(evaluation: dict) -> Html:
    differences = evaluation.get("differences")
    if not differences:
        return Html()
    rows = []
    for name, difference in differences.items():
        label = " \u2212 ".join(map(_source_label, name.split(" - ")))
        rows.append(
            (
                label,
                verdict(difference["ci95"]),
                points(difference["mean"]),
                interval(difference["ci95"], is_signed=True),
                count(difference.get("num_learners")),
            )
        )
    return table(
        "Paired differences of test accuracy, in percentage points; the "
        "verdict is on the first of the two.",
        ["difference", "verdict", "mean", "95 % interval", "pairs"],
        rows,
        num_text_columns=2,
    )


def _transfer_table(evaluation: dict) -> Html:
    rows = []
    for learner, measured in evaluation.get("transfer", {}).items():
        for name, source in measured.items():
            rows.append(
                (
                    learner,
                    _source_label(name),
                    percent(source["accuracy"]),
                    interval(source["ci95"]),
                    count(source["num_learners"]),
                )
            )
    if not rows:
        return Html()
    return table(
        "Transfer: test accuracy of learners of other families.",
        [
            "learner",
            "training data",
            "accuracy",
            "95 % interval",
            "learners",
        ],
        rows,
        num_text_columns=2,
    )
