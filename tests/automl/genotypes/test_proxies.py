"""Zero-cost proxies: exact where a formula can be worked out by hand, and in the direction that their paper reports."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from automl.errors import SettingError
from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.proxies import PROXIES, jacob_cov, params, proxy, synflow

WIDE = EdgeCell(("conv_3x3",) * 6, cells=1, filters=4)
NARROW = EdgeCell(("skip_connect", "none", "avg_pool_3x3", "none", "none", "conv_1x1"), cells=1, filters=4)
SHAPE = (3, 8, 8)


def test_synflow_of_two_linear_layers_is_the_sum_over_paths() -> None:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
        network[1].weight.copy_(torch.tensor([[-5.0, 6.0]]))
    # Σ over paths of |weights|: 5·(1 + 2) + 6·(3 + 4) = 57, once for the parameters of each layer
    assert synflow(network, torch.zeros(1, 2)) == pytest.approx(math.log1p(2 * 57))


def test_gradients_that_are_orthogonal_score_higher_than_equal_ones() -> None:
    class Squares(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x**2).sum(1, keepdim=True)

    generator = torch.Generator().manual_seed(0)
    apart = torch.randn(6, 50, generator=generator)
    assert jacob_cov(Squares(), apart) > jacob_cov(Squares(), apart[:1].repeat(6, 1) * torch.arange(1, 7)[:, None])


@pytest.mark.parametrize("name", PROXIES)
def test_a_score_is_repeatable_leaves_random_numbers_alone_and_ranks_wide_above_narrow(name: str) -> None:
    score = proxy(name, SHAPE, 10)
    state = torch.random.get_rng_state()
    assert score(WIDE) == score(WIDE)
    assert torch.equal(torch.random.get_rng_state(), state)
    if name != "jacob_cov":  # measures how inputs are told apart, not size
        assert score(WIDE) > score(NARROW)


def test_parameters_are_counted() -> None:
    assert params(nn.Linear(3, 2), torch.zeros(1, 3)) == 8


def test_a_network_that_nothing_flows_through_comes_last() -> None:
    dead = EdgeCell(("none",) * 6, cells=1, filters=4)
    assert proxy("jacob_cov", SHAPE, 10)(dead) < proxy("jacob_cov", SHAPE, 10)(NARROW)
    assert proxy("synflow", SHAPE, 10)(dead) < proxy("synflow", SHAPE, 10)(NARROW)


def test_an_unknown_proxy_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'synflow'"):
        proxy("sinflow", SHAPE, 10)
