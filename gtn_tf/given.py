"""Things that a Python caller gives where a config has an import path.

`gtn_tf.fit` takes functions and arrays, a config texts alone: what no module
holds by name (a lambda, a closure, a notebook's function, arrays) is kept here
under `gtn_tf.given:NAME`, which the doors resolve as any other import path. The
names hold a hash of what was given, so that a workdir is not resumed with
another thing; in another process they lead nowhere until it is given again. No
TensorFlow here.
"""

import re
from typing import Any, NamedTuple

from gtn_tf.types import InputError

_PREFIX = "gtn_tf.given:"


class Given(NamedTuple):
    """One thing.

    Attributes:
      thing: what an import path leads to.
      facts: of it, for metadata.json.
    """

    thing: Any
    facts: dict[str, Any]


# As sys.modules: import paths are of the process, and so is what they lead to.
_GIVEN: dict[str, Given] = {}


def give(name: str, digest: str, given: Given) -> str:
    """Keeps a thing; returns its import path.

    Args:
      name: what a person would call it; any text.
      digest: equal for equal things alone, in hexadecimal.
      given: the thing and its facts.
    """
    readable = re.sub(r"\W+", "_", name).strip("_") or "unnamed"
    attribute = f"{readable}_{digest[:12]}"
    if attribute[0].isdigit():
        attribute = f"_{attribute}"
    _GIVEN[attribute] = given
    return f"{_PREFIX}{attribute}"


def is_given(path: str) -> bool:
    """Whether an import path leads to a thing of a Python caller."""
    return path.startswith(_PREFIX)


def facts_of(path: str) -> dict[str, Any]:
    """Returns the facts of a thing that this process was given."""
    return _GIVEN[path.removeprefix(_PREFIX)].facts


def __getattr__(name: str) -> Any:
    """Returns a thing by the name that it was kept under.

    Raises:
      InputError: it was given to another process.
    """
    if name in _GIVEN:
        return _GIVEN[name].thing
    if name.startswith("__"):  # Python's own questions to a module
        raise AttributeError(name)
    raise InputError(
        f"{_PREFIX}{name} was given in Python, to another process; expected "
        "the same function or arrays again; call gtn_tf.fit with them"
    )
