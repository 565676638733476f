"""TabM: what its k networks share, and what one of them alone is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from automl.architectures.catalogue import family
from automl.architectures.family import Shape
from automl.architectures.tabm_network import TabMNetwork

CONFIG = {"arch_type": "tabm", "k": 4, "n_blocks": 2, "d_block": 8, "dropout": 0.0, "embedding": "none"}


def network(**changes: Any) -> TabMNetwork:
    torch.manual_seed(0)
    built: TabMNetwork = family("tabm").build(Shape(4, 2, 50, 3, (3,)), **{**CONFIG, **changes})
    return built.eval()


def rows(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, generator=g), torch.randint(0, 4, (n, 1), generator=g)


@torch.no_grad()
def test_one_network_with_scalings_of_one_is_a_plain_multilayer_perceptron() -> None:
    net = network(k=1)
    first, second = (block[0] for block in net.backbone.blocks)
    for layer in (first, second):
        layer.r.fill_(1.0), layer.s.fill_(1.0)
    linear = [nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)]
    for made, layer in zip(linear, (first, second, None), strict=True):
        made.weight.copy_(net.head.weight[0].T if layer is None else layer.weight)
        made.bias.copy_((net.head.bias if layer is None else layer.bias)[0])
    plain = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    numbers, codes = rows()
    dense = torch.cat([numbers, (codes == torch.arange(1, 4)).float()], 1)
    torch.testing.assert_close(net(numbers, codes)[:, 0], plain(dense))


@torch.no_grad()
@pytest.mark.parametrize("arch_type", ["tabm", "tabm-mini"])
def test_the_predictions_of_a_row_differ_and_are_the_same_for_equal_heads_and_scalings(arch_type: str) -> None:
    net = network(arch_type=arch_type)
    numbers, codes = rows()
    out = net(numbers, codes)
    assert out.shape == (6, 4, 2)
    assert not torch.allclose(out[:, 0], out[:, 1])
    for parameter in [p for name, p in net.named_parameters() if p.shape[0] == 4 and "blocks.1" not in name]:
        parameter.copy_(parameter[:1].expand_as(parameter))
    out = net(numbers, codes)
    torch.testing.assert_close(out[:, 0], out[:, 3])


def test_a_column_has_one_sign_in_each_network_whatever_it_is_encoded_as() -> None:
    net = network(arch_type="tabm-mini", embedding="piecewise", n_bins=5, d_embedding=4)
    pieces = net.backbone.affine.weight.detach().split([4, 4, 4, 3], dim=1)
    assert all((piece == piece[:, :1]).all() for piece in pieces)
    assert not torch.allclose(pieces[0][:, :1], pieces[1][:, :1])


def test_the_configuration_of_the_paper_is_in_the_space() -> None:
    space = family("tabm").space()
    paper = {"arch_type": "tabm", "k": 32, "n_blocks": 3, "d_block": 512, "dropout": 0.1, "embedding": "none"}
    assert all(space[name].legal_value(value) for name, value in paper.items())
