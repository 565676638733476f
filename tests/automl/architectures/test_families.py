"""What every family of networks must keep: the default and 20 random configurations of each."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from automl.architectures.catalogue import FAMILIES, family
from automl.architectures.family import Family, Shape, native
from automl.architectures.inputs import TabularNet, tabular_network
from automl.architectures.prime import prime
from automl.architectures.rates import parameter_rates
from automl.errors import SettingError

NETWORKS = ["ft_transformer", "mlp", "realmlp", "resnet", "tabm"]
PUBLISHED = ["autonet_1", "mlp_backbone", "resnet_backbone", "shaped_mlp_backbone", "shaped_resnet_backbone"]
"""Kept as they were published: not all of their configurations learn, and some take long."""
LEVELS = [2, 3, 12, 40, 70, 80]


class Wide:
    """A user's own family, as short as one can be."""

    name = "wide"

    def space(self) -> Any:
        from ConfigSpace import ConfigurationSpace

        return ConfigurationSpace({"width": (16, 256)})

    def build(self, shape: Shape, *, width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(shape.inputs, width), nn.ReLU(), nn.Linear(width, shape.outputs))


def name_of(of: str | Family) -> str:
    return of if isinstance(of, str) else of.name


ALL: list[str | Family] = [*NETWORKS, Wide()]


def configurations(of: str | Family) -> list[dict[str, Any]]:
    """The default and 20 random ones."""
    space = family(of).space()
    space.seed(0)
    return [native(dict(c)) for c in (space.get_default_configuration(), *space.sample_configuration(20))]


def network(of: str | Family, config: dict[str, Any], outputs: int = 3, seed: int = 0) -> TabularNet:
    return tabular_network(of, config, numbers=5, levels=LEVELS, outputs=outputs, rows=100, seed=seed)


def batch(rows: int = 48, outputs: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    codes = torch.stack([torch.randint(0, n + 1, (rows,), generator=g) for n in LEVELS], 1)
    return torch.randn(rows, 5, generator=g), codes, torch.randint(0, outputs, (rows,), generator=g)


def loss_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of one prediction per row, or of each of k."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.repeat_interleave(logits[0].numel() // 3))


@pytest.mark.parametrize("of", ALL, ids=name_of)
def test_every_configuration_gives_a_logit_per_class_and_a_gradient_to_every_parameter(of: str | Family) -> None:
    numbers, codes, targets = batch()
    for config in configurations(of):
        for outputs in (1, 2, 3):
            net = network(of, config, outputs)
            logits = net(numbers, codes)
            k = (config["k"],) if "k" in config else ()
            assert logits.shape == (48, *k, outputs), config
            assert torch.isfinite(logits).all(), config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            loss_of(net(numbers, codes), targets).backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, (name, config)
            assert torch.isfinite(parameter.grad).all(), (name, config)
            assert parameter.grad.abs().sum() > 0, (name, config)


SOME = [pytest.param(slice(7), id="some"), pytest.param(slice(7, None), id="others", marks=pytest.mark.slow)]


@pytest.mark.parametrize("of", ALL, ids=name_of)
@pytest.mark.parametrize("which", SOME)
def test_every_configuration_learns_one_batch_by_heart(of: str | Family, which: slice) -> None:
    numbers, codes, targets = batch(rows=24)
    for config in configurations(of)[which]:
        # Dropout is meant to hinder learning by heart, so it is left out here.
        hindered = {name for name, value in config.items() if "dropout" in name and isinstance(value, float)}
        net = network(of, {**config, **dict.fromkeys(hindered, 0.0)})
        optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
        for _ in range(150):
            loss = loss_of(net(numbers, codes), targets)
            if loss < 0.05:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss < 0.05, config


@pytest.mark.parametrize("of", [*ALL, *PUBLISHED], ids=name_of)
def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone(of: str | Family) -> None:
    config = configurations(of)[0]
    before = torch.random.get_rng_state()
    first, same, other = network(of, config), network(of, config), network(of, config, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


@pytest.mark.parametrize("of", ALL, ids=name_of)
@pytest.mark.parametrize("rows", [2, 48])
def test_what_a_network_learns_from_the_rows_before_training_lies_in_weights_of_fixed_shapes(
    of: str | Family, rows: int
) -> None:
    numbers, codes, targets = (t[:rows] for t in batch())
    numbers[:, 0] = 1.0  # a constant column
    for config in configurations(of)[:6]:
        for outputs in (1, 3):
            primed, same, fresh = (
                network(of, config, outputs),
                network(of, config, outputs),
                network(of, config, outputs),
            )
            y = targets if outputs == 3 else targets.float()
            before = torch.random.get_rng_state()
            prime(primed, numbers, codes, y, seed=5)
            prime(same, numbers, codes, y, seed=5)
            assert torch.equal(torch.random.get_rng_state(), before)
            fresh.load_state_dict(primed.state_dict())
            out = primed.eval()(numbers, codes)
            assert torch.isfinite(out).all(), config
            assert torch.equal(out, same.eval()(numbers, codes)), config
            assert torch.equal(out, fresh.eval()(numbers, codes)), config


@pytest.mark.parametrize("of", [*ALL, *PUBLISHED], ids=name_of)
def test_tables_of_numbers_alone_or_of_categories_alone_are_enough(of: str | Family) -> None:
    numbers, codes, targets = batch()
    config = configurations(of)[0]
    for d, levels in ((5, []), (0, LEVELS)):
        net = tabular_network(of, config, numbers=d, levels=levels, outputs=3, rows=100)
        x, c = numbers[:, :d], codes[:, : len(levels)]
        prime(net, x, c, targets, seed=0)
        assert torch.isfinite(net(x, c)).all()


@pytest.mark.parametrize("of", ALL, ids=name_of)
def test_rates_of_parameters_name_parameters(of: str | Family) -> None:
    for config in configurations(of):
        rates = parameter_rates(network(of, config))
        assert rates.keys() == dict(network(of, config).named_parameters()).keys()


@pytest.mark.parametrize("name", [*NETWORKS, *PUBLISHED])
def test_a_name_that_no_hyperparameter_has_is_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match="depth"):
        network(name, {**configurations(name)[0], "depth": 3})


@pytest.mark.parametrize("name", ["mlp", "resnet"])
def test_explicit_widths_that_are_not_given_are_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match="width_1"):
        network(name, {**configurations(name)[0], "form": "explicit"})


@pytest.mark.parametrize(("name", "lacks"), [("tabm", "n_bins"), ("realmlp", "sigma")])
def test_an_embedding_without_its_hyperparameter_is_a_type_error(name: str, lacks: str) -> None:
    config = configurations(name)[0]
    del config[lacks]
    with pytest.raises(TypeError, match=lacks):
        network(name, config)


def test_wide_one_hot_inputs_do_not_inflate_a_shaped_network() -> None:
    config = {**configurations("mlp")[0], "max_units": 32}
    body = family("mlp").build(Shape(inputs=5000, outputs=2, rows=10), **config)
    assert max(leaf.out_features for leaf in body.modules() if isinstance(leaf, nn.Linear)) == 32


def same_weights(net: nn.Module, other: nn.Module) -> bool:
    pairs = zip(net.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_an_mlp_without_regularisers_is_the_plain_chain_bit_for_bit() -> None:
    config = {"form": "brick", "n_layers": 2, "max_units": 16, "activation": "relu", "dropout": 0.25}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = family("mlp").build(Shape(6, 3, 50), **config, norm="batch", dropout_shape="constant")
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for inputs in (6, 16):
            layers += [nn.Linear(inputs, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.25)]
        plain = nn.Sequential(*layers, nn.Linear(16, 3))
    assert [type(leaf) for leaf in body] == [type(leaf) for leaf in plain]
    assert {leaf.p for leaf in body if isinstance(leaf, nn.Dropout)} == {0.25}
    assert same_weights(body, plain)


def test_a_residual_network_without_regularisers_is_the_plain_one_bit_for_bit() -> None:
    config = {"form": "brick", "n_groups": 1, "n_blocks": 2, "max_units": 8, "activation": "relu", "dropout": 0.25}
    off = {"norm": "batch", "skip": True, "shake": "none", "dropout_shape": "constant"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = family("resnet").build(Shape(6, 3, 50), **config, **off).eval()
        torch.manual_seed(0)
        stem = nn.Linear(6, 8)
        branches = [
            nn.Sequential(
                nn.BatchNorm1d(8),
                nn.ReLU(),
                nn.Linear(8, 8, bias=False),
                nn.BatchNorm1d(8),
                nn.ReLU(),
                nn.Dropout(0.25),
                nn.Linear(8, 8),
            )
            for _ in range(2)
        ]
        head = nn.Linear(8, 3)
        last = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU(), head)
    plain = nn.Sequential(stem, *branches, last).eval()
    assert same_weights(body, plain)
    x = batch()[0].repeat(1, 2)[:, :6]
    hidden = stem(x)
    for branch in branches:
        hidden = branch(hidden) + hidden
    assert torch.equal(body(x), last(hidden))


def test_a_residual_network_without_skips_is_a_chain_of_its_branches() -> None:
    config = {**configurations("resnet")[0], "skip": False}
    body = family("resnet").build(Shape(6, 3, 50), **config).eval()
    x = batch()[0].repeat(1, 2)[:, :6]
    stem, first, second, *last = body
    torch.testing.assert_close(body(x), nn.Sequential(*last)(second.branch(first.branch(stem(x)))))


@pytest.mark.parametrize(("name", "kind"), [("layer", nn.LayerNorm), ("batch", nn.BatchNorm1d), ("none", None)])
@pytest.mark.parametrize("of", ["mlp", "resnet"])
def test_the_norm_is_the_one_that_was_chosen(of: str, name: str, kind: type[nn.Module] | None) -> None:
    body = family(of).build(Shape(6, 3, 50), **{**configurations(of)[0], "norm": name})
    assert {type(leaf) for leaf in body.modules()} & {nn.LayerNorm, nn.BatchNorm1d} == ({kind} if kind else set())


def test_dropout_follows_its_shape_over_the_layers() -> None:
    config = {**configurations("mlp")[0], "n_layers": 4, "dropout": 0.4, "dropout_shape": "funnel"}
    body = family("mlp").build(Shape(6, 3, 50), **config)
    rates = [leaf.p for leaf in body if isinstance(leaf, nn.Dropout)]
    assert rates == pytest.approx([0.4, 0.3004, 0.2008, 0.1012])  # 1000, 751, 502 and 253 thousandths


def test_an_unknown_family_names_the_nearest_one_and_a_wrong_object_says_what_it_lacks() -> None:
    with pytest.raises(SettingError, match="did you mean 'mlp'"):
        family("mpl")
    with pytest.raises(SettingError, match="build"):
        family(3)  # type: ignore[arg-type]


def test_the_table_and_the_spaces_can_be_read_without_torch() -> None:
    code = (
        "import sys; from automl.architectures.catalogue import FAMILIES, family;"
        f"[family(n).space() for n in {NETWORKS + PUBLISHED!r}];"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {*NETWORKS, *PUBLISHED} <= set(FAMILIES)
