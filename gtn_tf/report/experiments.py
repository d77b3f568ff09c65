"""What a report shows of the experiments: their figures and their tables."""

from __future__ import annotations

from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.figures.style import inline_svg
from gtn_tf.report.page import Html, element, join, section, wide
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
    return section(
        "experiments",
        "Experiments",
        *(_experiment(results, name) for name in results.experiments),
    )


def _experiment(results: Results, name: str) -> Html:
    experiment, result = find_experiment(name), results.experiments[name]
    try:
        drawn, text = experiment.figure(result), experiment.table(result)
    except _OF_DAMAGE as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        path = experiment_path(results.workdir, name)
        raise damaged(path, reason) from error
    svg = inline_svg(drawn, name, f"Figure of the experiment {name}")
    return join(
        [
            element("h3", name, id=f"experiments-{name}"),
            element("p", experiment.question),
            wide(svg, name),
            element("pre", text, tabindex="0"),
        ]
    )
