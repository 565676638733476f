"""The gradient of the validation loss by the weights of operations, and its curvature.

Liu, Simonyan & Yang (2019), "DARTS", ICLR, arXiv:1806.09055, equations 5 to 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl.supernet.data import Batch

Loss = Callable[[Tensor, Batch], Tensor]
"""(alpha, batch) -> loss with the weights as they are."""


@dataclass(frozen=True)
class Virtual:
    """The step of SGD that the weights would take: w' = w − rate · (momentum · v + ∇L_train + decay · w).

    Attributes
    ----------
    rate: ξ; with 0 there is no step, and the gradient is of first order.
    velocity: v of each weight, or () for zeros.
    nudge: length of the step of the finite difference: ε = 0.01 / ‖∇_w' L_val‖ below equation 8.
    """

    rate: float
    decay: float = 0.0
    momentum: float = 0.0
    velocity: Sequence[Tensor | None] = ()
    nudge: float = 0.01


def hypergradient(
    loss: Loss, alpha: Tensor, weights: Sequence[Tensor], train: Batch, valid: Batch, virtual: Virtual
) -> Tensor:
    """∇_α of the validation loss after a virtual step of the weights on the training loss.

    The second derivative is a central difference along ∇_w' L_val (equation 8). The weights are left as they were.

    Parameters
    ----------
    alpha: (edges, operations), requires a gradient, as the weights do.
    train, valid: a batch of each half.
    """
    if virtual.rate == 0:
        (gradient,) = torch.autograd.grad(loss(alpha, valid), alpha)
        return gradient
    kept = [w.detach().clone() for w in weights]
    down = _by_weights(loss(alpha, train), weights)
    velocity = virtual.velocity or [None] * len(weights)
    with torch.no_grad():
        for w, g, v in zip(weights, down, velocity, strict=True):
            step = g + virtual.decay * w if v is None else virtual.momentum * v + g + virtual.decay * w
            w.sub_(virtual.rate * step)
    by_alpha, *along = torch.autograd.grad(
        loss(alpha, valid), [alpha, *weights], allow_unused=True, materialize_grads=True
    )
    length = float(torch.sqrt(sum((g.square().sum() for g in along), torch.zeros(()))))
    if length == 0:
        _set(weights, kept)
        return by_alpha
    nudge = virtual.nudge / length
    _set(weights, [w + nudge * g for w, g in zip(kept, along, strict=True)])
    (above,) = torch.autograd.grad(loss(alpha, train), alpha)
    _set(weights, [w - nudge * g for w, g in zip(kept, along, strict=True)])
    (below,) = torch.autograd.grad(loss(alpha, train), alpha)
    _set(weights, kept)
    return by_alpha - virtual.rate * (above - below) / (2 * nudge)


def dominant_eigenvalue(loss: Loss, alpha: Tensor, valid: Batch, start: Tensor, steps: int = 20) -> float:
    """The eigenvalue of largest magnitude of ∇²_α L_val, by power iteration (Zela et al. 2020, arXiv:1909.09656).

    Parameters
    ----------
    start: like alpha, not 0: where the iteration begins.
    steps: at most; it ends when the value changes by less than a thousandth.
    """
    (gradient,) = torch.autograd.grad(loss(alpha, valid), alpha, create_graph=True)
    vector, value = start / start.norm(), 0.0
    for _ in range(steps):
        (product,) = torch.autograd.grad(gradient, alpha, vector, retain_graph=True)
        before, value = value, float((vector * product).sum())
        if not float(product.norm()) > 0:
            return 0.0
        vector = product / product.norm()
        if abs(value - before) <= 1e-3 * abs(value):
            break
    return value


def _by_weights(loss: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)


def _set(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for w, value in zip(weights, values, strict=True):
            w.copy_(value)
