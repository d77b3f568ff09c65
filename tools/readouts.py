"""What the readouts of a search's evaluators are worth, against one another.

    python -m tools.readouts NAME WORKDIR [WORKDIR ..]  # -> docs/results/NAME/

Of searches that may still run: the architectures that all evaluators of all of
them have scored count. The first one has all evaluators; the others are of
other GTNs, and of these the evaluator `gtn` alone counts. Where there are
several GTNs, a coefficient is the mean over them. Intervals are over
architectures, of the same resamples for all: paired.

Writes readouts.json, config.json, scores.csv, the tables of README.md and
readouts.png. No TensorFlow here.
"""

import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gtn_tf.config.evaluator_names import (
    TRAINED,
    EvaluatorName,
    parse_evaluator,
    parts_of,
)
from gtn_tf.nas.results import read_results
from gtn_tf.nas.summary import Scores, scores_by_evaluator
from gtn_tf.runtime.files import read_json, write_atomically, write_json
from gtn_tf.statistics import correlation
from gtn_tf.statistics.rank_mean import rank_mean
from tools.readouts_page import draw, tables
from tools.records import without_paths

_KEPT = Path(__file__).parents[1] / "docs" / "results"
_MARK = "<!-- results: written by `python -m tools.readouts` -->\n"


class Read(NamedTuple):
    """What is read of what.

    Attributes:
      source: what networks were trained on, or what needs no training.
      readout: in words, '' without training.
      with_free: by the mean of its ranks with those of what is free.
    """

    source: str
    readout: str = ""
    with_free: bool = False


def write(workdirs: Sequence[Path], folder: Path) -> None:
    """Compares the readouts of one or more searches."""
    given = [without_paths(read_json(w / "config.json")) for w in workdirs]
    configs = [config["search"] for config in given]
    truth = configs[0]["truth"]
    results = [read_results(workdir) for workdir in workdirs]
    first, *others = map(scores_by_evaluator, results)
    columns, keys = _columns(first, others, configs, truth)
    true_scores = correlation.with_failures_last(first[truth][k] for k in keys)
    found = {
        read: correlation.mean_spearman(
            [_array(s, keys) for s in of_gtns], true_scores
        )
        for read, of_gtns in columns.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    spent = _seconds(results[0], keys, configs[0])
    kept = {
        "num_architectures": len(keys),
        "truth": truth,
        "num_gtns": len(workdirs),
        "environment": given[0].get("environment"),
        "rows": [
            {**read._asdict(), **_row(*both), **spent.get(read[:2], {})}
            for read, both in found.items()
        ],
        "differences": [
            {
                "of": first_read._asdict(),
                "and": second_read._asdict(),
                **_difference(found[first_read], found[second_read]),
            }
            for first_read, second_read in _pairs(found)
        ],
    }
    write_json(folder / "config.json", given[0])
    write_json(folder / "readouts.json", kept)
    texts = {r["genotype_key"]: r["genotype"] for r in results[0]}
    _write_scores(folder / "scores.csv", columns, first[truth], keys, texts)
    page = folder / "README.md"
    written = page.read_text() if page.exists() else "# Readouts\n\n" + _MARK
    head = written.split(_MARK)[0]
    page.write_text(head + _MARK + "\n" + tables(kept))
    draw(folder / "readouts.png", kept)


def _columns(
    first: Scores,
    others: Iterable[Scores],
    configs: Sequence[Mapping[str, Any]],
    truth: str,
) -> tuple[dict[Read, list[Mapping[str, float | None]]], list[str]]:
    """Returns scores, of each GTN, and the architectures that all have."""
    columns: dict[Read, list] = {}
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
    free = next(r for r in columns if "nwot" in r.source or r[0] == "naswot")
    means = {
        read._replace(with_free=True): [
            rank_mean([_only(scores, keys), _only(columns[free][0], keys)])
            for scores in of_gtns
        ]
        for read, of_gtns in columns.items()
        if read.readout or read.source == "params"
    }
    return columns | means, sorted(keys)


def _only(
    scores: Mapping[str, float | None], keys: Iterable[str]
) -> dict[str, float | None]:
    return {key: scores[key] for key in keys}


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


def _is_gtns(read: Read) -> bool:
    """Whether it is of a GTN, of whatever epochs or rates."""
    return re.match(r"gtn\b", read.source) is not None


def _array(
    scores: Mapping[str, float | None], keys: Iterable[str]
) -> np.ndarray:
    return correlation.with_failures_last(scores[key] for key in keys)


def _row(points: Sequence[float], drawn: np.ndarray) -> dict[str, Any]:
    return {
        "spearman": float(np.mean(points)),
        "ci95": correlation.interval95(drawn),
        "of_each_gtn": list(points),
    }


def _pairs(found: Iterable[Read]) -> Iterable[tuple[Read, Read]]:
    """Yields what is compared: the GTN with its rivals, means with parts."""
    reads = list(found)
    for read in reads:
        for other in reads:
            is_rival = _is_gtns(read) and not _is_gtns(other)
            if is_rival and other == read._replace(source=other.source):
                yield read, other  # read alike
            elif is_rival and not other.readout:
                if other.with_free == read.with_free or not other.with_free:
                    yield read, other  # with what is free
            elif other == read._replace(with_free=False) and read.with_free:
                yield read, other  # with its own part
            elif _is_gain(read, other):
                yield read, other


def _is_gain(read: Read, other: Read) -> bool:
    """Whether one source is read twice: by likelihood or by more networks."""
    if read.with_free or other.with_free or read.source != other.source:
        return False
    if not (read.readout and other.readout):
        return False
    (what, number), (other_what, other_number) = (
        r.readout.split(", ", 1) for r in (read, other)
    )
    if number == other_number:
        return (what, other_what) == ("log_likelihood", "accuracy")
    return what == other_what and other_number == "1" and "batch" not in number


def _difference(
    first: tuple[list[float], np.ndarray],
    second: tuple[list[float], np.ndarray],
) -> dict[str, Any]:
    """Returns the paired difference of two means over GTNs."""
    apart = np.subtract(first[0], second[0])
    return {
        "spearman": float(np.mean(apart)),
        "ci95": correlation.interval95(first[1] - second[1]),
        "of_each_gtn": apart.tolist(),
    }


def _seconds(
    results: Iterable[Mapping[str, Any]],
    keys: Iterable[str],
    search: Mapping[str, Any],
) -> dict[tuple[str, str], dict[str, float]]:
    """Returns the median seconds of an architecture, by source and readout."""
    asked, spent = set(keys), {}
    for result in results:
        if result["genotype_key"] not in asked or parts_of(result["evaluator"]):
            continue
        read = _read(parse_evaluator(result["evaluator"]), search)
        seconds = {k: v for k, v in result["seconds"].items() if k != "setup"}
        spent.setdefault(read[:2], []).append(sum(seconds.values()))
    return {read: {"seconds": float(np.median(v))} for read, v in spent.items()}


def _write_scores(
    path: Path,
    columns: Mapping[Read, Sequence[Mapping[str, float | None]]],
    truth: Mapping[str, float | None],
    keys: Sequence[str],
    texts: Mapping[str, str],
) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    given = {
        " ".join(
            filter(None, (read.source, read.readout, f"GTN {number}"))
        ): scores
        for read, of_gtns in columns.items()
        if not read.with_free
        for number, scores in enumerate(of_gtns)
    }
    rows.writerow(["genotype", "score", *given])
    for key in keys:
        values = (truth[key], *(scores[key] for scores in given.values()))
        shown = ("" if v is None else f"{v:.6g}" for v in values)
        rows.writerow([texts[key], *shown])
    write_atomically(path, text.getvalue().encode())


if __name__ == "__main__":
    write([*map(Path, sys.argv[2:])], _KEPT / sys.argv[1])
