"""The head of a report: what the workdir holds, and its main numbers."""

from __future__ import annotations

from typing import NamedTuple

from gtn_tf.nas.results import num_scored
from gtn_tf.report.evaluation import evaluation_tiles
from gtn_tf.report.numbers import count
from gtn_tf.report.page import Html, render
from gtn_tf.report.results import (
    Results,
    config_value,
    has_run,
)
from gtn_tf.report.search import how_drawn, search_tiles
from gtn_tf.report.training import training_tiles


class _Source(NamedTuple):
    """What is meta-trained.

    Attributes:
      title: of the report.
      what: in a sentence.
      improved: what the meta-gradient improves.
      images: that a learner trains on.
      flow: where the meta-gradient ends.
    """

    title: str
    what: str
    improved: str
    images: str
    flow: tuple[str, ...]


_SOURCES = {
    "gtn": _Source(
        "GTN",
        "A Generative Teaching Network (GTN) learns to make training data.",
        "the data",
        "synthetic images",
        ("curriculum", "generator"),
    ),
    "distillation": _Source(
        "Distilled images",
        "Here the images themselves are learned: distilled training data.",
        "the data",
        "synthetic images",
        ("learned images",),
    ),
    "real": _Source(
        "Learned rates",
        "Here a learning rate and a momentum of each step are learned, for "
        "training on real images.",
        "them",
        "real images",
        ("learned rates",),
    ),
}


def title(results: Results) -> str:
    """Returns what the workdir is about: its GTN, or else what it holds."""
    if has_run(results):
        about = _SOURCES[config_value(results, "source")].title
    else:
        names = [name for name, _, _ in _beside(results)]
        about = _capitalised(
            " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        )
    return f"{about} on {config_value(results, 'dataset.name')}"


def header(results: Results) -> Html:
    """Returns the title, what was done here, and the headline."""
    beside = _beside(results)
    facts = "; ".join(facts for _, facts, _ in beside)
    if has_run(results):
        told = {**_of_run(results), "also": facts}
    else:
        told = {
            "subtitle": _capitalised(facts),
            "paragraphs": [text for _, _, text in beside],
            "flow": [],
            "also": "",
        }
    tiles = [
        *evaluation_tiles(results),
        *training_tiles(results),
        *search_tiles(results),
    ]
    return render("header", title=title(results), tiles=tiles, **told)


def _of_run(results: Results) -> dict[str, object]:
    num_steps = config_value(results, "inner.num_steps")
    pool = config_value(results, "learner.pool")
    source = _SOURCES[config_value(results, "source")]
    subtitle = (
        f"{num_steps} inner steps of "
        f"{config_value(results, 'inner.batch_size')} {source.images}, "
        f"learner {pool or config_value(results, 'learner.name')}, "
        f"seed {config_value(results, 'seed')}"
    )
    return {
        "subtitle": subtitle,
        "paragraphs": [
            f"{source.what} A freshly initialised learner trains on "
            f"{source.images} for {num_steps} inner steps; its cross-entropy "
            "on a batch of real images is the meta-loss. The gradient of the "
            f"meta-loss through all inner steps improves {source.improved}, "
            "so what counts is how well such a learner then does on real "
            "images."
        ],
        "flow": [
            *source.flow,
            f"inner step \u00d7 {num_steps}",
            "meta-loss on real data",
            "meta-gradient",
            "one update",
        ],
    }


def _beside(results: Results) -> list[tuple[str, str, str]]:
    """Returns what there is beside a GTN: its name, facts, and what it is."""
    found = []
    if results.search is not None:
        ranking = results.search.ranking
        drawn = how_drawn(ranking.get("strategy", {}))
        found.append(
            (
                "architecture search",
                f"a search over {count(num_scored(ranking))} "
                f"architectures by {_some(ranking['evaluators'], 'evaluator')}",
                f"Architectures, {drawn}, were scored by evaluators. What "
                "counts is how well the scores rank architectures by what they "
                "reach in a long training, and how good the one is that they "
                "select.",
            )
        )
    if results.retrainings:
        found.append(
            (
                "trained architectures",
                "final trainings of "
                f"{_some(results.retrainings, 'architecture')}",
                "Each architecture was trained on real images from fresh "
                "initial weights, once per seed, by the long protocol; test "
                "images were read after the last epoch.",
            )
        )
    if results.experiments:
        found.append(
            (
                "experiments",
                f"{_some(results.experiments, 'experiment')} "
                f"({', '.join(results.experiments)})",
                "The experiments are about Generative Teaching Networks "
                "(GTNs), which learn to make training data: a freshly "
                "initialised learner trains on them for a few steps, and the "
                "gradient of its loss on real images, through all these "
                "steps, improves the data.",
            )
        )
    return found


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def _some(things: list | dict, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
