"""What the readouts of a search's evaluators are worth, against one another.

    python -m tools.readouts WORKDIR NAME [GTN]    # -> docs/results/NAME/

Of a search that may still run: the architectures that all evaluators have
scored count. Writes readouts.json, scores.csv and README.md; `GTN` is the
export whose seconds of meta-training are set-up. No TensorFlow here.
"""

import csv
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gtn_tf.config.evaluator_names import (
    RANK_MEAN,
    TRAINED,
    EvaluatorName,
    parse_evaluator,
    parts_of,
)
from gtn_tf.export.load import load
from gtn_tf.nas.results import read_results
from gtn_tf.nas.summary import Scores, scores_by_evaluator, summarize
from gtn_tf.runtime.files import read_json, write_atomically, write_json
from gtn_tf.statistics.intervals import shown
from gtn_tf.statistics.ranking import ranking

_KEPT = Path(__file__).parents[1] / "docs" / "results"
_BASE = ("accuracy", 1)


def write(workdir: Path, folder: Path, gtn: Path | None = None) -> None:
    """Compares the readouts of a workdir's search."""
    config = read_json(workdir / "config.json")
    truth = config["search"]["truth"]
    results = read_results(workdir)
    found = scores_by_evaluator(results)
    keys = set.intersection(*(set(scores) for scores in found.values()))
    results = [r for r in results if r["genotype_key"] in keys]
    single = sorted(name for name in found if name != truth)
    free = next(n for n in single if "nwot" in n or n == "naswot")
    trained = [n for n in single if parse_evaluator(n).kind in TRAINED]
    names = [*single, *(f"{RANK_MEAN}:{name}+{free}" for name in trained)]
    setup = _setup_seconds(trained, gtn)
    scores, ranked = summarize(results, names, truth, setup)
    kept = {
        "num_architectures": len(keys),
        "truth": truth,
        "evaluators": ranked["evaluators"],
        "differences": {
            f"{first} - {second}": _difference(scores, truth, first, second)
            for first, second in _pairs(trained, free)
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "readouts.json", kept)
    texts = {r["genotype_key"]: r["genotype"] for r in results}
    _write_scores(folder / "scores.csv", scores, truth, single, texts)
    page = folder / "README.md"
    written = page.read_text() if page.exists() else "# Readouts\n\n" + _MARK
    head = written.split(_MARK)[0]
    page.write_text(head + _MARK + "\n" + _tables(kept, trained, free))


_MARK = "<!-- results: written by `python -m tools.readouts` -->\n"


def _setup_seconds(names: Iterable[str], gtn: Path | None) -> dict[str, float]:
    if gtn is None:
        return {}
    seconds = load(gtn).metadata["meta_training_seconds"]
    taught = [n for n in names if parse_evaluator(n).kind == "gtn"]
    return dict.fromkeys(taught, seconds)


def _source(name: EvaluatorName) -> str:
    """Returns what a network was trained on and for how long."""
    budget = "" if name.unit is None else f":{name.unit}={name.number:g}"
    factor = "" if name.rate_factor is None else f" x {name.rate_factor:g}"
    return f"{name.kind}{budget}{factor}"


def _by_source(names: Iterable[str]) -> dict[str, dict[tuple, str]]:
    """Returns {source: {(readout, initialisations): evaluator}}."""
    found: dict[str, dict[tuple, str]] = {}
    for text in names:
        name = parse_evaluator(text)
        readout = name.readout or _BASE[0], name.num_initializations or _BASE[1]
        found.setdefault(_source(name), {})[readout] = text
    return found


def _pairs(trained: Sequence[str], free: str) -> Iterable[tuple[str, str]]:
    """Yields what is compared: readouts, sources, means with their parts."""
    by_source = _by_source(trained)
    for readouts in by_source.values():
        for readout, text in readouts.items():
            if readout != _BASE and _BASE in readouts:
                yield text, readouts[_BASE]
            yield f"{RANK_MEAN}:{text}+{free}", text
            yield f"{RANK_MEAN}:{text}+{free}", free
    for readout, text in by_source.get("gtn", {}).items():
        for source, readouts in by_source.items():
            if source != "gtn" and readout in readouts:
                yield text, readouts[readout]


def _difference(
    scores: Scores, truth: str, first: str, second: str
) -> dict[str, Any]:
    pair = {name: scores[name] for name in (first, second, truth)}
    found = ranking(pair, truth)["differences"][f"{first} - {second}"]
    return {name: found[name] for name in ("spearman", "ci95")}


def _write_scores(
    path: Path,
    scores: Scores,
    truth: str,
    names: Sequence[str],
    texts: Mapping[str, str],
) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["genotype", "score", *names])
    for key, value in sorted(scores[truth].items()):
        given = (value, *(scores[name][key] for name in names))
        shown_scores = ("" if v is None else f"{v:.6g}" for v in given)
        rows.writerow([texts[key], *shown_scores])
    write_atomically(path, text.getvalue().encode())


def _tables(kept: Mapping[str, Any], trained: Sequence[str], free: str) -> str:
    rows = kept["evaluators"]
    by_source = _by_source(trained)
    readouts = sorted({r for found in by_source.values() for r in found})
    heads = [f"{readout}, mean of {k}" for readout, k in readouts]
    lines = [
        f"Spearman with `{kept['truth']}` over {kept['num_architectures']} "
        "architectures, 95 % bootstrap intervals.",
        "",
        f"| trained on | {' | '.join(heads)} |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for source, found in by_source.items():
        cells = [_cell(rows, found.get(readout)) for readout in readouts]
        lines.append(f"| {source} | {' | '.join(cells)} |")
        cells = [
            _cell(rows, _mean(found.get(readout), free)) for readout in readouts
        ]
        lines.append(f"| {source}, ranks with {free} | {' | '.join(cells)} |")
    lines += ["", "| without training | Spearman |", "|---|---|"]
    for name in rows:
        if name not in trained and not parts_of(name):
            lines.append(f"| {name} | {_cell(rows, name)} |")
    lines += ["", "| evaluator | seconds each | set-up |", "|---|---|---|"]
    for name in trained:
        each, setup = (
            rows[name][part]
            for part in ("seconds_per_architecture", "setup_seconds")
        )
        lines.append(f"| {name} | {each:.1f} | {setup:.0f} |")
    decided, num_undecided = [], 0
    for name, found in kept["differences"].items():
        low, high = found["ci95"] or (None, None)
        if low is None or low <= 0 <= high:
            num_undecided += 1
            continue
        verdict = "ahead" if low > 0 else "behind"
        value = f"{found['spearman']:+.2f} {shown(found['ci95'], 2)}"
        decided.append(f"| {name} | {value} | {verdict} |")
    lines += [
        "",
        f"Of {len(kept['differences'])} paired differences (readouts, means of "
        f"ranks with their parts, the GTN with its rivals) {num_undecided} are "
        "undecided, in readouts.json. The others (by chance alone they would "
        "be one in twenty of all):",
        "",
        "| difference of Spearman | [95 %] | |",
        "|---|---|---|",
        *decided,
    ]
    return "\n".join(lines) + "\n"


def _mean(name: str | None, free: str) -> str | None:
    return None if name is None else f"{RANK_MEAN}:{name}+{free}"


def _cell(rows: Mapping[str, Any], name: str | None) -> str:
    if name not in rows or rows[name]["spearman"] is None:
        return "-"
    row = rows[name]
    return f"{row['spearman']:.2f} {shown(row['spearman_ci95'], 2)}"


if __name__ == "__main__":
    workdir_, name_, *gtn_ = sys.argv[1:]
    write(Path(workdir_), _KEPT / name_, Path(gtn_[0]) if gtn_ else None)
