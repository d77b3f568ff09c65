"""Results that are kept in the repository, and the pages made of them.

    python -m tools.records keep WORKDIR NAME    # -> docs/results/NAME/
    python -m tools.records table    # -> README.md, docs/results/*.md and
                                     #    every figure of docs/results

Kept are evaluation.json, config.json and result.json of each experiment, and of
each training to the end; all scores of searches, and their ranking; and the
exported curriculum in half precision if that is under 5 MB, with a few real
images. Their figures are drawn from these files. No TensorFlow here.
"""

import copy
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gtn_tf.export.real_images import FILE_NAME
from gtn_tf.nas.results import SearchResults, read_search
from gtn_tf.nas.score_tables import to_csv
from gtn_tf.runtime.files import (
    read_json,
    write_atomically,
    write_json,
)
from gtn_tf.runtime.row_log import read_rows, validation_curve
from gtn_tf.types import InputError, one_line
from tools.record_figures import SEARCH, draw
from tools.record_pages import PAGES, with_results
from tools.record_tables import RETRAIN

_ROOT = Path(__file__).parents[1]
_KEPT = _ROOT / "docs" / "results"
_MOST_BYTES = 5_000_000
#: Results whose curriculum README and docs show.
_PICTURES = ("mnist_cpu",)
_SIGNIFICANT = 5  # digits of what is kept


def keep(workdir: Path, folder: Path) -> None:
    """Copies what later work needs of a workdir to a folder.

    Raises:
      InputError: the workdir has no evaluation, experiment, training or
        search that has finished.
    """
    experiments = sorted(workdir.glob("experiments/*/result.json"))
    trained = sorted(workdir.glob("retrain/*/result.json"))
    evaluation = workdir / "evaluation.json"
    found = read_search(workdir)
    if not (evaluation.exists() or experiments or trained or found):
        raise InputError(
            f"workdir {str(workdir)!r} has no evaluation.json, no result.json "
            "in experiments/* or retrain/*, and no search/ranking.json; "
            "expected one of them; run --mode=evaluate, retrain or search first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    if (workdir / "config.json").exists():
        config = read_json(workdir / "config.json")
        write_json(folder / "config.json", without_paths(config))
    if evaluation.exists():
        write_json(
            folder / "evaluation.json", _kept(read_json(evaluation), workdir)
        )
        _keep_training(workdir, folder)
    for path in experiments:
        name = path.parent.name
        result = _kept(read_json(path), workdir)
        write_json(folder / f"{name}.json", result)
        scores = path.parent / "scores.csv"
        if scores.exists():
            shutil.copyfile(scores, folder / f"{name}_scores.csv")
    for path in trained:
        kept = folder / f"{RETRAIN}{path.parent.name}.json"
        write_json(kept, _kept(read_json(path), workdir))
    if found is not None:
        _keep_search(workdir / "search", folder, found)
    _keep_curriculum(workdir / "export" / "curriculum.npz", folder)
    real = workdir / "export" / FILE_NAME
    if real.exists():
        shutil.copyfile(real, folder / FILE_NAME)


def without_paths(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a config without the paths of one machine."""
    found = copy.deepcopy(config)
    found.get("dataset", {})["data_dir"] = None
    search = found.get("search", {})
    search.update(gtn=None, distillation=None)
    if search.get("table"):
        search["table"] = Path(search["table"]).name
    # Each training to the end names its own.
    found.get("retrain", {}).update(genotype=None)
    return found


def _keep_training(workdir: Path, folder: Path) -> None:
    rows = read_rows(workdir / "metrics.jsonl")
    training = {
        "meta_steps": rows[-1]["step"],
        "seconds": rows[-1]["seconds"],
        "validation_accuracy": validation_curve(rows),
    }
    write_json(folder / "training.json", _kept(training, workdir))


def _keep_search(search: Path, folder: Path, found: SearchResults) -> None:
    ranking = found.ranking
    if "config" in ranking:
        ranking = {**ranking, "config": without_paths(ranking["config"])}
    write_json(folder / f"{SEARCH}.json", _kept(ranking, search.parent))
    picture = search / "selected.png"
    if picture.exists():
        shutil.copyfile(picture, folder / f"{SEARCH}_selected.png")
    if found.scores is not None:
        truth = found.scores[ranking["truth"]["evaluator"]]
        names = ranking["evaluators"]
        table = to_csv(
            found.genotypes,
            sorted(k for k, score in truth.items() if score is not None),
            *(truth, {name: found.scores[name] for name in names}),
        )
        write_atomically(folder / f"{SEARCH}_scores.csv", table)


def _keep_curriculum(path: Path, folder: Path) -> None:
    if not path.exists():
        return
    with np.load(path) as arrays:
        halves = {name: arrays[name].astype(np.float16) for name in arrays}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **halves)
    if buffer.tell() <= _MOST_BYTES:
        write_atomically(folder / "curriculum.npz", buffer.getvalue())


def _kept(value: object, workdir: Path) -> object:
    """Returns nested values, floats of a few digits, no path of a machine."""
    if isinstance(value, float):
        return float(f"{value:.{_SIGNIFICANT}g}")
    if isinstance(value, str):
        return value.replace(str(workdir), "WORKDIR")
    if isinstance(value, dict):
        return {key: _kept(v, workdir) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(v, workdir) for v in value]
    return value


def _keep(workdir: str, name: str) -> None:
    keep(Path(workdir), _KEPT / name)


def _rewrite() -> None:
    for folder in sorted(path for path in _KEPT.iterdir() if path.is_dir()):
        draw(folder)
    pictures = _ROOT / "docs" / "images"
    for name in _PICTURES:
        for path in _KEPT.glob(f"{name}/curriculum*.png"):
            shutil.copyfile(path, pictures / f"{name}_{path.name}")
    for name, results in PAGES.items():
        page = _ROOT / name
        text = with_results(page.read_text(), results(_KEPT))
        write_atomically(page, text.encode())


#: Command -> what does it, and of how many arguments.
_COMMANDS: dict[str, tuple[Callable[..., None], int]] = {
    "keep": (_keep, 2),
    "table": (_rewrite, 0),
}


def main(arguments: list[str]) -> int:
    """Runs one of the commands above; returns the exit code."""
    command, *rest = arguments or [""]
    run, num_arguments = _COMMANDS.get(command, (None, None))
    try:
        if num_arguments != len(rest):
            raise InputError(
                f"arguments {arguments}; expected 'keep WORKDIR NAME' or "
                "'table'; give one of them"
            )
        run(*rest)
    except InputError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
