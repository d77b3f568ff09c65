"""Loops of a number of iterations that is known when they are traced.

XLA knows the trip count of a while loop that one comparison with a constant
ends, and plans memory and overlap by it. `tf.while_loop` joins the condition
it is given with that of `maximum_iterations`: two comparisons, though they say
the same, hide the count. So here the condition says nothing.
"""

from collections.abc import Callable

import tensorflow as tf


def counted_loop(
    number: int,
    body: Callable[..., tuple],
    loop_vars: tuple,
    parallel_iterations: int = 10,
) -> tuple:
    """Returns what `number` runs of a body make of some values.

    Args:
      number: at least 1.
      body: values -> values, traced once.
      loop_vars: the first values, nested tensors or TensorArrays.
      parallel_iterations: how many may overlap where nothing is compiled.
    """
    return tf.while_loop(
        lambda *_: True,
        body,
        loop_vars,
        maximum_iterations=number,
        parallel_iterations=parallel_iterations,
    )


def counted_map(
    function: Callable[[tf.Tensor], tf.Tensor],
    number: int,
    dtype: tf.DType,
    parallel_iterations: int = 10,
) -> tf.Tensor:
    """Stacks function(0) .. function(number - 1), as `tf.map_fn` would.

    Args:
      function: [] int32 -> a tensor of `dtype`, always of one shape.
      number: at least 1.
      dtype: of the result.
      parallel_iterations: as of `counted_loop`.
    """

    def body(
        index: tf.Tensor, array: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.TensorArray]:
        return index + 1, array.write(index, function(index))

    array = tf.TensorArray(dtype, number)
    _, array = counted_loop(
        number, body, (tf.constant(0), array), parallel_iterations
    )
    return array.stack()
