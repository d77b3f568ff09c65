"""The gradient of an architecture through the weights that it is trained by.

DARTS (Liu, Simonyan and Yang, arXiv 1806.09055), section 2.3. The second order
is exact: the virtual step is differentiated by nested tapes, where the paper
approximates the mixed product by finite differences (eq. 8).
"""

from collections.abc import Callable

import tensorflow as tf

Tensors = list[tf.Tensor]
#: (params, alphas) -> scalar.
Loss = Callable[[Tensors, Tensors], tf.Tensor]


def architecture_gradient(
    train_loss: Loss,
    validation_loss: Loss,
    params: Tensors,
    alphas: Tensors,
    update: Callable[[Tensors, Tensors], Tensors] | None,
) -> tuple[tf.Tensor, Tensors]:
    """Returns L_validation(w', alpha), and its gradient, eqs. 6 and 7.

    Args:
      train_loss: what the virtual step goes down.
      validation_loss: what the architecture goes down.
      params: w.
      alphas: of the architecture.
      update: (gradients, params) -> params, the virtual step to w', whose
        derivative is taken; None: w' is w, the first order.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(alphas)
        if update is not None:
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(params)
                loss = train_loss(params, alphas)
            params = update(_gradient(inner, loss, params), params)
        loss = validation_loss(params, alphas)
    return loss, _gradient(tape, loss, alphas)


def _gradient(
    tape: tf.GradientTape, loss: tf.Tensor, sources: Tensors
) -> Tensors:
    return tape.gradient(
        loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
