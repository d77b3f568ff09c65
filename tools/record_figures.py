"""Draws kept results anew, each for light and for dark pages.

No TensorFlow here.
"""

from pathlib import Path

import numpy as np

from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.export.real_images import FILE_NAME, read_real_images
from gtn_tf.figures.curriculum import curriculum_figure
from gtn_tf.figures.evaluation import both
from gtn_tf.figures.search import cost_curve, scatter
from gtn_tf.figures.style import dark_twin, save_twins
from gtn_tf.nas.score_tables import from_csv
from gtn_tf.runtime.files import read_json

_SHOWN_PIXELS = 480  # of a page's width
SEARCH = "search"  # begins the names of what is kept of a search


def draw(folder: Path) -> None:
    """Draws all that the files of one kept result hold."""
    evaluation = folder / "evaluation.json"
    if evaluation.exists():
        save_twins(evaluation.with_suffix(".png"), both(read_json(evaluation)))
    for path in sorted(folder.glob("*.json")):
        result = read_json(path)
        if isinstance(result, dict) and "experiment" in result:
            experiment = find_experiment(result["experiment"])
            save_twins(path.with_suffix(".png"), experiment.figure(result))
    if (folder / f"{SEARCH}.json").exists():
        _draw_search(folder)
    _draw_curriculum(folder)


def _draw_search(folder: Path) -> None:
    ranking = read_json(folder / f"{SEARCH}.json")
    save_twins(folder / f"{SEARCH}_cost.png", cost_curve(ranking))
    path = folder / f"{SEARCH}_scores.csv"
    if path.exists():
        scores = from_csv(path)
        scores[ranking["truth"]["evaluator"]] = scores.pop("score")
        drawn = scatter(scores, ranking)
        save_twins(folder / f"{SEARCH}_scatter.png", drawn)


def _draw_curriculum(folder: Path) -> None:
    real = read_real_images(folder / FILE_NAME)
    path = folder / "curriculum.npz"
    if real is None or not path.exists():
        return
    config = read_json(folder / "config.json")
    with np.load(path) as arrays:
        figure = curriculum_figure(
            arrays["images"].astype(np.float32),
            arrays["labels"].argmax(axis=-1),
            real.mean,
            real.std,
            f"{config['dataset']['name']}: curriculum after "
            f"{config['meta']['num_steps']} meta-steps",
            real.examples,
        )
    save_twins(path.with_suffix(".png"), figure, dpi=100)


def picture(path: str, alt: str) -> str:
    """Returns HTML that shows a figure, its dark twin on dark pages."""
    return (
        '<picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="{dark_twin(Path(path)).as_posix()}">'
        f'<img src="{path}" width="{_SHOWN_PIXELS}" alt="{alt}"></picture>'
    )
