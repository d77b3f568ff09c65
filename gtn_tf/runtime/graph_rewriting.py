"""Grappler's rewriting of graphs before their first run, where it harms.

TensorFlow's public switches hold for a whole process, and undo one another.
"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python.eager import context


def keep_loops_repeatable() -> None:
    """Turns Grappler's memory optimisation off, for good.

    At some sizes it rewrites sums in a loop's body with a TemporaryVariable
    that outlives the loop, and the second meta-step ends with
    AlreadyExistsError.
    """
    _change("memory_optimization", RewriterConfig.NO_MEM_OPT)


@contextlib.contextmanager
def not_rewritten() -> Iterator[None]:
    """Runs what is called within as it was traced.

    For graphs so large that rewriting them takes longer than it saves. GPUs
    keep it: it chooses the layout of their images.
    """
    if tf.config.list_physical_devices("GPU"):
        yield
        return
    before = context.context().function_call_options
    _change("disable_meta_optimizer", True)
    try:
        yield
    finally:
        context.context().function_call_options = before


@contextlib.contextmanager
def arithmetic_as_written() -> Iterator[None]:
    """Runs what is called within without Grappler's arithmetic rewriting.

    Where a network adds a tensor to itself, as a cell of two identities does,
    that rewriting can take the shape [N] for a scalar's: of an accuracy, it
    makes as many as there are images.
    """
    before = context.context().function_call_options
    _change("arithmetic_optimization", RewriterConfig.OFF)
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
