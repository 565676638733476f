"""AdamW and Nesterov SGD by torch's fused kernels, called without the bookkeeping of `torch.optim`.

`torch.optim.AdamW.step` spends 70 of its 100 µs on collecting lists that never change here. The kernels beneath it
(`torch._fused_adamw_`, `torch._fused_sgd_`; CPU and CUDA since torch 2.4) take the lists directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from automl.training.recipe import Recipe

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Constants of Adam: Kingma & Ba 2015, arXiv:1412.6980."""


class _Group:
    """Parameters with one weight decay, and their moments."""

    def __init__(self, params: list[Tensor], moments: dict[str, list[Tensor]], decay: float) -> None:
        self.params, self.moments, self.decay = params, moments, decay


class Optimizer:
    """Steps of a recipe's optimiser over named parameters.

    Attributes
    ----------
    steps: steps taken so far.
    moments: kind ("exp_avg", "exp_avg_sq" or "momentum") → parameter name → tensor like the parameter.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        recipe: Recipe,
        *,
        decayed: frozenset[str],
        moments: Mapping[str, Mapping[str, Tensor]],
        steps: int,
    ) -> None:
        self.recipe = recipe
        self.steps = steps
        self.params = list(parameters.values())
        kinds = ("exp_avg", "exp_avg_sq") if recipe.optimizer == "adamw" else ("momentum",)
        self.moments: dict[str, dict[str, Tensor]] = {kind: {} for kind in kinds}
        for kind in kinds:
            for name, parameter in parameters.items():
                # Same strides as the parameter: the fused kernels walk all of them in step.
                moment = torch.zeros_like(parameter, requires_grad=False)
                if moments:
                    moment.copy_(moments[kind][name])
                self.moments[kind][name] = moment
        self._groups: list[_Group] = []
        decaying = [n for n in parameters if n in decayed and recipe.weight_decay > 0]
        free = [n for n in parameters if n not in decaying]
        for names, decay in ((decaying, recipe.weight_decay), (free, 0.0)):
            if names:
                lists = {kind: [self.moments[kind][n] for n in names] for kind in kinds}
                self._groups.append(_Group([parameters[n] for n in names], lists, decay))
        # One tensor counts for all parameters: they have taken equally many steps.
        self._count = torch.tensor(float(steps), device=self.params[0].device) if self.params else torch.zeros(())

    def zero_grad(self) -> None:
        for parameter in self.params:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One step along the gradients of `.grad`; a parameter without one is treated as having zeros."""
        self.steps += 1
        self._count.add_(1)
        for group in self._groups:
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in group.params]
            if self.recipe.optimizer == "adamw":
                self._adamw(group, grads, learning_rate)
            else:
                self._sgd(group, grads, learning_rate)

    def _adamw(self, group: _Group, grads: list[Tensor], learning_rate: float) -> None:
        torch._fused_adamw_(
            group.params,
            grads,
            group.moments["exp_avg"],
            group.moments["exp_avg_sq"],
            [],
            [self._count] * len(grads),
            lr=learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=group.decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def _sgd(self, group: _Group, grads: list[Tensor], learning_rate: float) -> None:
        torch._fused_sgd_(
            group.params,
            grads,
            group.moments["momentum"],
            lr=learning_rate,
            momentum=self.recipe.momentum,
            dampening=0.0,
            weight_decay=group.decay,
            nesterov=self.recipe.momentum > 0,
            maximize=False,
            is_first_step=self.steps == 1,
        )


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
