"""The meta-step of `conv2_fc` and its kin in PyTorch, as a peer.

The same arithmetic as `gtn_tf` on the same data: weight normalisation, 3x3
convolutions, max-pools of stride 2, mean-only batch normalisation, leaky
ReLU, SGD with momentum; stored and rematerialised, eager; and compiled, for
which a step and its adjoint are functions that `torch.compile` takes whole. On
a GPU where there is one.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.forms import Case, draw_params, make_inputs

Tensors = list[torch.Tensor]
_EPSILON = 1e-12


def torch_layout(array: np.ndarray) -> torch.Tensor:
    """[H, W, I, O] -> [O, I, H, W]; the rest as it is."""
    tensor = torch.tensor(array)
    return (
        tensor.permute(3, 2, 0, 1).contiguous() if array.ndim == 4 else tensor
    )


def _normalized(kernel: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    is_conv = kernel.ndim == 4
    axes = (1, 2, 3) if is_conv else (0,)
    scale = gain / torch.sqrt(torch.sum(kernel**2, axes) + _EPSILON)
    return kernel * (scale[:, None, None, None] if is_conv else scale)


def logits_of(
    params: Tensors,
    means: Tensors | None,
    images: torch.Tensor,
    pool_size: int,
) -> tuple[torch.Tensor, Tensors]:
    """Returns (logits, batch means); `means` given: evaluation mode."""
    rest = iter(params)
    values = images
    found = []
    num_convs = sum(p.ndim == 4 for p in params)

    def normalize(values: torch.Tensor) -> torch.Tensor:
        axes = (0, 2, 3) if values.ndim == 4 else (0,)
        mean = values.mean(axes) if means is None else means[len(found)]
        found.append(mean)
        shift = next(rest) - mean
        if values.ndim == 4:
            shift = shift[:, None, None]
        return F.leaky_relu(values + shift, 0.1)

    for _ in range(num_convs):
        kernel = _normalized(next(rest), next(rest))
        values = F.conv2d(values, kernel, padding=1)
        if pool_size == 3:
            values = F.max_pool2d(values, 3, 2, padding=1)
        else:
            values = F.max_pool2d(
                F.pad(values, (0, 1, 0, 1), value=-3e38), 2, 2
            )
        values = normalize(values)
    # gtn_tf flattens channels last.
    values = values.permute(0, 2, 3, 1).flatten(1)
    values = values @ _normalized(next(rest), next(rest)) + next(rest)
    values = normalize(values)
    return values @ _normalized(next(rest), next(rest)) + next(rest), found


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return -(labels * F.log_softmax(logits, -1)).sum(-1).mean()


def _inner_step(
    params: Tensors,
    moments: Tensors,
    data: Tensors,
    pool_size: int,
    create_graph: bool,
) -> tuple[Tensors, Tensors, Tensors]:
    images, labels, rate, momentum = data
    if not create_graph:
        params = [p.detach().requires_grad_() for p in params]
    logits, means = logits_of(params, None, images, pool_size)
    inner_loss = _cross_entropy(logits, labels)
    gradients = torch.autograd.grad(
        inner_loss, params, create_graph=create_graph
    )
    with torch.set_grad_enabled(create_graph):
        moments = [
            momentum * m + g for m, g in zip(moments, gradients, strict=True)
        ]
        params = [p - rate * m for p, m in zip(params, moments, strict=True)]
    if not create_graph:
        means = [m.detach() for m in means]
    return params, moments, means


def _compiled_step(pool_size: int) -> tuple[Callable, Callable]:
    """Returns a step of (params, moments, data) and its adjoint, compiled."""

    def loss_of(
        params: Tensors, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, Tensors]:
        logits, means = logits_of(params, None, images, pool_size)
        return _cross_entropy(logits, labels), means

    def step(params: Tensors, moments: Tensors, data: Tensors) -> tuple:
        images, labels, rate, momentum = data
        gradients, means = torch.func.grad(loss_of, has_aux=True)(
            params, images, labels
        )
        moments = [
            momentum * m + g for m, g in zip(moments, gradients, strict=True)
        ]
        params = [p - rate * m for p, m in zip(params, moments, strict=True)]
        return params, moments, means

    def adjoint_of(
        params: Tensors, moments: Tensors, data: Tensors, adjoint: tuple
    ) -> tuple:
        return torch.func.vjp(step, params, moments, data)[1](adjoint)

    return torch.compile(step), torch.compile(adjoint_of)


def torch_form(name: str, case: Case) -> Callable[[], Tensors]:
    """Returns a thunk.

    Args:
      name: `torch_plain`, `torch_stored`, `torch_remat`, `torch_compiled`: the
        last as `torch_remat`.
      case: its sizes.
    """
    if torch.cuda.is_available():
        torch.set_default_device("cuda")
    inputs = make_inputs(case)
    images = torch.tensor(inputs.images).permute(0, 1, 4, 2, 3).contiguous()
    whole = [images, *map(torch.tensor, inputs[1:4])]
    real_images = torch.tensor(inputs.real_images).permute(0, 3, 1, 2)
    real = real_images.contiguous(), torch.tensor(inputs.real_labels)
    initial = [torch_layout(p) for p in draw_params(case)]
    num_steps, pool_size = case.num_inner_steps, case.pool_size

    def meta_loss(params: Tensors, means: Tensors) -> torch.Tensor:
        logits, _ = logits_of(params, means, real[0], pool_size)
        return _cross_entropy(logits, real[1])

    def start() -> tuple[Tensors, Tensors]:
        params = [p.clone().requires_grad_() for p in initial]
        return params, [torch.zeros_like(p) for p in params]

    def plain() -> Tensors:
        params, moments = start()
        for step in range(num_steps):
            data = [v[step] for v in whole]
            params, moments, _ = _inner_step(
                params, moments, data, pool_size, False
            )
        return params

    def stored() -> Tensors:
        params, moments = start()
        leaves = [v.clone().requires_grad_() for v in whole]
        for step in range(num_steps):
            data = [v[step] for v in leaves]
            params, moments, means = _inner_step(
                params, moments, data, pool_size, True
            )
        return list(torch.autograd.grad(meta_loss(params, means), leaves))

    def remat() -> Tensors:
        params, moments = start()
        trajectory = []
        for step in range(num_steps):
            trajectory.append((params, moments))
            data = [v[step] for v in whole]
            params, moments, means = _inner_step(
                params, moments, data, pool_size, False
            )
        state = [t.detach().requires_grad_() for t in [*params, *means]]
        n = len(params)
        adjoint = torch.autograd.grad(meta_loss(state[:n], state[n:]), state)
        adjoint = [*adjoint[:n], *map(torch.zeros_like, moments), *adjoint[n:]]
        gradients = []
        for step in reversed(range(num_steps)):
            params, moments = (
                [t.detach().requires_grad_() for t in tensors]
                for tensors in trajectory.pop()
            )
            data = [v[step].clone().requires_grad_() for v in whole]
            after = _inner_step(params, moments, data, pool_size, True)
            products = torch.autograd.grad(
                [t for tensors in after for t in tensors],
                [*params, *moments, *data],
                grad_outputs=adjoint,
            )
            adjoint = [*products[: 2 * n], *map(torch.zeros_like, means)]
            gradients.append(products[2 * n :])
        columns = zip(*reversed(gradients), strict=True)
        return [torch.stack(column) for column in columns]

    step_of = adjoint_of = None
    if name == "torch_compiled":
        step_of, adjoint_of = _compiled_step(case.pool_size)

    def compiled() -> Tensors:
        params, moments = list(initial), [torch.zeros_like(p) for p in initial]
        trajectory = []
        for step in range(num_steps):
            trajectory.append((params, moments))
            params, moments, means = step_of(
                params, moments, [v[step] for v in whole]
            )
        state = [t.detach().requires_grad_() for t in [*params, *means]]
        n = len(params)
        adjoint = torch.autograd.grad(meta_loss(state[:n], state[n:]), state)
        zeros = [torch.zeros_like(m) for m in means]
        adjoint = (
            list(adjoint[:n]),
            [torch.zeros_like(m) for m in moments],
            list(adjoint[n:]),
        )
        gradients = []
        for step in reversed(range(num_steps)):
            before = trajectory.pop()
            data = [v[step] for v in whole]
            *products, of_data = adjoint_of(*before, data, adjoint)
            adjoint = (*products, zeros)
            gradients.append(of_data)
        columns = zip(*reversed(gradients), strict=True)
        return [torch.stack(column) for column in columns]

    forms = {
        "torch_plain": plain,
        "torch_stored": stored,
        "torch_remat": remat,
        "torch_compiled": compiled,
    }
    if name == "torch_remat" and case.num_learners > 1:
        return lambda: [remat() for _ in range(case.num_learners)]
    return forms[name]
