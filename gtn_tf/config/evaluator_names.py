"""How a config names an evaluator.

`name`, `name:unit=number`, `table`, `table:PATH.csv`, `table:PATH.csv:COLUMN`
or `package.module:Evaluator`.
`real` and `real_subset` without a budget train for as many steps as the GTN.
Imports no TensorFlow.
"""

import re
from typing import NamedTuple

from gtn_tf.import_paths import is_import_path
from gtn_tf.types import InputError

#: Name -> what its score is.
EVALUATORS = {
    "gtn": "validation accuracy after training on the GTN's data",
    "distillation": "the same after training on distilled images",
    "real": "the same after training on real batches",
    "real_subset": "the same after training on a fixed real subset",
    "params": "number of trained parameters",
    "flops": "multiply-adds per image",
    "naswot": "see nas.evaluators.zero_cost",
    "synflow": "see nas.evaluators.zero_cost",
    "grad_norm": "see nas.evaluators.zero_cost",
    "jacob_cov": "see nas.evaluators.zero_cost",
    "table": "a column of a CSV file; see nas.evaluators.table",
}
#: Those that take a budget.
BUDGETED = ("real", "real_subset")
UNITS = ("steps", "epochs", "seconds")
#: All choices, in words.
CHOICES = (
    f"{', '.join(EVALUATORS)}, "
    f"{' or '.join(BUDGETED)} with a budget such as real:steps=128 (units "
    f"{', '.join(UNITS)}), table:PATH.csv[:COLUMN], or package.module:Evaluator"
)
_TABLE = re.compile(r"(.+\.csv)(?::(\w+))?")
_REMEDY = "correct search.evaluators or search.truth"


class EvaluatorName(NamedTuple):
    """One evaluator with its budget.

    Attributes:
      text: as the config has it.
      kind: a key of `EVALUATORS`, or the import path.
      unit: one of `UNITS`, or None.
      number: of units; whole for steps.
      path: of a table; None: that of `search.table`.
      column: of a table; None: its own, see `nas.evaluators.table`.
    """

    text: str
    kind: str
    unit: str | None = None
    number: float | None = None
    path: str | None = None
    column: str | None = None


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
    if kind not in EVALUATORS and is_import_path(text):
        return EvaluatorName(text, kind=text)
    if kind not in EVALUATORS or (kind == "table" and colon):
        raise InputError(
            f"evaluator '{text}'; expected one of {CHOICES}; {_REMEDY}"
        )
    if not colon:
        return EvaluatorName(text, kind)
    if kind not in BUDGETED:
        raise InputError(
            f"evaluator '{text}' has a budget; expected '{kind}' alone; "
            f"{_REMEDY}"
        )
    unit, _, number = rest.partition("=")
    pattern = r"[1-9]\d*" if unit == "steps" else r"\d+(\.\d+)?"
    if (
        unit not in UNITS
        or not re.fullmatch(pattern, number)
        or float(number) == 0
    ):
        raise InputError(
            f"evaluator '{text}' has the budget '{rest}'; expected steps=n "
            f"(whole), epochs=x or seconds=x, above 0; {_REMEDY}"
        )
    value = int(number) if unit == "steps" else float(number)
    return EvaluatorName(text, kind, unit, value)
