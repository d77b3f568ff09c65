"""How a config names an evaluator.

`name`, `name:option=value,...`, `table`, `table:PATH.csv`,
`table:PATH.csv:COLUMN`, `package.module:Evaluator`, or `rank_mean:NAME+NAME...`
of such names.
`real` and `real_subset` without a budget train for as many steps as the GTN.
Imports no TensorFlow.
"""

import re
from typing import NamedTuple

from gtn_tf.import_paths import is_import_path
from gtn_tf.types import InputError

#: Name -> what its score is.
EVALUATORS = {
    "gtn": "see `search.readout`, after training on the GTN's data",
    "distillation": "the same after training on distilled images",
    "real": "the same after training on real batches",
    "real_subset": "the same after training on a fixed real subset",
    "supernet": "the same by weights that all architectures share",
    "ghn": "the same by weights that a hypernetwork writes",
    "params": "number of trained parameters",
    "flops": "multiply-adds per image",
    "naswot": "see nas.evaluators.zero_cost",
    "synflow": "see nas.evaluators.zero_cost",
    "grad_norm": "see nas.evaluators.zero_cost",
    "jacob_cov": "see nas.evaluators.zero_cost",
    "table": "a column of a CSV file; see nas.evaluators.table",
}
#: The readout that needs looks on the way.
ALONG = "log_likelihood_along"
#: What can be read of those that train -> what it is.
READOUTS = {
    "accuracy": "share of the validation images that are right",
    "log_likelihood": "mean log-probability of their labels",
    "training_loss_sum": "sum of the training losses, one a step, negated",
    ALONG: "mean log-probability of the labels of at most 1000 validation "
    "images after each fifth step and the last",
}
#: What validation images are normalised by -> what it is.
STATISTICS = {
    "last_batch": "by those that training left, of its last batch (of the "
    "truth: running means), as in the paper",
    "validation": "by the moments of the validation images themselves, 500 at "
    "a time, which needs no labels",
}
TRAINED = ("gtn", "distillation", "real", "real_subset")
#: Those whose weights are trained once, for all; they have no other readouts.
SHARED = ("supernet", "ghn")
SHARED_READOUTS = ("accuracy", "log_likelihood")
#: Those that train at an export's rates.
TAUGHT = ("gtn", "distillation")
RANK_MEAN = "rank_mean"
#: Those that take a budget.
BUDGETED = ("real", "real_subset")
UNITS = ("steps", "epochs", "seconds")
#: All choices, in words.
CHOICES = (
    f"{', '.join(EVALUATORS)}, "
    f"{' or '.join(BUDGETED)} with a budget such as real:steps=128 (units "
    f"{', '.join(UNITS)}), {', '.join(TRAINED)} with readout=NAME, "
    f"statistics=NAME or initializations=k, {' or '.join(SHARED)} with "
    f"readout={' or '.join(SHARED_READOUTS)}, {' or '.join(TAUGHT)} with "
    "rate_factor=x or epochs=n (its steps n times over), "
    "table:PATH.csv[:COLUMN], package.module:Evaluator, or "
    f"{RANK_MEAN}:NAME+NAME of these"
)
_TABLE = re.compile(r"(.+\.csv)(?::(\w+))?")
_REMEDY = "correct search.evaluators or search.truth"


class EvaluatorName(NamedTuple):
    """One evaluator with its budget.

    Attributes:
      text: as the config has it.
      kind: a key of `EVALUATORS`, the import path, or `RANK_MEAN`.
      unit: one of `UNITS`, or None.
      number: of units; whole for steps, and for an export's epochs.
      path: of a table; None: that of `search.table`.
      column: of a table; None: its own, see `nas.evaluators.table`.
      readout: a key of `READOUTS`; None: that of the search.
      statistics: a key of `STATISTICS`; None: that of the search.
      num_initializations: networks that are trained; None: those of the
        search.
      rate_factor: of the learning rates of an export; None: 1.
      parts: of the mean of ranks.
    """

    text: str
    kind: str
    unit: str | None = None
    number: float | None = None
    path: str | None = None
    column: str | None = None
    readout: str | None = None
    statistics: str | None = None
    num_initializations: int | None = None
    rate_factor: float | None = None
    parts: tuple["EvaluatorName", ...] = ()


def parse_evaluator(text: str) -> EvaluatorName:
    """Reads an evaluator's name.

    Raises:
      InputError: it is none; lists the choices.
    """
    kind, colon, rest = text.partition(":")
    table = _TABLE.fullmatch(rest) if kind == "table" else None
    if table:
        path, column = table.groups()
        return EvaluatorName(text, kind, path=path, column=column)
    if kind == RANK_MEAN:
        return EvaluatorName(text, kind, parts=_parts(text))
    if kind not in EVALUATORS and is_import_path(text):
        return EvaluatorName(text, kind=text)
    if kind not in EVALUATORS or (kind == "table" and colon):
        raise InputError(
            f"evaluator '{text}'; expected one of {CHOICES}; {_REMEDY}"
        )
    name = EvaluatorName(text, kind)
    for option in rest.split(",") if colon else ():
        name = _with_option(name, option)
    return name


def parts_of(text: str) -> tuple[str, ...]:
    """Returns the evaluators whose ranks a name is the mean of, if it is."""
    kind, _, rest = text.partition(":")
    return tuple(rest.split("+")) if kind == RANK_MEAN else ()


def _parts(text: str) -> tuple[EvaluatorName, ...]:
    parts = parts_of(text)
    is_nested = any(part.startswith(RANK_MEAN) for part in parts)
    if len(set(parts)) < max(2, len(parts)) or is_nested:
        raise InputError(
            f"evaluator '{text}'; expected {RANK_MEAN}: and two or more "
            f"different evaluators, with a + between them; {_REMEDY}"
        )
    return tuple(map(parse_evaluator, parts))


def _with_option(name: EvaluatorName, option: str) -> EvaluatorName:
    """Reads one `key=value`; the budget is one of them."""
    key, _, value = option.partition("=")
    found: dict[str, object] = {}
    is_shared = name.kind in SHARED and key == "readout"
    if is_shared and value in SHARED_READOUTS:
        found["readout"] = value
    if name.kind in TRAINED:
        if key == "readout" and value in READOUTS:
            found["readout"] = value
        elif key == "statistics" and value in STATISTICS:
            found["statistics"] = value
        elif key == "initializations" and _is_count(value):
            found["num_initializations"] = int(value)
    if name.kind in TAUGHT and key == "rate_factor" and _is_positive(value):
        found["rate_factor"] = float(value)
    if name.kind in TAUGHT and key == "epochs" and _is_count(value):
        found |= {"unit": key, "number": int(value)}
    if name.kind in BUDGETED and key in UNITS:
        if key == "steps" and _is_count(value):
            found |= {"unit": key, "number": int(value)}
        elif key != "steps" and _is_positive(value):
            found |= {"unit": key, "number": float(value)}
    is_twice = any(getattr(name, field) is not None for field in found)
    if not found or is_twice:
        raise InputError(
            f"evaluator '{name.text}' has the option '{option}'"
            f"{' twice' if is_twice else ''}; expected {_options_of(name.kind)}"
            f"; {_REMEDY}"
        )
    return name._replace(**found)


def _is_count(value: str) -> bool:
    return bool(re.fullmatch(r"[1-9]\d*", value))


def _is_positive(value: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", value)) and float(value) > 0


def _options_of(kind: str) -> str:
    """Returns the options of a kind of evaluator, in words."""
    if kind in SHARED:
        return f"readout={' or '.join(SHARED_READOUTS)}"
    if kind not in TRAINED:
        return f"'{kind}' alone"
    own = (
        "steps=n (whole), epochs=x or seconds=x, above 0, "
        if kind in BUDGETED
        else "epochs=n (whole), rate_factor=x, above 0, "
    )
    return (
        f"{own}readout={' or '.join(READOUTS)}, "
        f"statistics={' or '.join(STATISTICS)}, or initializations=k (whole, "
        "at least 1), with commas between"
    )
