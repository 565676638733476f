"""The networks of Auto-Net 1.0 and 2.0 and of Auto-PyTorch: what they are made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from automl.architectures.activations import ScaledTanh
from automl.architectures.blocks import Residual
from automl.architectures.catalogue import family
from automl.architectures.family import Shape
from automl.architectures.first_weights import begin
from automl.architectures.shake import ShakeDrop
from automl.architectures.stacking import stack, unstack
from automl.errors import SettingError

SHAPE = Shape(inputs=7, outputs=3, rows=100)
MLP = {"num_groups": 2, "activation": "tanh", "num_units_1": 20, "num_units_2": 10}
SHAPED = {"mlp_shape": "funnel", "num_groups": 4, "max_units": 128, "activation": "relu"}
RESNET = {"num_groups": 2, "activation": "relu", "num_units_0": 8, "num_units_1": 6, "num_units_2": 4}
SHAPED_RESNET = {"resnet_shape": "brick", "num_groups": 2, "blocks_per_group": 3, "max_units": 16, "activation": "relu"}
LAYER = {"num_units_1": 12, "dropout_1": 0.2, "activation_1": "relu", "weight_init_1": "he_normal"}
AUTO_NET = {"num_layers": 1, "dropout_output": 0.5, **LAYER}


def build(name: str, config: dict[str, Any], **more: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: nn.Module = family(name).build(SHAPE, **config, **more)
    return made


def widths(net: nn.Module) -> list[tuple[int, int]]:
    return [(leaf.in_features, leaf.out_features) for leaf in net.modules() if isinstance(leaf, nn.Linear)]


def rates(net: nn.Module) -> list[float]:
    return [leaf.p for leaf in net.modules() if isinstance(leaf, nn.Dropout)]


def test_an_mlp_backbone_has_widths_and_rates_of_its_own_and_a_head() -> None:
    net = build("mlp_backbone", MLP, use_dropout=True, dropout_1=0.5, dropout_2=0.25, head_layers=2, head_units_1=64)
    assert widths(net) == [(7, 20), (20, 10), (10, 64), (64, 3)]
    assert rates(net) == [0.5, 0.25]
    assert [type(leaf) for leaf in net][:3] == [nn.Linear, nn.Tanh, nn.Dropout]
    assert rates(build("mlp_backbone", MLP)) == []


def test_a_shaped_mlp_ends_in_the_logits_or_in_a_width_before_its_head() -> None:
    # widths("funnel", 4, inputs=7, outputs=3, max_units=128) is 128, 87, 46, 3: steps of (128 − 3) // 3
    net = build("shaped_mlp_backbone", SHAPED, use_dropout=True, max_dropout=0.4)
    assert widths(net) == [(7, 128), (128, 87), (87, 46), (46, 3)]
    assert rates(net) == pytest.approx([0.4, 0.4 * 0.667, 0.4 * 0.334])  # 1000, 667 and 334 thousandths
    with_head = build("shaped_mlp_backbone", SHAPED, output_dim=8)
    assert widths(with_head) == [(7, 128), (128, 88), (88, 48), (48, 8), (8, 3)]


def test_wide_inputs_widen_a_published_shaped_network_as_in_the_reference() -> None:
    net = family("shaped_mlp_backbone").build(Shape(inputs=500, outputs=3, rows=100), **SHAPED)
    assert widths(net)[0] == (500, 500)


def test_a_resnet_backbone_has_blocks_of_each_group_or_equally_many() -> None:
    net = build("resnet_backbone", RESNET, use_dropout=False, blocks_per_group_1=1, blocks_per_group_2=3)
    blocks = [leaf for leaf in net.modules() if isinstance(leaf, Residual)]
    assert [block.branch[2].out_features for block in blocks] == [6, 4, 4, 4]
    assert widths(net)[0] == (7, 8)
    assert widths(net)[-1] == (4, 3)
    net = build("resnet_backbone", RESNET, blocks_per_group=2, dropout_1=0.1, dropout_2=0.9)
    assert rates(net) == [0.1, 0.1, 0.9, 0.9]


def test_shakes_are_those_of_auto_pytorch() -> None:
    on = {"use_shake_shake": True, "use_shake_drop": True, "max_shake_drop_probability": 0.6}
    net = build("shaped_resnet_backbone", SHAPED_RESNET, use_dropout=False, **on)
    blocks = [leaf for leaf in net.modules() if isinstance(leaf, Residual)]
    assert {block.mix.rule for block in blocks if block.mix} == {"shake_shake"}
    drops = [leaf.p for leaf in net.modules() if isinstance(leaf, ShakeDrop)]
    assert drops == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    off = build("shaped_resnet_backbone", SHAPED_RESNET, max_shake_drop_probability=0.6)
    assert not [leaf for leaf in off.modules() if isinstance(leaf, ShakeDrop)]


def test_auto_net_1_drops_before_each_layer_and_before_the_last() -> None:
    net = build("autonet_1", AUTO_NET)
    assert [type(leaf) for leaf in net] == [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert rates(net) == [0.2, 0.5]
    assert widths(net) == [(7, 12), (12, 3)]


@pytest.mark.parametrize(
    ("chosen", "at_minus_3"),
    [
        ({"activation_1": "linear"}, -3.0),
        ({"activation_1": "leaky", "leakiness_1": 0.3}, -0.9),
        ({"activation_1": "very_leaky"}, -1.0),
        ({"activation_1": "elu"}, -0.950213),  # exp(−3) − 1
        ({"activation_1": "scaled_tanh", "tanh_alpha_1": 2 / 3, "tanh_beta_1": 1.7159}, -1.654175),  # β · tanh(−2)
        ({"activation_1": "sigmoid"}, 0.047426),
    ],
    ids=lambda value: str(value.get("activation_1")) if isinstance(value, dict) else "",
)
def test_auto_net_1_bends_as_it_says(chosen: dict[str, Any], at_minus_3: float) -> None:
    net = build("autonet_1", AUTO_NET | chosen)
    bend = nn.Sequential(*[leaf for leaf in net if not isinstance(leaf, nn.Dropout | nn.Linear)])
    assert bend(torch.tensor(-3.0)).item() == pytest.approx(at_minus_3, abs=1e-6)


def test_layers_of_auto_net_1_stack_with_their_activations() -> None:
    config = AUTO_NET | {"dropout_1": 0.0, "dropout_output": 0.0, "activation_1": "scaled_tanh"}
    nets = [build("autonet_1", config), family("autonet_1").build(SHAPE, **config)]
    both, x = stack(nets), torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(both(x), torch.stack([net(part) for net, part in zip(nets, x, strict=True)]))
    assert torch.equal(unstack(both, 1)["0.weight"], nets[1].state_dict()["0.weight"])
    assert any(isinstance(leaf, ScaledTanh) for leaf in both.modules())


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("mlp_backbone", {"num_groups": 3, "activation": "relu", "num_units_1": 4}, "num_units_2, num_units_3"),
        ("mlp_backbone", MLP | {"use_dropout": True}, "dropout_1, dropout_2"),
        ("mlp_backbone", MLP | {"depth": 3}, "depth"),
        ("shaped_mlp_backbone", SHAPED | {"head_layers": 2}, "head_units_1"),
        ("resnet_backbone", RESNET | {"use_dropout": False}, "blocks_per_group_1"),
        ("autonet_1", AUTO_NET | {"num_units_2": 9}, "num_units_2"),
        ("autonet_1", AUTO_NET | {"num_layers": 2}, "num_units"),
    ],
)
def test_a_hyperparameter_that_is_missing_or_too_many_is_a_type_error(
    name: str, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        build(name, config)


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("normal", 0.005),
        ("uniform", 0.01 / 3**0.5),
        ("glorot_normal", (2 / (400 + 200)) ** 0.5),
        ("glorot_uniform", (2 / (400 + 200)) ** 0.5),
        ("he_normal", (2 / 400) ** 0.5),
        ("he_uniform", (2 / 400) ** 0.5),
        ("sparse", 0.01 * 0.1**0.5),
        ("orthogonal", 1 / 400**0.5),
        ("constant", 0.0),
    ],
)
def test_first_weights_have_the_spread_of_their_source(name: str, spread: float) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = begin(nn.Linear(400, 200), name, std=0.005)
    assert layer.weight.std().item() == pytest.approx(spread, rel=0.02)
    assert not layer.bias.any()


def test_first_weights_of_none_are_torchs_own_and_unknown_ones_are_named() -> None:
    layer = nn.Linear(5, 4)
    before = layer.weight.clone()
    assert torch.equal(begin(layer, "none").weight, before)
    assert begin(nn.Linear(5, 400), "he_normal", "normal").bias.std().item() == pytest.approx(0.01, rel=0.15)
    with pytest.raises(SettingError, match=r"did you mean 'he_normal'"):
        begin(layer, "he_norml")
