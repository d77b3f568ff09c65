"""The meta-step of `conv2_fc` and its kin in JAX, compiled, as a peer.

The same arithmetic as `gtn_tf` on the same data, as `torch_forms`: one `scan`
over the inner steps, differentiated as a whole; rematerialised by
`jax.checkpoint` of a step.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.forms import Case, draw_params, make_inputs

Arrays = list[jax.Array]
_EPSILON = 1e-12
_LAYOUT = ("NHWC", "HWIO", "NHWC")


class _State(NamedTuple):
    params: Arrays
    moments: Arrays
    means: Arrays  # of the batch, layer by layer


def _normalized(kernel: jax.Array, gain: jax.Array) -> jax.Array:
    axes = tuple(range(kernel.ndim - 1))
    return kernel * (gain / jnp.sqrt(jnp.sum(kernel**2, axes) + _EPSILON))


def _max_pool(values: jax.Array, pool_size: int) -> jax.Array:
    before = (pool_size - 1) // 2
    pad = (before, pool_size - 1 - before)
    return lax.reduce_window(
        values,
        -jnp.inf,
        lax.max,
        (1, pool_size, pool_size, 1),
        (1, 2, 2, 1),
        ((0, 0), pad, pad, (0, 0)),
    )


def logits_of(
    params: Arrays, means: Arrays | None, images: jax.Array, pool_size: int
) -> tuple[jax.Array, Arrays]:
    """Returns (logits, batch means); `means` given: evaluation mode."""
    rest = iter(params)
    values = images
    found = []

    def normalize(values: jax.Array) -> jax.Array:
        axes = tuple(range(values.ndim - 1))
        mean = values.mean(axes) if means is None else means[len(found)]
        found.append(mean)
        return jax.nn.leaky_relu(values - mean + next(rest), 0.1)

    for _ in range(sum(p.ndim == 4 for p in params)):
        kernel = _normalized(next(rest), next(rest))
        values = lax.conv_general_dilated(
            values, kernel, (1, 1), "SAME", dimension_numbers=_LAYOUT
        )
        values = normalize(_max_pool(values, pool_size))
    values = values.reshape(len(values), -1)
    values = values @ _normalized(next(rest), next(rest)) + next(rest)
    values = normalize(values)
    return values @ _normalized(next(rest), next(rest)) + next(rest), found


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -(labels * jax.nn.log_softmax(logits)).sum(-1).mean()


def jax_form(name: str, case: Case) -> Callable[[], Arrays]:
    """Returns a thunk: `jax_plain`, `jax_stored` or `jax_remat`.

    With several learners, the sum of their gradients, by `vmap`.
    """
    inputs = make_inputs(case)
    data = tuple(map(jnp.asarray, inputs[:4]))
    real_images, real_labels = map(jnp.asarray, inputs[4:])
    initial = [jnp.asarray(p) for p in draw_params(case)]

    def inner_step(state: _State, data: tuple) -> tuple[_State, None]:
        images, labels, rate, momentum = data

        def loss(params: Arrays) -> tuple[jax.Array, Arrays]:
            logits, means = logits_of(params, None, images, case.pool_size)
            return _cross_entropy(logits, labels), means

        gradients, means = jax.grad(loss, has_aux=True)(state.params)
        moments = jax.tree.map(
            lambda m, g: momentum * m + g, state.moments, gradients
        )
        params = jax.tree.map(lambda p, m: p - rate * m, state.params, moments)
        return _State(params, moments, means), None

    if name == "jax_remat":
        inner_step = jax.checkpoint(inner_step)

    def train(data: tuple, params: Arrays) -> _State:
        zeros = jax.tree.map(jnp.zeros_like, params)
        _, means = jax.eval_shape(
            functools.partial(logits_of, pool_size=case.pool_size),
            *(params, None, data[0][0]),
        )
        means = [jnp.zeros(m.shape, m.dtype) for m in means]
        return lax.scan(inner_step, _State(params, zeros, means), data)[0]

    def meta_loss(data: tuple, params: Arrays) -> jax.Array:
        state = train(data, params)
        logits, _ = logits_of(
            state.params, state.means, real_images, case.pool_size
        )
        return _cross_entropy(logits, real_labels)

    def learners(data: tuple, params: Arrays) -> tuple:
        many = jax.vmap(jax.grad(meta_loss), (None, 0))(data, params)
        return jax.tree.map(lambda g: g.sum(0), many)

    if name == "jax_plain":
        compiled = jax.jit(lambda *arguments: train(*arguments).params)
    elif case.num_learners == 1:
        compiled = jax.jit(jax.grad(meta_loss))
    else:
        initial = [jnp.stack([p] * case.num_learners) for p in initial]
        compiled = jax.jit(learners)
    return lambda: jax.block_until_ready(compiled(data, initial))
