"""Pictures of a meta-training while it goes: the curriculum, the curves."""

import math
from pathlib import Path

import numpy as np

from gtn_tf.datasets.class_examples import class_examples
from gtn_tf.figures import curriculum as plots
from gtn_tf.figures import training as figures
from gtn_tf.runtime.row_log import read_thinned_rows
from gtn_tf.runtime.tensorboard import TensorBoardLog
from gtn_tf.training.run import Run


def draw_samples(
    run: Run, workdir: Path, step: int, board: TensorBoardLog | None
) -> None:
    """Draws what the first validation learner sees after so many meta-steps."""
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
    if board is not None:
        picture = plots.curriculum_grid(*facts, classes)
        board.image(step, "curriculum", picture)


def log_rates(run: Run, step: int, board: TensorBoardLog) -> None:
    """Writes the inner rates that come with the data of a learner."""
    rates = run.synthesize().hyperparameters
    board.inner_rates(step, {name: r.numpy() for name, r in rates.items()})
