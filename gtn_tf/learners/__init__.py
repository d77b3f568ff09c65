"""What is taught: Keras models run as pure functions of their parameters.

`pool` draws ordinary networks for meta-training, which sees none of
`held_out`.

Imports `search_spaces` and what is below it. One more family is an entry of
`registry.FAMILIES`; a learner of another kind is a file here that returns a
`functional.Learner`, and a name in `registry.LEARNERS`.
"""

from typing import Any

__all__ = ["from_keras"]


def __getattr__(name: str) -> Any:
    """Imports `from_keras`, and with it TensorFlow, when it is asked for."""
    if name in __all__:
        from gtn_tf.learners import functional

        return getattr(functional, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
