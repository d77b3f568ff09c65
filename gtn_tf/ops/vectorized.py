"""One computation for several learners: a graph with one more axis."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor


def vectorized(function: Callable, values: Any) -> Any:
    """Returns function(values[0]), function(values[1]), .. stacked.

    Args:
      function: nested tensors -> nested tensors; traced once. Gradients are
        to be taken within: those of `tf.custom_gradient` are not seen from
        outside.
      values: nested tensors, all with the same first axis.
    """
    return tf.vectorized_map(function, values, warn=False)


def one_by_one(function: Callable, values: Any) -> Any:
    """Returns what `vectorized` does, by as many calls of one trace.

    For random numbers, which would be drawn in a loop there.
    """
    traced = tf.function(function, autograph=False)
    number = tf.nest.flatten(values)[0].shape[0]
    results = [
        traced(tf.nest.map_structure(lambda v, i=i: v[i], values))
        for i in range(number)
    ]
    return tf.nest.map_structure(lambda *each: tf.stack(each), *results)


def _pad(pfor_input: Any) -> Any:
    paddings = tf.pad(pfor_input.unstacked_input(1), [[1, 0], [0, 0]])
    values = pfor_input.stacked_input(0)
    padding = pfor_input.unstacked_input(2)
    return pfor.wrap(tf.pad(values, paddings, constant_values=padding), True)


def _bitcast(pfor_input: Any) -> Any:
    values = pfor_input.stacked_input(0)
    return pfor.wrap(tf.bitcast(values, pfor_input.get_attr("type")), True)


# TensorFlow's own of PadV2 pads with zeros, whatever is asked for; of Bitcast
# it has none, and would loop there. Max-pools by places need both.
pfor._pfor_converter_registry.update(PadV2=_pad, Bitcast=_bitcast)
