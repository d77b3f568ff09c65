"""Kept results as Markdown: evaluations, experiments, searches, trainings.

No TensorFlow here.
"""

from pathlib import Path

from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.figures.style import SOURCES
from gtn_tf.nas.summary import evaluator_table
from gtn_tf.runtime.files import read_json
from gtn_tf.runtime.progress import duration
from gtn_tf.statistics.intervals import shown
from tools import commands
from tools.record_figures import SEARCH, picture

RETRAIN = "retrain_"  # before the name of a training to the end


def tables(folder: Path) -> str:
    """Returns Markdown: one table per evaluation that is kept."""
    paths = sorted(folder.glob("*/evaluation.json"))
    return "\n\n".join(_table(path.parent) for path in paths)


def _table(folder: Path) -> str:
    evaluation = read_json(folder / "evaluation.json")
    training = read_json(folder / "training.json")
    environment = dict(evaluation["environment"])
    config = folder / "config.json"
    if config.exists():  # says what meta-trained
        environment |= read_json(config).get("environment", {})
    where = hardware(environment)
    compared = evaluation["environment"].get("commit")
    if compared != environment.get("commit"):
        where += f", compared by {compared}"
    own, *others = evaluation["sources"]
    num_learners = evaluation["sources"][own]["num_learners"]
    lines = [
        f"## `{folder.name}`",
        "",
        f"**Test** accuracy of {num_learners} fresh learners "
        f"(`{evaluation['learner']}`) after {evaluation['num_inner_steps']} "
        f"steps of {evaluation['inner_batch_size']} images; "
        f"{training['meta_steps']} meta-steps in "
        f"{duration(training['seconds'])}, one GTN seed; "
        f"{where}.",
        "",
        commands.of_evaluation(folder, evaluation),
        "",
        picture(f"{folder.name}/evaluation.png", "accuracy per step"),
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
        f"| {duration(source['setup_seconds'])} | {source['how']} |"
    )


def experiments(folder: Path, name: str) -> str:
    """Returns Markdown: one experiment wherever it is kept, as printed."""
    found = []
    for path in sorted(folder.glob("*/*.json")):
        result = read_json(path)
        if isinstance(result, dict) and result.get("experiment") == name:
            found.append(_experiment(path, result))
    return "\n\n".join(found)


def trainings(folder: Path) -> str:
    """Returns Markdown: a table of trainings to the end per folder."""
    found = []
    for kept in sorted(folder.iterdir()):
        paths = sorted(kept.glob(f"{RETRAIN}*.json"))
        if paths:
            found.append(_trained(kept, list(map(read_json, paths))))
    return "\n\n".join(found)


def searches(folder: Path) -> str:
    """Returns Markdown: how well scores rank, per search."""
    paths = sorted(folder.glob(f"*/{SEARCH}.json"))
    return "\n\n".join(_searched(path.parent) for path in paths)


def _trained(kept: Path, results: list[dict]) -> str:
    first = results[0]
    lines = [
        f"## `{kept.name}`",
        "",
        f"{first['dataset']}, {first['num_epochs']} epochs of "
        f"{first['num_training_images']} images; error on "
        f"{first['num_test_images']} test images, mean and standard deviation "
        f"over seeds; {hardware(first['environment'])}.",
        "",
        commands.of_trainings(kept),
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
        f"| {duration(sum(seconds) / len(seconds))} |"
    )


def _searched(kept: Path) -> str:
    ranking = read_json(kept / f"{SEARCH}.json")
    at = f"{kept.name}/{SEARCH}"
    facts = [_all_scores(kept, SEARCH), hardware(ranking["environment"])]
    return (
        f"## `{kept.name}`\n\n"
        f"{'. '.join(filter(None, facts))}.\n\n"
        f"{commands.of_search(kept, ranking)}\n\n"
        f"{picture(f'{at}_cost.png', 'cost')}\n\n"
        f"{picture(f'{at}_scatter.png', 'scores')}\n\n"
        f"```\n{evaluator_table(ranking)}\n```"
    )


def _all_scores(folder: Path, of: str) -> str:
    path = folder / f"{of}_scores.csv"
    at = f"{folder.name}/{path.name}"
    return f"All scores: [{at}]({at})" if path.exists() else ""


def _experiment(path: Path, result: dict) -> str:
    name = result["experiment"]
    experiment = find_experiment(name)
    trials = result.get("results", [])
    where = dict.fromkeys(map(hardware, measured(result)))
    seconds = sum(trial["seconds"] for trial in trials)
    facts = [
        _setting(path.parent, trials),
        f"{len(trials)} meta-trainings in {duration(seconds)}" * bool(trials),
        _all_scores(path.parent, path.stem),
        "; ".join(where),
    ]
    parts = [
        f"## `{path.parent.name}`",
        f"{'. '.join(filter(None, facts))}.",
        commands.of_experiment(path.parent, result),
        picture(f"{path.parent.name}/{path.stem}.png", name),
        f"```\n{experiment.table(result)}\n```",
    ]
    return "\n\n".join(filter(None, parts))


def _setting(folder: Path, trials: list) -> str:
    """Says what all arms have, unless one says otherwise."""
    path = folder / "config.json"
    if not path.exists():
        return ""
    if not trials:
        return f"[Config]({folder.name}/{path.name})"
    config = read_json(path)
    inner, meta = config["inner"], config["meta"]
    return (
        f"T = {inner['num_steps']}, B = {inner['batch_size']}, "
        f"{meta['num_steps']} meta-steps, meta.noise_rate_ratio "
        f"{meta.get('noise_rate_ratio', 1.0):g} unless an arm says otherwise "
        f"([config]({folder.name}/{path.name}))"
    )


def measured(kept: dict) -> list[dict]:
    """Returns where, and by which code, the trials of a result were run.

    They may be older than the table that they are in. Without trials: where
    the result was made.
    """
    trials = kept.get("results", [])
    found = [trial["environment"] for trial in trials if "environment" in trial]
    return found or [kept["environment"]]


def hardware(environment: dict) -> str:
    """Says on what, and by which code, something was measured."""
    commit = environment.get("commit") or "-"
    return f"{machine(environment)}, commit {commit}"


def machine(environment: dict) -> str:
    """Says on what something was measured."""
    return (
        f"{environment.get('num_cores', '-')} core(s), "
        f"{environment.get('cpu', '-')}, TF {environment['tensorflow']}"
    )
