"""What a search leaves when it is done: ranking, selection and figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gtn_tf.figures import nb201 as nb201_figures
from gtn_tf.figures import search as search_figures
from gtn_tf.figures.cells import save_cells
from gtn_tf.nas.results import PICTURES
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.nas.summary import (
    Scores,
    best_table,
    describe_search,
    evaluator_table,
    summarize,
)
from gtn_tf.runtime.devices import environment
from gtn_tf.runtime.files import write_json
from gtn_tf.runtime.progress import show_table
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.nb201.space import NB201
from gtn_tf.search_spaces.protocol import Space

_IN_TABLE = 10


def write_outputs(
    folder: Path,
    spec: SearchSpec,
    space: Space,
    results: Sequence[Mapping[str, Any]],
    setup_seconds: Mapping[str, float],
    config: Mapping[str, Any],
    found_seconds: float | None = None,
    adapts: bool = False,
) -> None:
    """Ranks, draws and prints.

    Args:
      folder: `search` of the workdir.
      spec: of the search.
      space: of its architectures.
      results: of all jobs, as stored.
      setup_seconds: of what evaluators train on, by evaluator.
      config: of the run, as it is kept with the ranking.
      found_seconds: that the strategy took itself, for its training or its
        proposals; None: that is not known.
      adapts: whether it was told scores.
    """
    scores, ranked = summarize(
        results, list(spec.evaluators), spec.truth, setup_seconds
    )
    describe_search(spec, results, scores, ranked, adapts)
    ranked["config"] = config
    ranked["environment"] = environment()
    if found_seconds is not None:
        ranked["found_seconds"] = found_seconds
    # What is not written anew would be an earlier search's.
    for name in ("selected.json", *(f"{n}.png" for n in PICTURES)):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / "ranking.json", ranked)
    if ranked["selected"] is not None:
        _write_selected(folder, space, ranked["selected"])
    _draw(folder, spec.dataset, scores, ranked)
    show_table(evaluator_table(ranked))
    show_table(best_table(scores, spec.evaluators, spec.truth, _IN_TABLE))


def _write_selected(
    folder: Path, space: Space, selected: Mapping[str, Any]
) -> None:
    """Writes what `Genotype.from_json` reads, and a picture of it."""
    architecture = space.from_text(selected["genotype"])
    known = {k: v for k, v in selected.items() if k != "genotype"}
    write_json(
        folder / "selected.json",
        {**known, "text": selected["genotype"], **space.to_json(architecture)},
    )
    if isinstance(architecture, Genotype):
        save_cells(folder / "selected.png", architecture)
    if isinstance(space, NB201):
        nb201_figures.save_cell(folder / "selected.png", architecture)


def _draw(
    folder: Path, dataset: str, scores: Scores, ranked: dict[str, Any]
) -> None:
    num_truths = ranked["num_architectures"]
    if not num_truths:
        return
    title = f"{dataset}: {num_truths} architectures"
    search_figures.save_scatter(folder / "scatter.png", scores, ranked, title)
    search_figures.save_cost_curve(folder / "cost.png", ranked, title)
