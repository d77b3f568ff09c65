"""Things that a config names: one of ours, or `package.module:attribute`.

An import path is code that a person runs on purpose: it is imported, found in
the folder where the command is run or installed, and never guessed at. No
TensorFlow here; what is imported may bring it.
"""

import importlib
import re
from collections.abc import Mapping
from typing import Any

from gtn_tf.types import PERSONS_ERRORS, InputError, one_line

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_import_path(value: object) -> bool:
    """Whether a value reads as `package.module:attribute`."""
    return isinstance(value, str) and bool(_PATH.fullmatch(value))


def choose(name: str, choices: Mapping[str, Any], key: str) -> Any:
    """Returns what a config key names.

    Args:
      name: a key of `choices`, or an import path.
      choices: by name; a value that is an import path itself is imported.
      key: the config key, for messages.

    Raises:
      InputError: no such choice, or the import path leads nowhere.
    """
    if name in choices:
        found = choices[name]
        return import_attribute(found, key) if is_import_path(found) else found
    if is_import_path(name):
        return import_attribute(name, key)
    raise InputError(
        f"{key} is {name!r}; expected one of {', '.join(choices)}, or "
        f"package.module:attribute; set --config.{key}"
    )


def import_attribute(path: str, key: str) -> Any:
    """Imports `package.module:attribute`.

    Raises:
      InputError: the module cannot be imported, or has no such attribute.
    """
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except PERSONS_ERRORS as error:
        raise InputError(
            f"{key} is {path!r}, and {module_name} cannot be imported "
            f"({type(error).__name__}: {one_line(error)}); expected a module "
            "in this folder or an installed one; correct the path or the module"
        ) from error
    if not hasattr(module, attribute):
        raise InputError(
            f"{key} is {path!r}, and {module_name} has no {attribute!r}; "
            "expected a name that it defines; correct the path"
        )
    return getattr(module, attribute)
