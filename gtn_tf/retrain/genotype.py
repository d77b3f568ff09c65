"""Which genotype `retrain.genotype` means; imports no TensorFlow."""

from pathlib import Path
from typing import Any, NamedTuple

from gtn_tf.nas.results import SearchResults, pick_seconds, read_search
from gtn_tf.paths import path_to_read
from gtn_tf.runtime.files import open_to_read, parse_json
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.nao_encoding import from_nao
from gtn_tf.search_spaces.cells.published_genotypes import published
from gtn_tf.statistics.picks import best_keys
from gtn_tf.types import InputError

_SEARCH = "search:"
_FORM = "search:WORKDIR[:EVALUATOR]"


class Origin(NamedTuple):
    """A genotype, and where it is from.

    Attributes:
      genotype: the cells.
      name: of the literature, of the file, or `search-` and the key.
      search: None, or facts of the search whose pick it is: `strategy`,
        `evaluator`, `num_architectures` and, where the search has them,
        `seconds` (of all that led to the pick; see `pick_seconds`).
    """

    genotype: Genotype
    name: str
    search: dict[str, Any] | None = None


def find_genotype(value: str | None) -> Origin:
    """Resolves `retrain.genotype`.

    Raises:
      InputError: no such name, file or search, or what they hold is none.
    """
    names = ", ".join(published())
    remedy = f"set --config.retrain.genotype to one of {names}"
    if value is None:
        raise InputError(
            "retrain.genotype is None; expected a published name, a genotype "
            f"file or {_FORM}; {remedy}"
        )
    if value in published():
        return Origin(published()[value].genotype, value)
    if value.startswith(_SEARCH):
        return _pick(value.removeprefix(_SEARCH))
    path = path_to_read(value, "retrain.genotype")
    if not path.exists():
        raise InputError(
            f"retrain.genotype is '{value}'; expected a published name, a "
            f"genotype file that exists or {_FORM}; {remedy}"
        )
    found, name = _read(path), path.stem
    if name in published() and found != published()[name].genotype:
        name = f"file {path.name}"  # not the one that the report knows
    return Origin(found, name)


def _read(path: Path) -> Genotype:
    try:
        with open_to_read(path) as file:
            text = file.read().decode("utf-8-sig")  # a byte order mark or none
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"genotype file '{path}' cannot be read ({type(error).__name__}); "
            "expected JSON or text; give another --config.retrain.genotype"
        ) from error
    if not text.lstrip().startswith(("{", "[")):
        return Genotype.from_text(text)
    try:
        found = parse_json(text)
        is_nao = isinstance(found, list)
        return from_nao(found) if is_nao else Genotype.from_json(found)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"genotype file '{path}' is no JSON ({error}); expected what "
            "Genotype.to_json returns or NAO's integers; correct it"
        ) from error


def _pick(value: str) -> Origin:
    """Returns the best by an evaluator of a search, or what it selected."""
    workdir, evaluator = _split(value)
    found = read_search(workdir)
    if found is None:
        raise InputError(
            f"workdir '{workdir}' has no search/ranking.json; expected one "
            "that --mode=search has finished; run that first or give another "
            "--config.retrain.genotype"
        )
    if found.space != "cells":
        raise InputError(
            f"the search in '{workdir}' is of search.space {found.space!r}; "
            "expected one of the space 'cells', whose networks --mode=retrain "
            "trains; give another --config.retrain.genotype"
        )
    is_guided = "guide" in found.ranking.get("strategy", {})
    by_truth = is_guided and not evaluator
    if not evaluator and found.ranking["selected"]:
        evaluator = found.ranking["selected"].get("evaluator") or ""
        genotype = found.selected
    elif evaluator:
        genotype = _best(found, evaluator, workdir)
    else:
        raise InputError(
            f"the search in '{workdir}' selected nothing; expected one of "
            "which an evaluation succeeded; run --mode=search again or name a "
            "genotype"
        )
    name = f"search-{genotype.key()[:8]}"
    cost = found.ranking["evaluators"].get(evaluator, {})
    facts = {
        "strategy": found.ranking.get("strategy", {}).get("name", "random"),
        "evaluator": evaluator or None,
        "num_architectures": cost.get("num_scored"),
        "seconds": pick_seconds(found.ranking, evaluator, by_truth),
    }
    return Origin(genotype, name, facts)


def _split(value: str) -> tuple[Path, str]:
    """Parts a workdir, whose name may hold colons, from an evaluator's."""
    places = [(value, "")]
    places += [
        (value[:i], value[i + 1 :])
        for i, letter in enumerate(value)
        if letter == ":"
    ][::-1]
    found = [
        (path_to_read(place, "retrain.genotype"), evaluator)
        for place, evaluator in places
    ]
    for workdir, evaluator in found:
        if (workdir / "search").is_dir():
            return workdir, evaluator
    return found[-1]


def _best(found: SearchResults, evaluator: str, workdir: Path) -> Genotype:
    names = list(found.ranking["evaluators"])
    if evaluator not in names:
        raise InputError(
            f"the search in '{workdir}' has no evaluator '{evaluator}'; "
            f"expected one of {', '.join(names)}; correct "
            "--config.retrain.genotype"
        )
    scores = (found.scores or {}).get(evaluator, {})
    if all(score is None for score in scores.values()):
        raise InputError(
            f"the search in '{workdir}' has no scores of '{evaluator}' in "
            "search/results/; expected those that its ranking is of; run "
            "--mode=search again"
        )
    return Genotype.from_text(found.genotypes[best_keys(scores, 1)[0]])
