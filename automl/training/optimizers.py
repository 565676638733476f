"""The optimisers of a recipe by torch's fused kernels, called without the bookkeeping of `torch.optim`.

`torch.optim.AdamW.step` spends 70 of its 100 µs on collecting lists that never change here. The kernels beneath it
(`torch._fused_adamw_` and its like; CPU and CUDA since torch 2.4) take the lists directly. What has no fused kernel on
both is written in `torch._foreach` operations, in the order of `torch.optim`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from automl.architectures.rates import Rate
from automl.training.recipe import Recipe

Tensors = list[Tensor] | tuple[Tensor, ...]
EPSILON = 1e-8
"""Added to the root of the mean square by adamw, adam (Kingma & Ba 2015, arXiv:1412.6980) and rmsprop."""
ADAGRAD_EPSILON, ADADELTA_EPSILON = 1e-10, 1e-6
"""As in `torch.optim`; Zeiler 2012, arXiv:1212.5701, has the latter."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Parameters of one rate, with their moments.

    Attributes
    ----------
    rate, decay: factors of the learning rate and of the weight decay of a step.
    moments: kind → a tensor for each parameter.
    counts: steps taken, once for each parameter: the same tensor, since they have taken equally many.
    """

    params: list[Tensor]
    moments: dict[str, list[Tensor]]
    counts: list[Tensor]
    rate: float
    decay: float


class Optimizer:
    """Steps of a recipe's optimiser over named parameters.

    Parameters
    ----------
    rates: of each parameter, see `architectures.rates.parameter_rates`.
    moments: of an earlier run to go on from, as in `Optimizer.moments`; empty at the start.
    steps: that the earlier run took.

    Attributes
    ----------
    steps: steps taken so far.
    moments: kind, such as "exp_avg" → parameter name → tensor like the parameter.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        recipe: Recipe,
        *,
        rates: Mapping[str, Rate],
        moments: Mapping[str, Mapping[str, Tensor]],
        steps: int,
    ) -> None:
        self.recipe = recipe
        self.steps = steps
        self.params = list(parameters.values())
        kinds, self._update = _ALGORITHMS[recipe.optimizer]
        self.moments: dict[str, dict[str, Tensor]] = {kind: {} for kind in kinds}
        for kind in kinds:
            for name, parameter in parameters.items():
                # Same strides as the parameter: the fused kernels walk all of them in step.
                moment = torch.zeros_like(parameter, requires_grad=False)
                if moments:
                    moment.copy_(moments[kind][name])
                self.moments[kind][name] = moment
        self._count = torch.tensor(float(steps), device=self.params[0].device) if self.params else torch.zeros(())
        alike: dict[tuple[float, float], list[str]] = {}
        for name in parameters:
            alike.setdefault((rates[name].learning_rate, rates[name].decay or 0.0), []).append(name)
        self._groups = [
            _Group(
                [parameters[n] for n in names],
                {kind: [self.moments[kind][n] for n in names] for kind in kinds},
                [self._count] * len(names),
                rate,
                decay * recipe.weight_decay,
            )
            for (rate, decay), names in alike.items()
        ]

    def zero_grad(self) -> None:
        for parameter in self.params:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float, decay: float = 1.0) -> None:
        """One step along the gradients of `.grad`; a parameter without one is treated as having zeros.

        decay: factor of the recipe's weight decay.
        """
        self.steps += 1
        self._count.add_(1)
        for group in self._groups:
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in group.params]
            self._update(group, grads, self.recipe, learning_rate * group.rate, group.decay * decay)


def _adamw(group: _Group, grads: Tensors, recipe: Recipe, learning_rate: float, decay: float) -> None:
    _adam_kernel(torch._fused_adamw_, group, grads, recipe, learning_rate, decay)


def _adam(group: _Group, grads: Tensors, recipe: Recipe, learning_rate: float, decay: float) -> None:
    _adam_kernel(torch._fused_adam_, group, grads, recipe, learning_rate, decay)


def _adam_kernel(
    kernel: Callable[..., None],
    group: _Group,
    grads: Tensors,
    recipe: Recipe,
    learning_rate: float,
    decay: float,
) -> None:
    kernel(
        group.params,
        grads,
        group.moments["exp_avg"],
        group.moments["exp_avg_sq"],
        [],
        group.counts,
        lr=learning_rate,
        beta1=recipe.beta1,
        beta2=recipe.beta2,
        weight_decay=decay,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
    )


def _sgd(group: _Group, grads: Tensors, recipe: Recipe, learning_rate: float, decay: float) -> None:
    torch._fused_sgd_(
        group.params,
        grads,
        group.moments["momentum"] if recipe.momentum > 0 else [],
        lr=learning_rate,
        momentum=recipe.momentum,
        dampening=0.0,
        weight_decay=decay,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        maximize=False,
        is_first_step=False,  # without dampening, a momentum of zeros gives the same first step
    )


def _rmsprop(group: _Group, grads: Tensors, recipe: Recipe, learning_rate: float, decay: float) -> None:
    grads = _with_l2(group, grads, decay)
    squares, momentum = group.moments["square_avg"], group.moments["momentum"]
    roots = _roots(_averaged_squares(squares, grads, recipe.alpha), EPSILON)
    torch._foreach_mul_(momentum, recipe.momentum)
    torch._foreach_addcdiv_(momentum, grads, roots)
    torch._foreach_add_(group.params, momentum, alpha=-learning_rate)


def _adagrad(group: _Group, grads: Tensors, recipe: Recipe, learning_rate: float, decay: float) -> None:
    grads = _with_l2(group, grads, decay)
    sums = group.moments["sum"]
    torch._foreach_addcmul_(sums, grads, grads, 1.0)
    torch._foreach_addcdiv_(group.params, grads, _roots(sums, ADAGRAD_EPSILON), -learning_rate)


def _adadelta(group: _Group, grads: Tensors, recipe: Recipe, learning_rate: float, decay: float) -> None:
    grads = _with_l2(group, grads, decay)
    squares = _averaged_squares(group.moments["square_avg"], grads, recipe.rho)
    taken = group.moments["acc_delta"]
    steps = torch._foreach_add(taken, ADADELTA_EPSILON)
    means = torch._foreach_add(squares, ADADELTA_EPSILON)
    torch._foreach_sqrt_(steps)
    torch._foreach_sqrt_(means)
    torch._foreach_div_(steps, means)
    torch._foreach_mul_(steps, grads)
    _averaged_squares(taken, steps, recipe.rho)
    torch._foreach_add_(group.params, steps, alpha=-learning_rate)


def _with_l2(group: _Group, grads: Tensors, decay: float) -> Tensors:
    return torch._foreach_add(grads, group.params, alpha=decay) if decay > 0 else grads


def _averaged_squares(means: Tensors, values: Tensors, kept: float) -> Tensors:
    """`means`, moved in place towards the squares of the values."""
    torch._foreach_mul_(means, kept)
    torch._foreach_addcmul_(means, values, values, 1 - kept)
    return means


def _roots(squares: Tensors, epsilon: float) -> Tensors:
    roots = torch._foreach_sqrt(squares)
    torch._foreach_add_(roots, epsilon)
    return roots


_Update = Callable[[_Group, Tensors, Recipe, float, float], None]
_ALGORITHMS: Mapping[str, tuple[tuple[str, ...], _Update]] = MappingProxyType(
    {
        "adamw": (("exp_avg", "exp_avg_sq"), _adamw),
        "adam": (("exp_avg", "exp_avg_sq"), _adam),
        "sgd": (("momentum",), _sgd),
        "rmsprop": (("square_avg", "momentum"), _rmsprop),
        "adagrad": (("sum",), _adagrad),
        "adadelta": (("square_avg", "acc_delta"), _adadelta),
    }
)
"""Name → kinds of moments, and the function of a group's step."""


@torch.no_grad()
def clip_members(parameters: Sequence[nn.Parameter], members: int, largest: float) -> None:
    """Scale each member's gradient to a norm of at most `largest`.

    parameters: stacked along the first dimension where `members` > 1.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    squares = torch.stack([g.reshape(members, -1).square().sum(1) for g in grads]).sum(0)
    scale = (largest / (squares.sqrt() + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(scale.view(-1, *(1,) * (grad.dim() - 1)) if members > 1 else scale)
