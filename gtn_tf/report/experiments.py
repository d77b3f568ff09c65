"""What a report shows of the experiments: their figures and their tables."""

from __future__ import annotations

from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.report.page import Html, render, svg
from gtn_tf.report.results import Results, experiment_path
from gtn_tf.runtime.result_files import damaged
from gtn_tf.types import one_line

#: What is raised where a value is absent or of another type: figure and table
#: use all of them, so a description of the file would only repeat theirs.
_OF_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def experiments_section(results: Results) -> Html | None:
    """Each experiment: what it asks, its figure, its table.

    Raises:
      InputError: a result.json is damaged.
    """
    if not results.experiments:
        return None
    return render(
        "experiments",
        experiments=[_experiment(results, n) for n in results.experiments],
    )


def _experiment(results: Results, name: str) -> dict[str, str]:
    experiment, result = find_experiment(name), results.experiments[name]
    try:
        drawn, text = experiment.figure(result), experiment.table(result)
    except _OF_DAMAGE as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        path = experiment_path(results.workdir, name)
        raise damaged(path, reason) from error
    return {
        "name": name,
        "question": experiment.question,
        "svg": svg(drawn, name, f"Figure of the experiment {name}"),
        "table": text,
    }
