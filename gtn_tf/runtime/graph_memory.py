"""Lets traced graphs go, where one after another would fill the memory.

`tf.custom_gradient` registers the gradient of every call in a graph under a
name of its own, for good; the gradient holds the graph, and the graph all that
was captured. No public function takes a name back.
"""

import contextlib
import gc
from collections.abc import Iterator

from tensorflow.python.framework import ops


class TracedGraphs:
    """The graphs that are traced within `collected`, time after time.

    After `release` the functions of these graphs must not be called, nor
    differentiated in another graph, any more.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Remembers what is traced within."""
        before = set(ops.gradient_registry.list())
        try:
            yield
        finally:
            self._names |= set(ops.gradient_registry.list()) - before

    def release(self) -> None:
        """Frees those to which nothing else refers."""
        for name in self._names:
            del ops.gradient_registry._registry[name]
        self._names.clear()
        gc.collect()  # graphs and Keras models refer to themselves
