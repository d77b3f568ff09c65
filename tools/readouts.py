"""What the readouts of a search's evaluators are worth, against one another.

    python -m tools.readouts NAME WORKDIR [WORKDIR ..]  # -> docs/results/NAME/
    python -m tools.readouts NAME    # anew from what is there

Of searches that may still run: the architectures that all evaluators of all of
them have scored count. The first one has all evaluators; the others are of
other GTNs, and of these the evaluator `gtn` alone counts. Where there are
several GTNs, a coefficient is the mean over them. Intervals are over
architectures, of the same resamples for all: paired.

Writes scores.csv and config.json, and from the scores readouts.json, the tables
of README.md and readouts.png. No TensorFlow here.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gtn_tf.config.evaluator_names import (
    READOUTS,
    TRAINED,
    EvaluatorName,
    parse_evaluator,
    parts_of,
)
from gtn_tf.nas.results import read_results
from gtn_tf.nas.score_tables import from_csv, to_csv
from gtn_tf.nas.summary import Scores, scores_by_evaluator
from gtn_tf.runtime.files import read_json, write_atomically, write_json
from tools.readouts_analysis import Columns, Read, analyse
from tools.readouts_page import draw, tables
from tools.records import without_paths

_KEPT = Path(__file__).parents[1] / "docs" / "results"
_MARK = "<!-- results: written by `python -m tools.readouts` -->\n"
#: The name of a column: source, readout if any, number of the GTN.
_COLUMN = re.compile(rf"(.+?)(?: ((?:{'|'.join(READOUTS)}), .+))? GTN \d+")


def write(workdirs: Sequence[Path], folder: Path) -> None:
    """Compares the readouts of one or more searches, or of a kept table."""
    if workdirs:
        about, spent = _collect(workdirs, folder)
    else:
        about = read_json(folder / "readouts.json")
        spent = {
            (row["source"], row["readout"]): row["seconds"]
            for row in about["rows"]
            if "seconds" in row
        }
    columns, truth = _read_scores(folder / "scores.csv")
    kept = {**about, **analyse(columns, truth, spent)}
    write_json(folder / "readouts.json", kept)
    page = folder / "README.md"
    written = page.read_text() if page.exists() else "# Readouts\n\n" + _MARK
    head = written.split(_MARK)[0]
    text = head + _MARK + "\n" + tables(kept)
    write_atomically(page, text.encode())
    draw(folder / "readouts.png", kept)


def _collect(
    workdirs: Sequence[Path], folder: Path
) -> tuple[dict[str, Any], dict[tuple[str, str], float]]:
    """Writes scores.csv and config.json; returns of what, and the seconds."""
    given = [without_paths(read_json(w / "config.json")) for w in workdirs]
    configs = [config["search"] for config in given]
    truth = configs[0]["truth"]
    results = [read_results(workdir) for workdir in workdirs]
    first, *others = map(scores_by_evaluator, results)
    columns, keys = _columns(first, others, configs, truth)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", given[0])
    texts = {r["genotype_key"]: r["genotype"] for r in results[0]}
    _write_scores(folder / "scores.csv", columns, first[truth], keys, texts)
    about = {
        "num_architectures": len(keys),
        "truth": truth,
        "num_gtns": len(workdirs),
        "environment": given[0].get("environment"),
    }
    return about, _seconds(results[0], keys, configs[0])


def _columns(
    first: Scores,
    others: Iterable[Scores],
    configs: Sequence[Mapping[str, Any]],
    truth: str,
) -> tuple[Columns, list[str]]:
    """Returns scores, of each GTN, and the architectures that all have."""
    columns: Columns = {}
    for text in configs[0].get("evaluators", first):
        if text in first and text != truth and not parts_of(text):
            columns[_read(parse_evaluator(text), configs[0])] = [first[text]]
    for config, found in zip(configs[1:], others, strict=True):
        for text, scores in found.items():
            name = parse_evaluator(text)
            if name.kind == "gtn":
                columns[_read(name, config)].append(scores)
    keys = set(first[truth])
    for of_gtns in columns.values():
        for scores in of_gtns:
            keys &= set(scores)
    return columns, sorted(keys)


def _read_scores(path: Path) -> tuple[Columns, dict[str, float | None]]:
    """Returns what `_write_scores` has written, by genotype, and the truth."""
    given = from_csv(path)
    truth = given.pop("score")
    columns: Columns = {}
    for name, scores in given.items():
        if found := _COLUMN.fullmatch(name):
            read = Read(found[1], found[2] or "")
            columns.setdefault(read, []).append(scores)
    return columns, truth


def _read(name: EvaluatorName, search: Mapping[str, Any]) -> Read:
    """Returns what an evaluator's name says, in words."""
    budget = "" if name.unit is None else f", {name.number:g} {name.unit}"
    factor = "" if name.rate_factor is None else f" x {name.rate_factor:g}"
    source = f"{name.kind}{budget}{factor}"
    if name.kind not in TRAINED:
        return Read(name.text)
    readout = name.readout or search["readout"]
    number = name.num_initializations or search["num_initializations"]
    statistics = name.statistics or search.get("statistics", "last_batch")
    words = [f"{readout}, {number}"]
    if statistics == "last_batch" and readout != "training_loss_sum":
        words.append("last batch")
    return Read(source, ", ".join(words))


def _seconds(
    results: Iterable[Mapping[str, Any]],
    keys: Iterable[str],
    search: Mapping[str, Any],
) -> dict[tuple[str, str], float]:
    """Returns the median seconds of an architecture, by source and readout."""
    asked, spent = set(keys), {}
    for result in results:
        if result["genotype_key"] not in asked or parts_of(result["evaluator"]):
            continue
        read = _read(parse_evaluator(result["evaluator"]), search)
        seconds = {k: v for k, v in result["seconds"].items() if k != "setup"}
        spent.setdefault(read[:2], []).append(sum(seconds.values()))
    return {read: float(np.median(v)) for read, v in spent.items()}


def _write_scores(
    path: Path,
    columns: Columns,
    truth: Mapping[str, float | None],
    keys: Sequence[str],
    texts: Mapping[str, str],
) -> None:
    given = {
        " ".join(
            filter(None, (read.source, read.readout, f"GTN {number}"))
        ): scores
        for read, of_gtns in columns.items()
        for number, scores in enumerate(of_gtns)
    }
    write_atomically(path, to_csv(texts, keys, truth, given))


if __name__ == "__main__":
    write([*map(Path, sys.argv[2:])], _KEPT / sys.argv[1])
