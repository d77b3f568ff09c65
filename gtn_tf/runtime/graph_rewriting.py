"""Grappler's rewriting of graphs before their first run, where it harms.

TensorFlow's public switches hold for a whole process, and undo one another.
"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python.eager import context


def keep_graphs_repeatable() -> None:
    """Turns three of Grappler's rewritings off, for good.

    * Of arithmetic: it orders sums by the names of their terms, which count
      what the process has built before. So the last bits of a gradient depended
      on which networks were trained earlier. And where a network adds a tensor
      to itself, as a cell of two identities does, it can take the shape [N] for
      a scalar's.
    * Of memory: at some sizes it rewrites sums in a loop's body with a
      TemporaryVariable that outlives the loop, and the second meta-step ends
      with AlreadyExistsError.
    * Of several operations into one, on CPUs: it saves nothing measurable here,
      and before a leaky ReLU it fails, with a line on standard error.
    """
    _change("arithmetic_optimization", RewriterConfig.OFF)
    _change("memory_optimization", RewriterConfig.NO_MEM_OPT)
    if not tf.config.list_physical_devices("GPU"):
        _change("remapping", RewriterConfig.OFF)


@contextlib.contextmanager
def repeatable_graphs() -> Iterator[None]:
    """Turns them off within only: the process is a person's own."""
    with _restored():
        keep_graphs_repeatable()
        yield


@contextlib.contextmanager
def not_rewritten() -> Iterator[None]:
    """Runs what is called within as it was traced.

    For graphs so large that rewriting them takes longer than it saves. GPUs
    keep it: it chooses the layout of their images.
    """
    with _restored():
        if not tf.config.list_physical_devices("GPU"):
            _change("disable_meta_optimizer", True)
        yield


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    before = context.context().function_call_options
    try:
        yield
    finally:
        context.context().function_call_options = before


def _change(field: str, value: int) -> None:
    """Sets a field of the rewriting of all functions that are called."""
    options = context.context().function_call_options
    config = ConfigProto.FromString(options.config_proto_serialized)
    setattr(config.graph_options.rewrite_options, field, value)
    context.context().function_call_options = context.FunctionCallOptions(
        config_proto=config
    )
