"""How a person's own network is trained on a teacher's batches.

The learned rates fit the learners that they were learned with; another network
may need less or more. A rule is `kind:number`, such as `normalized:2.5`:

* `learned:x`: x times the learned rates;
* `normalized:x`: the same, each gradient divided by its norm over all weights,
  so that the length of a step does not depend on the network's scale;
* `adam:x`: Adam at the constant rate x.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import tensorflow as tf

from gtn_tf.export.load import Teacher
from gtn_tf.meta.inner_optimizers import (
    InnerOptimizer,
    find_inner_optimizer,
    normalized,
)
from gtn_tf.nas.training import teacher_steps
from gtn_tf.types import InputError, SyntheticData

_ADAM_BETA_1 = 0.9


#: Those of `rank`, as measured: see docs/usage.md.
DEFAULT = ("normalized:1", "normalized:2.5")


class RateRule(NamedTuple):
    """One way to train.

    Attributes:
      text: as it was given.
      kind: of optimizer; rules of one kind share its graph.
      optimizer: of the network.
      steps: batches with their rates.
    """

    text: str
    kind: str
    optimizer: InnerOptimizer
    steps: list[SyntheticData]


def _learned(
    teacher: Teacher, factor: float
) -> tuple[InnerOptimizer, list[SyntheticData]]:
    name = teacher.metadata["inner_optimizer"]
    return find_inner_optimizer(name), teacher_steps(teacher, factor)


def _normalized(
    teacher: Teacher, factor: float
) -> tuple[InnerOptimizer, list[SyntheticData]]:
    optimizer, steps = _learned(teacher, factor)
    return normalized(optimizer), steps


def _adam(
    teacher: Teacher, rate: float
) -> tuple[InnerOptimizer, list[SyntheticData]]:
    constant = {
        "learning_rate": tf.constant(rate, tf.float32),
        "momentum": tf.constant(_ADAM_BETA_1),
    }
    steps = [
        data._replace(hyperparameters=constant)
        for data in teacher_steps(teacher)
    ]
    return find_inner_optimizer("adam"), steps


KINDS: dict[str, Callable[[Teacher, float], tuple]] = {
    "learned": _learned,
    "normalized": _normalized,
    "adam": _adam,
}


def rate_rules(teacher: Teacher, texts: Sequence[str]) -> list[RateRule]:
    """Reads rules; one text is one of them.

    Raises:
      InputError: one is none, or there are none.
    """
    listed = [texts] if isinstance(texts, str) else texts
    is_list = isinstance(listed, Iterable)
    rules = [_rule(teacher, text) for text in listed] if is_list else []
    if not rules:
        raise InputError(
            f"rates are {texts!r}; expected at least one of "
            f"{', '.join(KINDS)} with a number; give one"
        )
    return rules


def _rule(teacher: Teacher, text: str) -> RateRule:
    kind, value = parse_rule(text)
    return RateRule(text, kind, *KINDS[kind](teacher, value))


def parse_rule(text: str) -> tuple[str, float]:
    """Returns the kind of a rule, and its number.

    Raises:
      InputError: it is none.
    """
    kind, _, number = str(text).partition(":")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if kind not in KINDS or not 0 < value < float("inf"):
        raise InputError(
            f"rates hold {text!r}; expected one of {', '.join(KINDS)} with a "
            "number above 0, such as 'learned:1'; correct it"
        )
    return kind, value
