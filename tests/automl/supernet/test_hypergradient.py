"""The gradient by the weights of operations against finite differences, in double precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small_images import SPACES, batch, layout
from torch import Tensor
from torch.nn import functional

from automl.supernet.hypergradient import Loss, Virtual, dominant_eigenvalue, hypergradient
from automl.supernet.methods.darts import Darts
from automl.supernet.network import Supernet

every_family = pytest.mark.parametrize("family", SPACES)
TRAIN, VALID = batch(dtype=torch.float64, seed=1), batch(dtype=torch.float64, seed=2)


def problem(family: str) -> tuple[Loss, Tensor, list[Tensor]]:
    """A loss, an α that is not the first, and the weights."""
    supernet = Supernet(layout(family), seed=2).double()
    shape = (len(supernet.layout.edges), len(supernet.layout.operations))
    alpha = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)

    def loss(values: Tensor, part: tuple[Tensor, Tensor]) -> Tensor:
        return functional.cross_entropy(supernet.mixed(part[0], values.softmax(-1)), part[1])

    return loss, alpha, list(supernet.parameters())


def differences(value: Callable[[Tensor], float], alpha: Tensor, places: list[tuple[int, int]]) -> Tensor:
    """Central differences of `value` by some entries of α."""
    found = []
    for place in places:
        nudged = [alpha.detach().clone() for _ in range(2)]
        nudged[0][place] += 1e-5
        nudged[1][place] -= 1e-5
        found.append((value(nudged[0]) - value(nudged[1])) / 2e-5)
    return torch.tensor(found, dtype=torch.float64)


def some(alpha: Tensor) -> list[tuple[int, int]]:
    """Five or six edges, operations in turn."""
    return [(edge, i % alpha.shape[1]) for i, edge in enumerate(range(0, alpha.shape[0], -(-alpha.shape[0] // 6)))]


def picked(gradient: Tensor, places: list[tuple[int, int]]) -> Tensor:
    return torch.stack([gradient[place] for place in places])


@every_family
def test_first_order_equals_finite_differences(family: str) -> None:
    loss, alpha, weights = problem(family)
    gradient = hypergradient(loss, alpha, weights, TRAIN, VALID, Virtual(0.0))
    places = some(alpha)
    expected = differences(lambda a: float(loss(a, VALID).detach()), alpha, places)
    assert (picked(gradient, places) - expected).norm() / expected.norm() < 1e-6


@every_family
def test_second_order_equals_finite_differences_through_the_virtual_step(family: str) -> None:
    loss, alpha, weights = problem(family)
    velocity = [0.1 * torch.sign(w) for w in weights]
    # A smaller nudge than that for single precision: the network has kinks, which a longer step would jump over.
    virtual = Virtual(0.05, decay=1e-2, momentum=0.9, velocity=velocity, nudge=1e-6)
    kept = [w.detach().clone() for w in weights]

    def after_step(a: Tensor) -> float:
        gradients = torch.autograd.grad(loss(a, TRAIN), weights, allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            for w, g, v in zip(weights, gradients, velocity, strict=True):
                w -= virtual.rate * (virtual.momentum * v + g + virtual.decay * w)
            value = float(loss(a, VALID))
            for w, old in zip(weights, kept, strict=True):
                w.copy_(old)
        return value

    gradient = hypergradient(loss, alpha, weights, TRAIN, VALID, virtual)
    places = some(alpha)
    expected = differences(after_step, alpha, places)
    first = picked(hypergradient(loss, alpha, weights, TRAIN, VALID, Virtual(0.0)), places)
    assert (picked(gradient, places) - expected).norm() / expected.norm() < 1e-3
    assert (first - expected).norm() / expected.norm() > 1e-2  # the second order is there, and is not small
    assert all(torch.equal(w, old) for w, old in zip(weights, kept, strict=True))


def test_the_virtual_step_of_darts_is_the_one_that_its_optimiser_takes() -> None:
    supernet, darts = Supernet(layout("edge_cell"), seed=2).double(), Darts(order=2)
    parameters = list(supernet.parameters())
    sgd = darts.weights.optimizer(supernet)
    shares = torch.full((6, 5), 0.2, dtype=torch.float64)
    for _ in range(2):
        darts.weights.down(sgd, functional.cross_entropy(supernet.mixed(TRAIN[0], shares), TRAIN[1]))
    virtual = darts._virtual(supernet, sgd, darts.weights.set_rate(sgd, 0.25))
    sgd.zero_grad()
    functional.cross_entropy(supernet.mixed(TRAIN[0], shares), TRAIN[1]).backward()
    expected = []
    for w, v in zip(parameters, virtual.velocity, strict=True):
        assert w.grad is not None
        assert v is not None
        expected.append(w - virtual.rate * (virtual.momentum * v + w.grad + virtual.decay * w))
    sgd.step()  # without clipping, as in the paper's code
    assert all(torch.allclose(w, e, rtol=0, atol=1e-12) for w, e in zip(parameters, expected, strict=True))
    assert virtual.rate == pytest.approx(0.001 + 0.024 * (1 + 0.5**0.5) / 2)


def test_a_virtual_step_of_rate_zero_is_first_order() -> None:
    loss, alpha, weights = problem("edge_cell")
    first = hypergradient(loss, alpha, weights, TRAIN, VALID, Virtual(0.0))
    tiny = hypergradient(loss, alpha, weights, TRAIN, VALID, Virtual(1e-12, decay=1e-2))
    (plain,) = torch.autograd.grad(loss(alpha, VALID), alpha)
    assert torch.equal(first, plain)
    assert (tiny - first).abs().max() < 1e-9


def test_the_dominant_eigenvalue_is_the_one_of_largest_magnitude() -> None:
    matrix = torch.diag(torch.tensor([1.0, -3.0, 2.0, 0.5], dtype=torch.float64))
    alpha = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)

    def quadratic(a: Tensor, part: tuple[Tensor, Tensor]) -> Tensor:
        return 0.5 * a.flatten() @ matrix @ a.flatten()

    start = torch.ones(2, 2, dtype=torch.float64)
    assert dominant_eigenvalue(quadratic, alpha, VALID, start, steps=100) == pytest.approx(-3.0, rel=1e-2)


@pytest.mark.slow
def test_the_dominant_eigenvalue_of_a_supernet_is_that_of_its_whole_hessian() -> None:
    loss, alpha, _ = problem("edge_cell")
    hessian = torch.autograd.functional.hessian(lambda a: loss(a.reshape(alpha.shape), VALID), alpha.detach().flatten())
    values = torch.linalg.eigvalsh(hessian)
    expected = float(values[values.abs().argmax()])
    start = torch.ones_like(alpha).detach() + 0.1 * torch.arange(alpha.numel()).reshape(alpha.shape)
    assert dominant_eigenvalue(loss, alpha, VALID, start, steps=300) == pytest.approx(expected, rel=0.02)
