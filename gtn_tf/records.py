"""Results that are kept in the repository, and the pages made of them.

    python -m gtn_tf.records keep WORKDIR NAME    # -> docs/results/NAME/
    python -m gtn_tf.records table    # -> README.md and docs/results/README.md

Kept are evaluation.json, config.json and result.json of each experiment, with
their figures, and of each training to the end; and the exported curriculum in
half precision if that is under 5 MB. Nothing in a table is typed by hand. No
TensorFlow here.
"""

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gtn_tf.experiment_tables import TABLES
from gtn_tf.figures import SOURCES
from gtn_tf.intervals import shown
from gtn_tf.json_files import read_json, write_atomically, write_json
from gtn_tf.row_log import read_rows, validation_curve
from gtn_tf.types import InputError, one_line

_MOST_BYTES = 5_000_000
_BEGIN = "<!-- results: written by `make results` -->"
_END = "<!-- end of results -->"
_RETRAIN = "retrain_"  # before the name of a training to the end
_SIGNIFICANT = 5  # digits of what is kept
_EXPERIMENTS_HEAD = """\
# Experiments

The supervised experiments of the paper, as
`--mode=evaluate --config.evaluation.experiment=NAME` printed them; intervals
are over GTN seeds, or over fresh learners of one GTN where a table names none.
Written by `make results` from the JSON files beside it. What was tried to make
meta-training better: [meta_training.md](meta_training.md)."""


def keep(workdir: Path, folder: Path) -> None:
    """Copies what later work needs of a workdir to a folder.

    Raises:
      InputError: the workdir has no evaluation, experiment or training.
    """
    experiments = sorted(workdir.glob("experiments/*/result.json"))
    trained = sorted(workdir.glob("retrain/*/result.json"))
    evaluation = workdir / "evaluation.json"
    if not (evaluation.exists() or experiments or trained):
        raise InputError(
            f"workdir {str(workdir)!r} has no evaluation.json and no "
            "result.json in experiments/* or retrain/*; expected one of them; "
            "run --mode=evaluate or --mode=retrain first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    if (workdir / "config.json").exists():
        config = read_json(workdir / "config.json")
        config.get("dataset", {})["data_dir"] = None  # of one machine
        write_json(folder / "config.json", config)
    if evaluation.exists():
        write_json(folder / "evaluation.json", _rounded(read_json(evaluation)))
        shutil.copyfile(workdir / "evaluation.png", folder / "evaluation.png")
        _keep_training(workdir, folder)
    for path in experiments:
        name = path.parent.name
        write_json(folder / f"{name}.json", _rounded(read_json(path)))
        shutil.copyfile(path.parent / "figure.png", folder / f"{name}.png")
    for path in trained:
        kept = folder / f"{_RETRAIN}{path.parent.name}.json"
        write_json(kept, _rounded(read_json(path)))
    _keep_curriculum(workdir / "export" / "curriculum.npz", folder)


def _keep_training(workdir: Path, folder: Path) -> None:
    rows = read_rows(workdir / "metrics.jsonl")
    training = {
        "meta_steps": rows[-1]["step"],
        "seconds": rows[-1]["seconds"],
        "validation_accuracy": validation_curve(rows),
    }
    write_json(folder / "training.json", _rounded(training))


def _keep_curriculum(path: Path, folder: Path) -> None:
    if not path.exists():
        return
    with np.load(path) as arrays:
        halves = {name: arrays[name].astype(np.float16) for name in arrays}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **halves)
    if buffer.tell() <= _MOST_BYTES:
        write_atomically(folder / "curriculum.npz", buffer.getvalue())


def _rounded(value: object) -> object:
    """Returns nested values with floats of a few significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{_SIGNIFICANT}g}")
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value


def tables(folder: Path) -> str:
    """Returns Markdown: one table per evaluation that is kept."""
    paths = sorted(folder.glob("*/evaluation.json"))
    return "\n\n".join(_table(path.parent) for path in paths)


def _table(folder: Path) -> str:
    evaluation = json.loads((folder / "evaluation.json").read_text())
    training = json.loads((folder / "training.json").read_text())
    environment = evaluation["environment"]
    config = folder / "config.json"
    if config.exists():  # says what meta-trained
        environment |= read_json(config).get("environment", {})
    own, *others = evaluation["sources"]
    num_learners = evaluation["sources"][own]["num_learners"]
    lines = [
        f"`{folder.name}`: **test** accuracy of {num_learners} fresh learners "
        f"(`{evaluation['learner']}`) after {evaluation['num_inner_steps']} "
        f"steps of {evaluation['inner_batch_size']} images; "
        f"{training['meta_steps']} meta-steps in "
        f"{_duration(training['seconds'])}, one GTN seed; "
        f"{_hardware(environment)}",
        "",
        f"| source | accuracy, 95 % interval | {own} - source, paired | set-up "
        "| how |",
        "|---|---|---|---|---|",
        _row(evaluation, own, None),
        *(_row(evaluation, name, f"{own} - {name}") for name in others),
    ]
    return "\n".join(lines)


def _row(evaluation: dict, name: str, difference: str | None) -> str:
    source = evaluation["sources"][name]
    found = evaluation["differences"].get(difference)
    gap = f"{found['mean']:+.3f} {shown(found['ci95'], 3)}" if found else ""
    return (
        f"| {SOURCES[name].label} "
        f"| {source['accuracy']:.3f} {shown(source['ci95'], 3)} | {gap} "
        f"| {_duration(source['setup_seconds'])} | {source['how']} |"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def with_tables(text: str, folder: Path) -> str:
    """Returns a page with new tables between its two marks.

    Raises:
      InputError: the page has no marks.
    """
    head, begin, rest = text.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not (begin and end):
        raise InputError(
            f"the page has no lines {_BEGIN!r} and {_END!r}; expected both; "
            "put them where the tables are to be"
        )
    return f"{head}{_BEGIN}\n{tables(folder)}\n{_END}{tail}"


def experiments_page(folder: Path) -> str:
    """Returns docs/results/README.md: every kept experiment as printed."""
    parts = [_EXPERIMENTS_HEAD]
    for path in sorted(folder.glob("*/*.json")):
        result = read_json(path)
        if isinstance(result, dict) and "experiment" in result:
            parts.append(_experiment(path, result))
    for kept in sorted(folder.iterdir()):
        trainings = sorted(kept.glob(f"{_RETRAIN}*.json"))
        if trainings:
            parts.append(_trained(kept.name, list(map(read_json, trainings))))
    return "\n\n".join(parts) + "\n"


def _trained(name: str, results: list[dict]) -> str:
    first = results[0]
    lines = [
        f"## `retrain`, `{name}`",
        "",
        f"{first['dataset']}, {first['num_epochs']} epochs of "
        f"{first['num_training_images']} images; error on "
        f"{first['num_test_images']} test images, mean and standard deviation "
        f"over seeds; {_hardware(first['environment'])}",
        "",
        "| training | cell | N, F | parameters | Cutout | seeds | test error "
        "| time of each |",
        "|---|---|---|---|---|---|---|---|",
        *map(_trained_row, results),
    ]
    return "\n".join(lines)


def _trained_row(result: dict) -> str:
    std, seconds = result["test_error_std"], result["seconds"]
    spread = "" if std is None else f" +- {100 * std:.2f}"
    return (
        f"| `{result['name']}` | {result['genotype_name']} "
        f"| {result['num_cells']}, {result['channels']} "
        f"| {result['params'] / 1e3:.1f}k | {result['cutout'] or '-'} "
        f"| {len(result['seeds'])} "
        f"| {100 * result['test_error_mean']:.2f}{spread} % "
        f"| {_duration(sum(seconds) / len(seconds))} |"
    )


def _experiment(path: Path, result: dict) -> str:
    name, environment = result["experiment"], result["environment"]
    figure = f"{path.parent.name}/{name}.png"
    trials = result.get("results", [])
    seconds = sum(trial["seconds"] for trial in trials)
    of_trials = (
        f"{len(trials)} meta-trainings in {_duration(seconds)}; "
        if trials
        else ""
    )
    return (
        f"## `{name}`, config `{path.parent.name}`\n\n"
        f"{of_trials}{_hardware(environment)}\n\n"
        f"![{name}]({figure})\n\n```\n{TABLES[name](result)}\n```"
    )


def _hardware(environment: dict) -> str:
    return (
        f"{environment.get('num_cores', '-')} core(s), "
        f"{environment.get('cpu', '-')}, TF {environment['tensorflow']}, "
        f"commit {environment.get('commit') or '-'}."
    )


def _keep(workdir: str, name: str) -> None:
    keep(Path(workdir), Path("docs/results") / name)


def _rewrite() -> None:
    page, folder = Path("README.md"), Path("docs/results")
    text = with_tables(page.read_text(), folder)
    write_atomically(page, text.encode())
    write_atomically(folder / "README.md", experiments_page(folder).encode())


_COMMANDS: dict[str, Callable[..., None]] = {"keep": _keep, "table": _rewrite}


def main(arguments: list[str]) -> int:
    """Runs one of the commands above; returns the exit code."""
    command, *rest = arguments or [""]
    expected = {"keep": 2, "table": 0}
    try:
        if expected.get(command) != len(rest):
            raise InputError(
                f"arguments {arguments}; expected 'keep WORKDIR NAME' or "
                "'table'; give one of them"
            )
        _COMMANDS[command](*rest)
    except InputError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
