"""The learner's optimizers as functions of tensors.

Keras' optimizers assign variables, through which no gradient flows; these
return new tensors. Every learned hyperparameter has a value per inner step.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gtn_tf.config.choices import INNER_OPTIMIZERS
from gtn_tf.import_paths import choose

Tensors = list[tf.Tensor]
#: Of one inner step: {"learning_rate": [], "momentum": []} scalars.
Hyperparameters = dict[str, tf.Tensor]

ADAM_BETA_2 = 0.999
ADAM_EPSILON = 1e-7
RMSPROP_RHO = 0.9
RMSPROP_EPSILON = 1e-7


class InnerOptimizer(NamedTuple):
    """A pure pair of functions.

    Attributes:
      init: params -> slots, a flat list of tensors.
      update: (gradients, params, slots, hyperparameters) -> (params, slots).
    """

    init: Callable[[Tensors], Tensors]
    update: Callable[..., tuple[Tensors, Tensors]]


def _zeros(params: Tensors) -> Tensors:
    return [tf.zeros_like(p) for p in params]


def _sgd_update(
    gradients: Tensors,
    params: Tensors,
    slots: Tensors,
    hyperparameters: Hyperparameters,
) -> tuple[Tensors, Tensors]:
    """M <- momentum m + g; params <- params - learning_rate m (paper, eq. 1).

    No dampening, no Nesterov, m starts at 0.
    """
    rate = hyperparameters["learning_rate"]
    momentum = hyperparameters["momentum"]
    moments = [momentum * m + g for m, g in zip(slots, gradients, strict=True)]
    params = [p - rate * m for p, m in zip(params, moments, strict=True)]
    return params, moments


def _adam_init(params: Tensors) -> Tensors:
    # The last two slots are the running products of beta_1 and of beta_2:
    # beta_1 may differ from step to step, so that beta_1 ** t would be wrong.
    ones = [tf.ones([], params[0].dtype)] * 2
    return [*_zeros(params), *_zeros(params), *ones]


def _adam_update(
    gradients: Tensors,
    params: Tensors,
    slots: Tensors,
    hyperparameters: Hyperparameters,
) -> tuple[Tensors, Tensors]:
    """Adam (Kingma & Ba 2015) with momentum as beta_1, in Keras' form."""
    n = len(params)
    beta_1 = hyperparameters["momentum"]
    first = [
        beta_1 * m + (1.0 - beta_1) * g
        for m, g in zip(slots[:n], gradients, strict=True)
    ]
    second = [
        ADAM_BETA_2 * v + (1.0 - ADAM_BETA_2) * tf.square(g)
        for v, g in zip(slots[n : 2 * n], gradients, strict=True)
    ]
    product_1 = slots[2 * n] * beta_1
    product_2 = slots[2 * n + 1] * ADAM_BETA_2
    rate = hyperparameters["learning_rate"] * (
        tf.sqrt(1.0 - product_2) / (1.0 - product_1)
    )
    params = [
        p - rate * m / (_safe_sqrt(v) + ADAM_EPSILON)
        for p, m, v in zip(params, first, second, strict=True)
    ]
    return params, [*first, *second, product_1, product_2]


def _rmsprop_init(params: Tensors) -> Tensors:
    return [*_zeros(params), *_zeros(params)]


def _rmsprop_update(
    gradients: Tensors,
    params: Tensors,
    slots: Tensors,
    hyperparameters: Hyperparameters,
) -> tuple[Tensors, Tensors]:
    """RMSProp with momentum, in Keras' form: epsilon inside the root."""
    n = len(params)
    rate = hyperparameters["learning_rate"]
    momentum = hyperparameters["momentum"]
    squares = [
        RMSPROP_RHO * v + (1.0 - RMSPROP_RHO) * tf.square(g)
        for v, g in zip(slots[:n], gradients, strict=True)
    ]
    steps = [
        momentum * m + rate * g * tf.math.rsqrt(v + RMSPROP_EPSILON)
        for m, g, v in zip(slots[n:], gradients, squares, strict=True)
    ]
    params = [p - s for p, s in zip(params, steps, strict=True)]
    return params, [*squares, *steps]


def normalized(optimizer: InnerOptimizer) -> InnerOptimizer:
    """Returns the optimizer of gradients divided by their norm over all params.

    For first order: at a gradient of 0 the step is 0, its derivative is not.
    """

    def update(
        gradients: Tensors,
        params: Tensors,
        slots: Tensors,
        hyperparameters: Hyperparameters,
    ) -> tuple[Tensors, Tensors]:
        norm = tf.linalg.global_norm(gradients)
        # By an infinite one they would all be 0: a divergence, unseen.
        norm = tf.where(tf.math.is_finite(norm), norm, np.nan)
        shares = [tf.math.divide_no_nan(g, norm) for g in gradients]
        return optimizer.update(shares, params, slots, hyperparameters)

    return InnerOptimizer(optimizer.init, update)


def _safe_sqrt(values: tf.Tensor) -> tf.Tensor:
    """Sqrt whose derivative at 0 is 0 instead of infinite.

    v is exactly 0 in two cases. Where g is 0 (units that no example reaches,
    masked ones), m and so the incoming derivative are 0 as well: 0 times
    infinity, which TensorFlow's CPU kernel takes for 0 but XLA for NaN. And
    where g is not 0 but v underflows, in float32 for |g| < 3e-18 at the first
    step (TensorFlow flushes subnormal numbers): there the meta-gradient would
    be infinite or NaN everywhere. 0 is right, since the root is far below
    epsilon and the step's derivative is that of a constant root.

    A tiny positive v needs no guard. Its derivative, at most 5e18, is always
    multiplied by dv/dg = 2 (1 - beta_2) g, and |g| <= sqrt(v / (1 - beta_2)):
    their product is at most sqrt(1 - beta_2).
    """
    positive = values > 0.0
    safe = tf.where(positive, values, tf.ones_like(values))
    return tf.where(positive, tf.sqrt(safe), tf.zeros_like(values))


# `config.choices.INNER_OPTIMIZERS` names them.
SGD = InnerOptimizer(_zeros, _sgd_update)
ADAM = InnerOptimizer(_adam_init, _adam_update)
RMSPROP = InnerOptimizer(_rmsprop_init, _rmsprop_update)


def find_inner_optimizer(name: str) -> InnerOptimizer:
    """Returns the optimizer that `inner.optimizer` names.

    Raises:
      InputError: there is none of that name; lists the choices.
    """
    return choose(name, INNER_OPTIMIZERS, "inner.optimizer")
