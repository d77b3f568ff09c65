"""One config key: default, range, meaning; and the ranges that recur."""

import math
import re
from collections.abc import Callable, Container, Iterable
from typing import Any, NamedTuple

from gtn_tf.config.evaluator_names import parse_evaluator, parts_of
from gtn_tf.datasets.registry import split_scheme
from gtn_tf.import_paths import is_import_path
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.types import InputError


class Field(NamedTuple):
    """One key.

    Attributes:
      default: its type is the key's type, unless None is allowed.
      expected: the range, in words.
      is_valid: whether a value is in range.
      meaning: what the key does, with its unit.
      may_change: whether a resumed run may have another value.
    """

    default: Any
    expected: str
    is_valid: Callable[[Any], bool]
    meaning: str
    may_change: bool = False


def is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def whole(
    default: int | None,
    low: int,
    meaning: str,
    high: int | None = None,
    **more: Any,
) -> Field:
    def is_valid(value: object) -> bool:
        if value is None:
            return default is None
        return is_int(value) and low <= value and (high or value) >= value

    none = "None or " if default is None else ""
    limits = f">= {low}" if high is None else f"in [{low}, {high}]"
    return Field(
        default, f"{none}a whole number {limits}", is_valid, meaning, **more
    )


def real(
    default: float | None,
    expected: str,
    is_valid: Callable[[float], bool],
    meaning: str,
    **more: Any,
) -> Field:
    def check(value: object) -> bool:
        if value is None:
            return default is None
        return is_number(value) and is_valid(value)

    none = "None or " if default is None else ""
    return Field(default, none + expected, check, meaning, **more)


#: How a person's own thing is named, in words.
OWN_FUNCTION = "package.module:function"


def is_one_of(value: object, choices: Container[str]) -> bool:
    """Whether a value is one of the names, or reads as an import path."""
    return isinstance(value, str) and (
        value in choices or is_import_path(value)
    )


def choice(
    default: str, choices: Iterable[str], meaning: str, **more: Any
) -> Field:
    names = tuple(choices)
    listed = f"one of {', '.join(names)}"
    return Field(default, listed, lambda v: v in names, meaning, **more)


def switch(default: bool, meaning: str, **more: Any) -> Field:
    return Field(
        default, "True or False", lambda v: isinstance(v, bool), meaning, **more
    )


def is_width(value: object) -> bool:
    if is_int(value):
        return value >= 1
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    return is_pair and all(map(is_int, value)) and 1 <= value[0] <= value[1]


def are_widths(value: object) -> bool:
    """Widths of one family, or None for its own."""
    return value is None or (
        isinstance(value, tuple | list)
        and len(value) > 0
        and all(map(is_width, value))
    )


def are_families_widths(value: object) -> bool:
    """One entry as above per family."""
    return isinstance(value, tuple | list) and all(map(are_widths, value))


def is_name(value: object) -> bool:
    """Whether a value, or None, can name a folder."""
    return value is None or (
        isinstance(value, str) and bool(re.fullmatch(r"[\w+-][\w.+-]*", value))
    )


def are_counts(value: object) -> bool:
    return isinstance(value, tuple | list) and all(
        is_int(v) and v >= 1 for v in value
    )


def is_number(value: object) -> bool:
    return (is_int(value) or isinstance(value, float)) and math.isfinite(value)


def are_positive(value: object) -> bool:
    return isinstance(value, tuple | list) and all(
        is_number(v) and v > 0 for v in value
    )


def is_evaluator(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_evaluator(value))
    except InputError:
        return False


def is_single_evaluator(value: object) -> bool:
    return is_evaluator(value) and not parts_of(str(value))


def are_different(
    is_valid: Callable[[Any], bool],
) -> Callable[[object], bool]:
    """Returns the test for tuples of different valid values, at least one."""
    return lambda values: (
        isinstance(values, tuple | list)
        and all(map(is_valid, values))
        and 0 < len(set(values)) == len(values)
    )


def is_op(value: object) -> bool:
    return isinstance(value, str) and value in OPS


def is_path(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(value))


def is_scheme(value: object) -> bool:
    """Whether a value names data by where they are, as `folder:PATH`."""
    return isinstance(value, str) and split_scheme(value)[0] is not None


def is_size(value: object) -> bool:
    """Whether a value is None, a number of pixels, or two."""
    return (
        value is None
        or (is_int(value) and value >= 1)
        or (are_counts(value) and len(value) == 2)
    )


def changeable(fields: dict[str, Field]) -> dict[str, Field]:
    """Returns fields that a resumed run may change, all of them."""
    return {
        key: field._replace(may_change=True) for key, field in fields.items()
    }
