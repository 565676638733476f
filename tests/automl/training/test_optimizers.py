"""The bare steps against torch's own optimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from automl.architectures.rates import Rate, parameter_rates
from automl.training.optimizers import Optimizer, clip_members
from automl.training.recipe import OPTIMIZERS, Recipe

CASES: list[tuple[dict[str, Any], Callable[..., torch.optim.Optimizer]]] = [
    ({"optimizer": "adamw"}, torch.optim.AdamW),
    ({"optimizer": "adamw", "beta1": 0.8, "beta2": 0.95}, lambda g, **k: torch.optim.AdamW(g, betas=(0.8, 0.95), **k)),
    ({"optimizer": "adam"}, torch.optim.Adam),
    ({"optimizer": "adam", "beta2": 0.95}, lambda g, **k: torch.optim.Adam(g, betas=(0.9, 0.95), **k)),
    ({"optimizer": "sgd", "momentum": 0.8}, lambda g, **k: torch.optim.SGD(g, momentum=0.8, nesterov=True, **k)),
    ({"optimizer": "sgd", "momentum": 0.8, "nesterov": False}, lambda g, **k: torch.optim.SGD(g, momentum=0.8, **k)),
    ({"optimizer": "sgd", "momentum": 0.0}, torch.optim.SGD),
    ({"optimizer": "rmsprop", "momentum": 0.7}, lambda g, **k: torch.optim.RMSprop(g, momentum=0.7, **k)),
    ({"optimizer": "rmsprop", "momentum": 0.0, "alpha": 0.9}, lambda g, **k: torch.optim.RMSprop(g, alpha=0.9, **k)),
    ({"optimizer": "adagrad"}, torch.optim.Adagrad),
    ({"optimizer": "adadelta"}, torch.optim.Adadelta),
    ({"optimizer": "adadelta", "rho": 0.95}, lambda g, **k: torch.optim.Adadelta(g, rho=0.95, **k)),
]
X = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))


def layer(seed: int = 0) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(4, 3)


def optimizer_of(net: nn.Module, recipe: Recipe, **more: Any) -> Optimizer:
    return Optimizer(
        dict(net.named_parameters()), recipe, **{"rates": parameter_rates(net), "moments": {}, "steps": 0, **more}
    )


def learn(net: nn.Module, optimizer: Any, *, steps: int, step: Callable[[], None]) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        net(X).square().sum().backward()
        step()


def assert_equal(ours: nn.Module, theirs: nn.Module) -> None:
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter, theirs.get_parameter(name))


@pytest.mark.parametrize(("fields", "of_torch"), CASES)
def test_each_step_equals_that_of_torch(fields: dict[str, Any], of_torch: Any) -> None:
    ours, theirs = layer(), layer()
    mine = optimizer_of(ours, Recipe(weight_decay=0.1, **fields))
    other = of_torch(
        [{"params": [theirs.weight]}, {"params": [theirs.bias], "weight_decay": 0.0}], lr=0.05, weight_decay=0.1
    )
    for _ in range(5):
        learn(ours, mine, steps=1, step=lambda: mine.step(0.05))
        learn(theirs, other, steps=1, step=other.step)
        assert_equal(ours, theirs)
    assert not torch.equal(ours.weight, layer().weight)


def test_every_optimiser_is_compared_with_torchs() -> None:
    assert {fields["optimizer"] for fields, _ in CASES} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_that_is_cut_and_continued_is_bit_identical(name: str) -> None:
    recipe = Recipe(optimizer=name)
    straight, cut = layer(), layer()
    mine = optimizer_of(straight, recipe)
    learn(straight, mine, steps=6, step=lambda: mine.step(0.05))
    first = optimizer_of(cut, recipe)
    learn(cut, first, steps=2, step=lambda: first.step(0.05))
    second = optimizer_of(cut, recipe, moments=first.moments, steps=first.steps)
    learn(cut, second, steps=4, step=lambda: second.step(0.05))
    assert second.steps == 6
    assert torch.equal(straight.weight, cut.weight)
    assert torch.equal(straight.bias, cut.bias)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stacked_parameters_take_the_steps_of_each_alone(name: str) -> None:
    recipe = Recipe(optimizer=name)
    alone = [layer(0), layer(1)]
    weight = torch.stack([net.weight.detach() for net in alone])
    stacked = nn.Parameter(weight.transpose(1, 2).contiguous().transpose(1, 2))  # the strides of MemberLinear
    together = Optimizer({"weight": stacked}, recipe, rates={"weight": Rate(decay=1.0)}, moments={}, steps=0)
    single = [optimizer_of(net, recipe) for net in alone]
    for _ in range(4):
        together.zero_grad()
        torch.einsum("mod,bd->mbo", stacked, X).square().sum().backward()
        together.step(0.05)
        for net, optimizer in zip(alone, single, strict=True):
            optimizer.zero_grad()
            (X @ net.weight.T).square().sum().backward()
            optimizer.step(0.05)
    torch.testing.assert_close(stacked.detach(), torch.stack([net.weight.detach() for net in alone]))


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_parameter_may_have_a_learning_rate_and_a_weight_decay_of_its_own(name: str) -> None:
    ours, theirs = layer(), layer()
    rates = {"weight": Rate(6.0, decay=0.5), "bias": Rate(0.1, decay=2.0)}
    mine = optimizer_of(ours, Recipe(optimizer=name, weight_decay=0.1, momentum=0.0), rates=rates)
    groups: list[dict[str, Any]] = [
        {"params": [theirs.weight], "lr": 6.0 * 0.001, "weight_decay": 0.05},
        {"params": [theirs.bias], "lr": 0.1 * 0.001, "weight_decay": 0.2},
    ]
    other: Any = torch.optim.AdamW(groups) if name == "adamw" else torch.optim.SGD(groups, lr=1.0)
    learn(ours, mine, steps=3, step=lambda: mine.step(0.001))
    learn(theirs, other, steps=3, step=other.step)
    assert_equal(ours, theirs)


def test_a_step_scales_its_weight_decay() -> None:
    def decayed(factor: float) -> Tensor:
        net = layer()
        optimizer = optimizer_of(net, Recipe(optimizer="adamw", weight_decay=0.1))
        optimizer.step(0.5, factor)  # no gradients: only the decay acts
        return net.weight.detach()

    assert torch.equal(decayed(0.0), layer().weight)
    torch.testing.assert_close(decayed(1.0), layer().weight * 0.95)
    torch.testing.assert_close(decayed(0.5), layer().weight * 0.975)


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
