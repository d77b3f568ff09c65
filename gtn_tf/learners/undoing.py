"""Changes of the objects of a person, undone when they have served.

A builder may return a network that lives on, or share a part of it with others:
what is put right in it for a training is not to stay.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

#: (object, name of the attribute, its value before), oldest first.
_changes: ContextVar[list[tuple[Any, str, Any]] | None] = ContextVar(
    "changes", default=None
)


@contextlib.contextmanager
def changes_undone() -> Iterator[None]:
    """Undoes at its end what `change` does within, the latest first."""
    changes: list[tuple[Any, str, Any]] = []
    token = _changes.set(changes)
    try:
        yield
    finally:
        _changes.reset(token)
        for owner, name, before in reversed(changes):
            object.__setattr__(owner, name, before)


def change(owner: Any, name: str, value: Any) -> None:
    """Sets an attribute of a layer, its `__class__` included."""
    changes = _changes.get()
    if changes is not None:
        changes.append((owner, name, getattr(owner, name)))
    # Not Keras' own __setattr__, which would track it.
    object.__setattr__(owner, name, value)
