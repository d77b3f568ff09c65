"""What a report shows of meta-training: its curves, curriculum and rates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gtn_tf.config.meta_losses import num_meta_losses
from gtn_tf.figures import curriculum as plots
from gtn_tf.figures import training as figures
from gtn_tf.report.numbers import percent
from gtn_tf.report.page import Html, Tile, png, render, svg
from gtn_tf.report.results import Results, config_value
from gtn_tf.runtime.progress import duration

_SHOWN_STEPS = 32
_WIDEST_PIXELS = 1000
_GAP = 10  # pixels between real and synthetic images


def training_tiles(results: Results) -> list[Tile]:
    """Returns the validation accuracy and the time."""
    if not results.rows:
        return []
    tiles = []
    validated = [r for r in results.rows if "validation_accuracy" in r]
    if validated:
        step, value = (
            validated[-1][k] for k in ("step", "validation_accuracy")
        )
        number = config_value(results, "meta.validation_num_learners")
        more = f"after meta-step {step}; mean of {number} learners"
        tiles.append(Tile("Validation accuracy", percent(value), more))
    last = results.rows[-1]
    total = config_value(results, "meta.num_steps")
    more = f"{last['step']} of {total} meta-steps"
    tiles.append(Tile("Meta-training", duration(last.get("seconds")), more))
    return tiles


def meta_training_section(results: Results) -> Html | None:
    """Meta-loss and accuracies over meta-steps; the rates that came out."""
    drawn = [*_curves(results), *_rates(results)]
    return render("training", plots=drawn) if drawn else None


def _curves(results: Results) -> list[tuple[Html, str]]:
    rows = results.rows
    if not rows:
        return []
    asked = ("num_steps", "meta_loss_every", "truncation_window")
    known = [config_value(results, f"inner.{key}") for key in asked]
    num_losses = None if None in known[:2] else num_meta_losses(*known)
    chance = None
    if results.teacher is not None:
        chance = math.log(results.teacher.labels.shape[-1])
    loss = svg(
        figures.meta_loss_curve(rows, num_losses, chance),
        "meta-loss",
        "Line chart: meta-loss over meta-steps",
    )
    accuracy = svg(
        figures.accuracy_curve(rows),
        "meta-accuracy",
        "Line chart: train and validation accuracy over meta-steps",
    )
    smoothed = ""
    if len(rows) > figures.SMOOTHED_BEYOND:
        smoothed = " Pale: each meta-step; strong: their moving mean."
    return [
        (loss, f"{_meaning(num_losses)}{smoothed}"),
        (
            accuracy,
            "Accuracy of learners on real images after their last inner step.",
        ),
    ]


def _meaning(num_losses: int | None) -> str:
    """Says what a meta-loss is the sum of."""
    if num_losses == 1:
        return (
            "Meta-loss: a learner's cross-entropy on real images after its "
            "last inner step."
        )
    if num_losses is None:
        return (
            "Meta-loss: a learner's cross-entropies on real images, summed "
            "over inner steps."
        )
    return (
        f"A meta-loss is the sum of {num_losses} cross-entropies of a learner "
        "on real images, taken along its inner steps. Drawn are their mean "
        "and the one after the last inner step."
    )


def _rates(results: Results) -> list[tuple[Html, str]]:
    if results.teacher is None:
        return []
    drawing = svg(
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
    return [(drawing, caption)]


def curriculum_section(results: Results) -> Html | None:
    """The exported images beside real ones: step by step, and all at once."""
    teacher = results.teacher
    if teacher is None:
        return None
    label_ids = teacher.labels.argmax(axis=-1)
    num_steps, batch_size = label_ids.shape
    steps = np.arange(num_steps)
    if num_steps > _SHOWN_STEPS:
        steps = np.linspace(0, num_steps - 1, _SHOWN_STEPS).round().astype(int)
    metadata = teacher.metadata
    normalisation = metadata["normalisation"]
    num_classes = teacher.labels.shape[-1]
    classes = plots.shown_classes(num_classes)
    grid = plots.curriculum_grid(
        teacher.images[steps],
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
        "are the extremes of all synthetic images shown, where these go beyond "
        "the real images' own range."
    )
    facts = metadata.get("curriculum")
    if isinstance(facts, dict) and facts.get("is_one_draw_of_many"):
        caption += " The order is drawn afresh for each learner: this is one."
    real = strip = None
    if results.real is not None and len(results.real.examples) == len(classes):
        examples = results.real.examples
        real = plots.real_grid(examples)
        strip = plots.real_grid(examples[:, :1].swapaxes(0, 1))
    beside = 0 if real is None else real.shape[1] + _GAP
    pitch = [
        -(-(size + 2) // number)
        for size, number in zip(
            grid.shape[1::-1], (len(steps), len(classes)), strict=True
        )
    ]
    return render(
        "curriculum",
        lesson={
            "facts": [_facts(results, step) for step in steps],
            "pitch": pitch,
            "classes": len(classes),
        },
        strip_width=len(classes) * pitch[0] - 2,
        steps=[int(step) + 1 for step in steps],
        labels=labels,
        names_width=f"{max(0.6 * max(map(len, labels)) + 0.9, 1.5):.3g}rem",
        grid=_picture(grid),
        real=None if real is None else _picture(real),
        beside=beside,
        gap=f"{100 * _GAP / max(1, beside):.3f}",
        real_strip=None if strip is None else _picture(strip),
        zoom=int(np.clip(_WIDEST_PIXELS // (grid.shape[1] + beside), 1, 2)),
        caption=caption,
    )


def _picture(picture: np.ndarray) -> dict[str, Any]:
    height, width, _ = picture.shape
    return {"src": png(picture), "width": width, "height": height}


def _facts(results: Results, step: int) -> str:
    """Says what is known of one inner step."""
    teacher = results.teacher
    text = (
        f"{step + 1} of {len(teacher)}: learning rate "
        f"{teacher.inner_learning_rate[step]:.3g}, momentum "
        f"{teacher.inner_momentum[step]:.3g}"
    )
    sources = (results.evaluation or {}).get("sources", {})
    own = sources.get(teacher.metadata.get("source", "gtn"))
    if own is not None and len(own["accuracy_per_step"]) == len(teacher):
        accuracy = percent(own["accuracy_per_step"][step])
        text += f"; test accuracy after it {accuracy}"
    return text
