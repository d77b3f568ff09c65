"""Which genotype `retrain.genotype` means; imports no TensorFlow."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from gtn_tf.json_files import read_json
from gtn_tf.nas.genotypes import Genotype
from gtn_tf.nas.published_genotypes import published
from gtn_tf.types import InputError

_SEARCH = "search:"


class Origin(NamedTuple):
    """A genotype, and where it is from.

    Attributes:
      genotype: the cells.
      name: of the literature, of the file, or `search-` and the key.
      search: None, or facts of the search that selected it: `evaluator`,
        `num_architectures` and, where the search has them, `seconds` (setup
        and all evaluations by that evaluator).
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
            f"file or search:WORKDIR; {remedy}"
        )
    if value in published():
        return Origin(published()[value].genotype, value)
    if value.startswith(_SEARCH):
        return _selected(Path(value.removeprefix(_SEARCH)))
    path = Path(value)
    if not path.is_file():
        raise InputError(
            f"retrain.genotype is '{value}'; expected a published name, a "
            f"genotype file that exists or search:WORKDIR; {remedy}"
        )
    return Origin(_read(path), path.stem)


def _read(path: Path) -> Genotype:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"genotype file '{path}' cannot be read ({type(error).__name__}); "
            "expected JSON or text; give another --config.retrain.genotype"
        ) from error
    if not text.lstrip().startswith("{"):
        return Genotype.from_text(text)
    try:
        return Genotype.from_json(json.loads(text))
    except json.JSONDecodeError as error:
        raise InputError(
            f"genotype file '{path}' is no JSON ({error}); expected what "
            "Genotype.to_json returns; correct it"
        ) from error


def _selected(workdir: Path) -> Origin:
    path = workdir / "search" / "ranking.json"
    if not path.exists():
        raise InputError(
            f"workdir '{workdir}' has no search/ranking.json; expected one "
            "that --mode=search has finished; run that first or give another "
            "--config.retrain.genotype"
        )
    ranking = read_json(path)
    selected = ranking.get("selected") if isinstance(ranking, dict) else None
    found = selected.get("genotype") if isinstance(selected, dict) else None
    if isinstance(found, str):
        genotype = Genotype.from_text(found)
    elif isinstance(found, dict):
        genotype = Genotype.from_json(found)
    else:
        raise InputError(
            f"'{path}' has no selected.genotype; expected a search of which "
            "an evaluation succeeded; run --mode=search again or name a "
            "genotype"
        )
    name = f"search-{genotype.key()[:8]}"
    return Origin(genotype, name, _facts(ranking, selected))


def _facts(ranking: dict, selected: dict) -> dict[str, Any]:
    evaluator = selected.get("evaluator")
    evaluators = ranking.get("evaluators")
    cost = evaluators.get(evaluator, {}) if isinstance(evaluators, dict) else {}
    number = ranking.get("num_architectures")
    seconds = cost.get("total_seconds")
    each = cost.get("seconds_per_architecture")
    if seconds is None and None not in (number, each):
        seconds = number * each + (cost.get("setup_seconds") or 0.0)
    return {
        "evaluator": evaluator,
        "num_architectures": number,
        "seconds": seconds,
    }
