"""TensorFlow is imported once, quietly, and without a search for garbage."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator

from gtn_tf.runtime.progress import say
from gtn_tf.types import InputError

#: What Keras and TensorFlow import where it is there: for galleries of images,
#: for wrappers of Keras models, for TFLite, for notebooks. A third of the time.
_NOT_FOR_US = ("matplotlib", "sklearn", "jax", "IPython")


def load_tensorflow(is_quiet: bool) -> None:
    """Imports TensorFlow and Keras for a process that is ours.

    Args:
      is_quiet: drop what they write to standard error, unless they fail.

    Raises:
      InputError: TensorFlow is not installed.
    """
    if "tensorflow" not in sys.modules:  # as it is in a process that was forked
        say("loading TensorFlow")
    try:
        with (
            _held_back_lines() if is_quiet else contextlib.nullcontext(),
            _uncollected(),
            _without(_NOT_FOR_US),
        ):
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise InputError(
            "TensorFlow is not installed; expected exactly one of its three "
            "builds; pip install 'gtn_tf[cpu]', 'gtn_tf[gpu]' or 'gtn_tf[tpu]'"
        ) from error


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keeps the garbage collector from what an import leaves for good.

    It would look a million objects through again and again: 2 of the 7 seconds
    that TensorFlow takes to load, and a tenth of each tracing after it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(10_000, 10, 10)


@contextlib.contextmanager
def _without(names: Iterable[str]) -> Iterator[None]:
    """Lets nothing import these packages within, but what has done so."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _held_back_lines() -> Iterator[None]:
    """Drops what libraries write to standard error, unless they fail.

    While TensorFlow loads, no log level holds its lines on oneDNN back.
    """
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
