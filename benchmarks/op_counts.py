"""What a traced function really executes: operations, FLOPs, microseconds.

A function is run once by a session that records every kernel with the shape
of its outputs, Grappler's rewriting and loop iterations included.
"""

import collections
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

Shape = tuple[int, ...]


class OpRun(NamedTuple):
    """One execution of one operation of the optimised graph.

    Attributes:
      kind: operation type, as `Conv2D`.
      name: of the node.
      inputs: shapes of its inputs as last produced; None where unknown.
      output: shape of its first output, None if it has none.
      attributes: of the node.
      microseconds: its kernel ran for.
    """

    kind: str
    name: str
    inputs: list[Shape | None]
    output: Shape | None
    attributes: dict
    microseconds: int


def run_and_record(
    function: tf.types.experimental.ConcreteFunction,
) -> list[OpRun]:
    """Runs a function of no arguments; returns all that was executed."""
    graph = function.graph
    feeds = {
        placeholder.name: value.numpy() for value, placeholder in graph.captures
    }
    options = tf.compat.v1.RunOptions(
        trace_level=tf.compat.v1.RunOptions.FULL_TRACE,
        output_partition_graphs=True,
    )
    metadata = tf.compat.v1.RunMetadata()
    with tf.compat.v1.Session(graph=graph) as session:
        # Once without recording: memory pools and caches fill.
        session.run(graph.outputs, feeds)
        session.run(graph.outputs, feeds, options, metadata)
    nodes = {n.name: n for g in metadata.partition_graphs for n in g.node}
    found = []
    shapes: dict[str, list[Shape]] = {}
    records = [
        record
        for device in metadata.step_stats.dev_stats
        for record in device.node_stats
    ]
    for record in records:
        outputs = {
            output.slot: _shape(output.tensor_description)
            for output in record.output
        }
        shapes.setdefault(record.node_name, outputs)
    for record in records:
        node = nodes.get(record.node_name)
        if node is None:
            continue
        inputs = []
        for name in node.input:
            producer, _, slot = name.partition(":")
            inputs.append(shapes.get(producer, {}).get(int(slot or 0)))
        found.append(
            OpRun(
                node.op,
                node.name,
                inputs,
                shapes[node.name].get(0),
                dict(node.attr),
                record.op_end_rel_micros - record.op_start_rel_micros,
            )
        )
    return found


def _shape(description: object) -> Shape:
    return tuple(dim.size for dim in description.shape.dim)


def _conv(run: OpRun) -> int:
    filters = run.inputs[1]
    return 2 * int(np.prod(run.output)) * int(np.prod(filters[:3]))


def _conv_backprop_input(run: OpRun) -> int:
    filters, upstream = run.inputs[1], run.inputs[2]
    return 2 * int(np.prod(upstream)) * int(np.prod(filters[:3]))


def _conv_backprop_filter(run: OpRun) -> int:
    upstream = run.inputs[2]
    return 2 * int(np.prod(upstream)) * int(np.prod(run.output[:3]))


def _depthwise(run: OpRun) -> int:
    height, width = run.inputs[1][:2]
    return 2 * int(np.prod(run.output)) * height * width


def _matmul(run: OpRun) -> int:
    for name in ("transpose_a", "adj_x"):
        if name in run.attributes:
            is_transposed = run.attributes[name].b
    inner = run.inputs[0][-2 if is_transposed else -1]
    return 2 * int(np.prod(run.output)) * inner


#: Of the types that Grappler puts in place of others, for oneDNN or fused.
_PREFIX = re.compile(r"^_(Mkl(Native)?)?(Fused)?")

#: Operation type -> multiplications and additions of one execution.
FLOPS: dict[str, Callable[[OpRun], int]] = {
    "Conv2D": _conv,
    "Conv2DBackpropInput": _conv_backprop_input,
    "Conv2DBackpropFilter": _conv_backprop_filter,
    "DepthwiseConv2dNative": _depthwise,
    "MatMul": _matmul,
    "BatchMatMulV2": _matmul,
}


def flops_by_type(runs: list[OpRun]) -> dict[str, int]:
    """Returns FLOPs of convolutions and matrix products by type.

    Raises:
      ValueError: an unknown kind of convolution or product was executed.
    """
    counts: dict[str, int] = collections.Counter()
    for run in runs:
        kind = _PREFIX.sub("", run.kind)
        if kind in FLOPS:
            counts[kind] += FLOPS[kind](run)
        elif "Conv2" in kind or "MatMul" in kind:
            raise ValueError(f"no FLOP count for operation '{run.kind}'")
    return dict(counts)


def microseconds_by_type(runs: list[OpRun]) -> dict[str, int]:
    """Returns kernel time by operation type, largest first."""
    counts: dict[str, int] = collections.Counter()
    for run in runs:
        counts[run.kind] += run.microseconds
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def flop_ratios(operations: dict) -> dict[str, float]:
    """Returns FLOPs per inner step over plain's, the final meta-loss apart.

    That one costs as much as one plain step: a forward and a backward pass.
    """
    per_step = {
        form: sum(found["flops"].values()) / found["num_inner_steps"]
        for form, found in operations.items()
    }
    return {
        form: per_step[form] / per_step["plain"]
        - 1 / operations[form]["num_inner_steps"]
        for form in per_step
        if form != "plain"
    }
