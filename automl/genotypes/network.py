"""The torch module of a plan. The only file of genotypes that imports torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from automl.genotypes.plan import Plan, Step


class Network(nn.Module):
    """Runs the steps of a plan.

    Modules are called as their steps, so that weights can be handed from one network to another by name and shape.

    Parameters
    ----------
    plan: what is run; inputs of (n, channels, height, width), or (n, columns) where the shape is (columns, 1, 1).
    norm: makes the normalisation of so many channels.
    """

    def __init__(self, plan: Plan, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.plan = plan
        for step in plan.steps:
            module = norm(step.shape[0]) if step.kind == "norm" else _module(step, plan)
            if module is not None:
                self._place(step.name, module)
        last_use = {source: place for place, step in enumerate(plan.steps) for source in step.inputs}
        self._spent = [[s for s in step.inputs if last_use[s] == place] for place, step in enumerate(plan.steps)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, outputs)."""
        shape = self.plan.steps[0].shape
        values: dict[int, Tensor] = {0: x.reshape(len(x), *shape)}
        for place, step in enumerate(self.plan.steps[1:], start=1):
            values[place] = self.run(step, [values[i] for i in step.inputs])
            for spent in self._spent[place]:
                values.pop(spent, None)
        return values[len(self.plan.steps) - 1].flatten(1)

    def run(self, step: Step, inputs: list[Tensor]) -> Tensor:
        """What a step makes of the outputs of those before it."""
        x = inputs[0]
        if step.kind in ("conv", "norm", "scale"):
            return self.get_submodule(step.name)(x)
        if step.kind == "linear":
            return self.get_submodule(step.name)(x.flatten(1))[:, :, None, None]
        if step.kind == "relu":
            return functional.relu(x)
        if step.kind == "max_pool":
            return functional.max_pool2d(x, step.kernel, step.stride, step.padding)
        if step.kind == "avg_pool":
            return functional.avg_pool2d(x, step.kernel, step.stride, step.padding, count_include_pad=False)
        if step.kind == "global_pool":
            return mean_of_pixels(x)[:, :, None, None]
        if step.kind == "sum":
            return reduce(torch.add, inputs)
        if step.kind == "concat":
            return torch.cat(inputs, 1)
        if step.kind == "shift":
            return functional.pad(x, (-1, 1, -1, 1))
        return x.new_zeros((len(x), *step.shape))

    def _place(self, name: str, module: nn.Module) -> None:
        *holders, last = name.split(".")
        at: nn.Module = self
        for holder in holders:
            if holder not in at._modules:
                at.add_module(holder, nn.Module())
            at = at.get_submodule(holder)
        at.add_module(last, module)


def mean_of_pixels(x: Tensor) -> Tensor:
    """(n, channels, height, width) → (n, channels).

    Its gradient has channels last where `x` has. That of `x.mean((2, 3))` has channels first, for which the backward of
    the batch norm before it takes a path that is up to ten times as slow (measured, torch 2.13 on a CPU).
    """
    return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)


class Scale(nn.Module):
    """Multiplies by one learnable number, 0 at first, so that what it scales joins a network without a jolt."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


class Depthwise(nn.Conv2d):
    """A depthwise convolution, on CPUs in the precision of its weights where bfloat16 would be slow.

    The backward of oneDNN in bfloat16 takes four times as long as in float32 but for kernels of 3 without dilation
    (measured, torch 2.13, one core with AMX: 98 and 20 ms for 128 channels of 16×16, kernel 5, 64 images).
    """

    def forward(self, input: Tensor) -> Tensor:
        slow = input.device.type == "cpu" and (max(self.kernel_size) > 3 or max(self.dilation) > 1)
        if not slow:
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.to(self.weight.dtype))


def _module(step: Step, plan: Plan) -> nn.Module | None:
    if step.kind == "scale":
        return Scale()
    if step.kind == "linear":
        return nn.Linear(plan.steps[step.inputs[0]].shape[0], step.shape[0], bias=step.bias)
    if step.kind == "conv":
        return (Depthwise if step.groups > 1 else nn.Conv2d)(
            plan.steps[step.inputs[0]].shape[0],
            step.shape[0],
            step.kernel,
            step.stride,
            step.padding,
            step.dilation,
            step.groups,
            bias=step.bias,
        )
    return None
