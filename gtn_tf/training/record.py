"""Pictures of a meta-training while it goes: the curriculum, the curves."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gtn_tf.datasets.class_examples import class_examples
from gtn_tf.runtime.row_log import read_thinned_rows
from gtn_tf.runtime.run_log import RunLog
from gtn_tf.training.run import Run


def draw_samples(
    run: Run, workdir: Path, step: int, logs: Sequence[RunLog]
) -> None:
    """Draws what the first validation learner sees after so many meta-steps."""
    # Not before the first meta-step, which is waited for.
    from gtn_tf.figures import curriculum as plots
    from gtn_tf.figures import training as figures

    synthetic = run.synthesize()
    facts = (
        synthetic.images.numpy(),
        np.argmax(synthetic.labels.numpy(), axis=-1),
        np.array(run.dataset.mean),
        np.array(run.dataset.std),
    )
    classes = plots.shown_classes(run.dataset.num_classes)
    (workdir / "samples").mkdir(exist_ok=True)
    plots.save_curriculum_figure(
        workdir / "samples" / f"step_{step:06d}.png",
        *facts,
        title=f"{run.dataset.name}: curriculum after {step} meta-steps",
        examples=class_examples(run.dataset, classes),
        classes=classes,
        class_names=run.dataset.class_names,
    )
    figures.save_curves(
        workdir / "samples" / "curves.png",
        read_thinned_rows(workdir / "metrics.jsonl"),
        title=f"{run.dataset.name}: meta-training",
        num_losses=run.num_losses,
        chance=math.log(run.dataset.num_classes),
    )
    if logs:
        picture = plots.curriculum_grid(*facts, classes)
        for log in logs:
            log.image(step, "curriculum", picture)


def log_rates(run: Run, step: int, logs: Sequence[RunLog]) -> None:
    """Writes the inner rates that come with the data of a learner."""
    rates = {
        name: rate.numpy()
        for name, rate in run.synthesize().hyperparameters.items()
    }
    for log in logs:
        log.inner_rates(step, rates)
