"""Search = strategy x evaluator x space: proposals, scores, ranking.

`rank` scores any Keras model builders with a GTN's data.
"""

from typing import Any

__all__ = ["rank"]


def __getattr__(name: str) -> Any:
    """Imports `rank`, and with it TensorFlow, when it is asked for."""
    if name in __all__:
        from gtn_tf.nas import user_models

        return getattr(user_models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Returns what completion offers, imported or not."""
    return sorted({*globals(), *__all__})
