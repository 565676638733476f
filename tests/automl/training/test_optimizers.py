"""The bare fused steps against torch's own optimisers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from automl.architectures.rates import parameter_rates
from automl.training.optimizers import Optimizer, clip_members
from automl.training.recipe import Recipe


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_steps_equal_those_of_torch(name: str) -> None:
    recipe = Recipe(optimizer=name, weight_decay=0.1, momentum=0.8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = nn.Linear(4, 3)
    theirs = nn.Linear(4, 3)
    theirs.load_state_dict(ours.state_dict())
    mine = Optimizer(dict(ours.named_parameters()), recipe, rates=parameter_rates(ours), moments={}, steps=0)
    groups = [{"params": [theirs.weight]}, {"params": [theirs.bias], "weight_decay": 0.0}]
    other: torch.optim.Optimizer
    if name == "adamw":
        other = torch.optim.AdamW(groups, lr=0.05, weight_decay=0.1)
    else:
        other = torch.optim.SGD(groups, lr=0.05, weight_decay=0.1, momentum=0.8, nesterov=True)
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(5):
        for net, optimizer in ((ours, mine), (theirs, other)):
            optimizer.zero_grad()
            net(x).square().sum().backward()
        mine.step(0.05)
        other.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_clipping_bounds_the_gradient_of_each_member_apart() -> None:
    parameters = [nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(2, 2, 2))]
    small, large = 0.01, 10.0
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, small)
        parameter.grad[1] = large
    clip_members(parameters, members=2, largest=1.0)
    flat = torch.cat([p.grad.reshape(2, -1) for p in parameters if p.grad is not None], 1)
    assert torch.equal(flat[0], torch.full((7,), small))
    assert float(flat[1].norm()) == pytest.approx(1.0, abs=1e-4)
