"""The config: defaults, and what `validate` refuses before any device work.

`configs/<name>.py` starts from `default_config()` and overrides. The keys are
in the modules beside this one, one per group.
"""

import difflib
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from gtn_tf.config import (
    evaluating,
    learning,
    retraining,
    running,
    searching,
)
from gtn_tf.config.fields import changeable
from gtn_tf.config.rules import PAIRS
from gtn_tf.types import InputError

FIELDS = (
    learning.FIELDS
    | changeable(evaluating.FIELDS | searching.FIELDS | retraining.FIELDS)
    | running.FIELDS
)

#: Keys that hold more than one type: ConfigDict must not fix the first one.
_ANY_TYPE = {"jit_compile"}
#: All other whole numbers have 31 bits: the product of two fits into 64.
_SEEDS = {"seed", "dataset.split_seed"}


def default_config() -> config_dict.ConfigDict:
    """Returns the config with every key at its default."""
    config = config_dict.ConfigDict()
    for key, field in FIELDS.items():
        *groups, name = key.split(".")
        node = config
        for group in groups:
            if group not in node:
                node[group] = config_dict.ConfigDict()
            node = node[group]
        if field.default is None or key in _ANY_TYPE:
            node[name] = config_dict.FieldReference(
                field.default, field_type=object
            )
        else:
            node[name] = field.default
    return config


def flatten(values: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted key, value) of nested dicts; empty ones yield none."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def unknown_key_error(key: str) -> InputError:
    """Returns the error for a key that no config has."""
    close = difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.5)
    expected = f"did you mean '{close[0]}'?" if close else "not a config key"
    return InputError(
        f"config key '{key}' is unknown; {expected}; docs/config.md lists all"
    )


def _largest(value: Any) -> int:
    if isinstance(value, tuple | list):
        return max(map(_largest, value), default=0)
    return abs(value) if isinstance(value, int) else 0


def validate(config: config_dict.ConfigDict) -> None:
    """Refuses a config with unknown, missing or impossible values.

    Raises:
      InputError: naming the first such key, its value, what is expected.
    """
    values = dict(flatten(config.to_dict()))
    for key in values:
        if key not in FIELDS:
            raise unknown_key_error(key)
    for key, field in FIELDS.items():
        if key not in values:
            raise InputError(
                f"config key '{key}' is missing; expected {field.expected}; "
                "begin the config file with gtn_tf.config.default_config()"
            )
        if not field.is_valid(values[key]):
            raise InputError(
                f"{key} is {values[key]!r}; expected {field.expected}; "
                f"set --config.{key}"
            )
        bits = 63 if key in _SEEDS else 31
        if _largest(values[key]) >= 2**bits:
            raise InputError(
                f"{key} is {values[key]!r}; expected whole numbers below "
                f"2**{bits}; set --config.{key}"
            )
    for is_impossible, received, expected, remedy in PAIRS:
        if is_impossible(config):
            raise InputError(
                f"{received.format(c=config)}; {expected.format(c=config)}; "
                f"{remedy.format(c=config)}"
            )
