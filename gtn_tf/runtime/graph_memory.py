"""Lets traced graphs go, where one after another would fill the memory.

`tf.custom_gradient` registers the gradient of every call in a graph under a
name of its own, for good; the gradient holds the graph, and the graph all that
was captured. No public function takes a name back.
"""

import contextlib
import gc
import logging
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.framework import ops


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def older_objects_kept() -> Iterator[None]:
    """Collects within only what is made within.

    The hundreds of thousands of objects of the libraries, which are there for
    good, take a quarter of a second each time otherwise.
    """
    is_outermost = not gc.get_freeze_count()
    if is_outermost:
        gc.collect()
        gc.freeze()
    try:
        yield
    finally:
        if is_outermost:
            gc.unfreeze()


class TracedGraphs:
    """The graphs that are traced within `collected`, time after time.

    After `release` the functions of these graphs must not be called, nor
    differentiated in another graph, any more.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Remembers what is traced within.

        One graph after the other is what is wanted here: TensorFlow's warning
        that the same function was traced five times is held back.
        """
        before = set(ops.gradient_registry.list())
        logger = tf.get_logger()
        logger.addFilter(_is_no_retracing)
        try:
            yield
        finally:
            logger.removeFilter(_is_no_retracing)
            self._names |= set(ops.gradient_registry.list()) - before

    def release(self) -> None:
        """Frees those to which nothing else refers."""
        for name in self._names:
            del ops.gradient_registry._registry[name]
        self._names.clear()
        gc.collect()  # graphs and Keras models refer to themselves
