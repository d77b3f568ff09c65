"""The JSON files of a workdir, read and checked against what is expected.

What is expected of a value is a function that says whether it will do, or a
dict of what is expected by key: '*' stands for every key, and a key that ends
in '?' may be absent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gtn_tf.config.fields import is_number
from gtn_tf.runtime.files import read_json
from gtn_tf.types import InputError

Expected = dict[str, Any] | Callable[[Any], bool]


def or_none(expected: Expected) -> Callable[[Any], bool]:
    """Returns what checks that a value is null or as expected."""
    return lambda value: value is None or not misfit(value, expected, "it")


def list_of(is_item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Returns what checks that a value is a list of such items."""
    return lambda value: isinstance(value, list) and all(map(is_item, value))


def pair_of(*are_items: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Returns what checks that a value is a list of one item per check."""
    return lambda value: (
        isinstance(value, list)
        and len(value) == len(are_items)
        and all(
            is_item(item)
            for is_item, item in zip(are_items, value, strict=True)
        )
    )


is_number_or_none = or_none(is_number)


def are_numbers(value: object) -> bool:
    """Whether it is a list of finite numbers, at least one."""
    return list_of(is_number)(value) and bool(value)


def is_interval(value: object) -> bool:
    """Whether it is [low, high], both known or both null, or null."""
    return pair_of(is_number, is_number)(value) or value in (
        None,
        [None, None],
    )


def is_text(value: object) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def misfit(value: object, expected: Expected, place: str = "") -> str:
    """Returns the first place of `value` that is not as expected, or ''."""
    if callable(expected):
        return "" if expected(value) else place
    if not isinstance(value, dict):
        return place
    for key, inner in expected.items():
        name = key.rstrip("?")
        if key.endswith("?") and name not in value:
            continue
        for found in [*value] if name == "*" else [name]:
            where = f"{place}.{found}".lstrip(".")
            if found not in value:
                return where
            of_inner = misfit(value[found], inner, where)
            if of_inner:
                return of_inner
    return ""


def damaged(path: Path, reason: str) -> InputError:
    """Returns the error about a file that is not as it should be."""
    return InputError(
        f"{str(path)!r} is damaged ({reason}); expected it as gtn_tf writes "
        "it; delete it or run again the mode that writes it"
    )


def read_object(path: Path) -> dict:
    """Reads a JSON object.

    Raises:
      InputError: the file cannot be read or holds none.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise damaged(path, "no JSON object")
    return value


def read_checked(path: Path, expected: Expected) -> dict | None:
    """Reads a JSON object that is as expected; None where there is no file.

    Raises:
      InputError: the file cannot be read or is not as expected.
    """
    if not path.exists():
        return None
    value = read_object(path)
    found = misfit(value, expected)
    if found:
        raise damaged(path, f"its {found!r} is absent or of a wrong type")
    return value
