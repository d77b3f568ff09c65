"""What a report shows of meta-training: its curves, curriculum and rates."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from gtn_tf.figures import (
    curriculum as plots,
)
from gtn_tf.figures import (
    style as figure_style,
)
from gtn_tf.figures import (
    training as figures,
)
from gtn_tf.report.page import (
    Html,
    columns,
    element,
    figure,
    percent,
    png,
    scroll_box,
    section,
)
from gtn_tf.report.results import Results, config_value
from gtn_tf.runtime.progress import duration

_SHOWN_STEPS = 32
_WIDEST_PIXELS = 1088


def training_cards(results: Results) -> list[tuple]:
    """Returns name, value and more of the numbers that a reader comes for."""
    if not results.rows:
        return []
    cards = []
    validated = [r for r in results.rows if "validation_accuracy" in r]
    if validated:
        step, value = (
            validated[-1][k] for k in ("step", "validation_accuracy")
        )
        number = config_value(results, "meta.validation_num_learners")
        more = f"after meta-step {step}; mean of {number} learners"
        cards.append(("Validation accuracy", percent(value), more))
    last = results.rows[-1]
    total = config_value(results, "meta.num_steps")
    more = f"{last['step']} of {total} meta-steps"
    cards.append(("Meta-training", duration(last.get("seconds")), more))
    return cards


def meta_training_section(results: Results) -> Html | None:
    """Meta-loss and accuracies over meta-steps; the rates that came out."""
    drawings = [*_curves(results.rows), *_rates(results)]
    if not drawings:
        return None
    return section(
        "meta-training", "Meta-training", columns("20rem", *drawings)
    )


def _curves(rows: list[dict]) -> list[Html]:
    if not rows:
        return []
    loss = figure_style.inline_svg(
        figures.meta_loss_curve(rows),
        "meta-loss",
        "Line chart: meta-loss over meta-steps",
    )
    accuracy = figure_style.inline_svg(
        figures.accuracy_curve(rows),
        "meta-accuracy",
        "Line chart: train and validation accuracy over meta-steps",
    )
    smoothed = ""
    if len(rows) > figures.SMOOTHED_BEYOND:
        smoothed = " Pale: each meta-step; strong: their moving mean."
    return [
        figure(Html(loss), f"Meta-loss of each meta-step.{smoothed}"),
        figure(
            Html(accuracy),
            "Accuracy of learners on real images after their last inner step.",
        ),
    ]


def _rates(results: Results) -> list[Html]:
    if results.teacher is None:
        return []
    drawing = figure_style.inline_svg(
        figures.learned_rates(
            results.teacher.inner_learning_rate,
            results.teacher.inner_momentum,
        ),
        "rates",
        "Line charts: inner learning rate and momentum over inner steps",
    )
    began = (
        f"{config_value(results, 'inner.learning_rate')} and "
        f"{config_value(results, 'inner.momentum')}"
    )
    caption = f"Rates of the inner optimizer: {began} at every inner step."
    if config_value(results, "inner.learn_hyperparameters"):
        caption = "Rates of the inner optimizer, learned for each inner step; "
        caption += f"they began at {began}."
    return [figure(Html(drawing), caption)]


def curriculum_section(results: Results) -> Html | None:
    """The grid of the exported images, some inner steps of many."""
    if results.teacher is None:
        return None
    images = results.teacher.images
    label_ids = results.teacher.labels.argmax(axis=-1)
    num_steps, batch_size = label_ids.shape
    steps = np.arange(num_steps)
    if num_steps > _SHOWN_STEPS:
        steps = np.linspace(0, num_steps - 1, _SHOWN_STEPS).round().astype(int)
    metadata = results.teacher.metadata
    normalisation = metadata["normalisation"]
    num_classes = results.teacher.labels.shape[-1]
    classes = plots.shown_classes(num_classes)
    picture = plots.curriculum_grid(
        images[steps],
        label_ids[steps],
        np.array(normalisation["mean"]),
        np.array(normalisation["std"]),
        classes,
    )
    names = metadata.get("class_names")
    if not isinstance(names, list) or len(names) != num_classes:
        names = None
    labels = [plots.class_label(label, names) for label in classes]
    of = f"{len(classes)} of {num_classes} classes"
    which = of if len(classes) < num_classes else "each class"
    caption = (
        f"The first image of {which} (rows) in {len(steps)} of {num_steps} "
        f"inner steps (columns), each of {batch_size} images. Black and white "
        "are the extremes of all images shown, where these go beyond the real "
        "images' own range."
    )
    facts = metadata.get("curriculum")
    if isinstance(facts, dict) and facts.get("is_one_draw_of_many"):
        caption += " The order is drawn afresh for each learner: this is one."
    return section(
        "curriculum",
        "What the GTN teaches",
        figure(_tiles(picture, steps, labels), caption, class_="grid"),
    )


def _tiles(picture: np.ndarray, steps: np.ndarray, labels: list[str]) -> Html:
    """The grid, with classes to its left and inner steps below."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    height, width, _ = picture.shape
    alt = f"Grid of synthetic images: {len(labels)} classes by inner steps"
    zoom = int(np.clip(_WIDEST_PIXELS // width, 1, 2))
    classes = [element("span", label) for label in labels]
    names = 0.6 * max(map(len, labels)) + 0.9
    columns = [element("span", step + 1) for step in steps]
    tiles = element(
        "div",
        element("div", *classes, class_="classes", aria_hidden="true"),
        png(buffer.getvalue(), width, height, alt),
        element("div", *columns, class_="steps", aria_hidden="true"),
        element("div", "inner step", class_="axis"),
        class_="tiles",
        style=f"--width: {width}; --height: {height}; --zoom: {zoom}; "
        f"--names: {max(names, 1.5):.3g}rem",
    )
    return scroll_box(tiles, "curriculum")
