"""Morphisms: a child computes what its parent computed, in both modes, whatever was done to it before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from test_genotypes import SMALL
from torch import Tensor, nn

from automl.architectures.catalogue import family as family_named
from automl.architectures.family import Shape
from automl.architectures.inheritance import inherit as inherit_table
from automl.architectures.inheritance import morphed
from automl.errors import AutoNetError, GenotypeError
from automl.genotypes.branches import Branches
from automl.genotypes.cells import Block, Cell, Cells
from automl.genotypes.chain import Chain
from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.genotype import build
from automl.genotypes.inheritance import inherit
from automl.genotypes.layers import ORDERS, Layer
from automl.genotypes.morphs import APPROXIMATE, EXACT, Morph, morphs_of
from automl.genotypes.spaces import BranchesSpace, ChainSpace, decode, joined
from automl.search.draw import sample

LIMIT = 1e-5
LENGTH = 5
FEW, MANY = 50_000, 200_000
"""Most parameters of a network, in quick and in slow tests."""
SPACES: dict[str, tuple[Any, tuple[int, int, int]]] = SMALL | {
    "branches": (
        BranchesSpace(layers=(2, 4), filters=(4, 8), merges=("concat", "sum", "scaled"), residual=True),
        (3, 9, 12),
    ),
    "chain": (ChainSpace(layers=(1, 4), filters=(4, 8), units=(0, 8, 16), residual=True), (1, 8, 8)),
}
"""Spaces where every morphism of the family occurs."""

KINDS = [
    *(("chain", kind) for kind in ("widen", "deepen", "kernel")),
    *(("branches", kind) for kind in EXACT),
    *(("edge_cell", kind) for kind in ("widen", "deepen", "branch", "kernel")),
    *(("cells", kind) for kind in ("widen", "branch", "kernel")),
]
TABLES = [("mlp", "widen"), ("mlp", "deepen"), ("resnet", "widen"), ("resnet", "deepen")]


def settled(network: nn.Module, x: Tensor) -> nn.Module:
    """With weights and statistics as after some training: none is 0 or 1, and logits are small."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.momentum = 0.9
        network.train()(x + 0.1 * torch.randn_like(x))
    return network


def outputs(network: nn.Module, x: Tensor) -> list[Tensor]:
    """What a network gives in both modes; it is left as it was."""
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        found = [network.train(mode)(x).clone() for mode in (False, True)]
    network.load_state_dict(kept)
    return found


def difference(network: nn.Module, x: Tensor, before: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(outputs(network, x), before, strict=True))


def drawn(family: str, seed: int, kind: str) -> Any:
    """A genotype of the family to which a kind of morphism applies."""
    rng = np.random.default_rng([seed, 7])
    space = joined(SPACES[family][0])
    while True:
        genotype = decode(space, sample(space, rng))[0]
        if family in ("chain", "branches"):
            genotype = replace(genotype, order=ORDERS[seed % 3])
        if any(True for _ in morphs_of(genotype, (kind,))):
            return genotype


def sequence(family: str, kind: str, seed: int, most: int = FEW) -> Iterator[tuple[Morph, float]]:
    """The morphs of a random sequence, one of this kind first, and how far the child is from the first network."""
    rng, shape, genotype = np.random.default_rng(seed), SPACES[family][1], drawn(family, seed, kind)
    torch.manual_seed(seed)
    x = torch.randn(6, *shape)
    network = settled(build(genotype, shape, 3), x)
    weights, before = network.state_dict(), outputs(network, x)
    for step in range(LENGTH):
        found = list(morphs_of(genotype, (kind,) if step == 0 else EXACT))
        found = [m for m in found if m.apply(genotype).plan(shape, 3).parameters < most]
        if not found:
            return
        kinds = sorted({m.kind for m in found})
        next_kind = kinds[rng.integers(len(kinds))]
        chosen = [m for m in found if m.kind == next_kind]
        morph = chosen[rng.integers(len(chosen))]
        child = morph.apply(genotype)
        weights = morph.transfer(genotype, weights, child, rng, shape=shape, batch=x)
        network = build(child, shape, 3)
        network.load_state_dict(weights)
        assert sum(p.numel() for p in network.parameters()) == child.plan(shape, 3).parameters
        yield morph, difference(network, x, before)
        genotype = child


def table_sequence(name: str, kind: str, seed: int) -> Iterator[tuple[Morph, float]]:
    """The same for a family of networks for tables."""
    family, shape, rng = family_named(name), Shape(inputs=7, outputs=3, rows=100), np.random.default_rng(seed)
    config = sample(family.space(), rng) | {"dropout": 0.0, "norm": ("batch", "none")[seed % 2]}
    config |= {"activation": "relu", "max_units": 24, "form": "brick"} if name == "mlp" else {"skip": True}
    config = {k: v for k, v in config.items() if not k.startswith(("shake", "width_"))}
    config |= {"max_units": 24, "form": "brick"}
    torch.manual_seed(seed)
    x = torch.randn(32, 7)
    network = settled(family.build(shape, **config), x)
    weights, before = network.state_dict(), outputs(network, x)
    for step in range(LENGTH):
        widths = family.layout(shape, **config).widths
        at = int(rng.integers(len(widths)))
        widen = kind == "widen" if step == 0 else rng.random() < 0.5
        morph = Morph("widen", (at, max(widths) + int(rng.integers(1, 12)))) if widen else Morph("deepen")
        child = morphed(family, config, morph, shape)
        network = family.build(shape, **child)
        weights, exact = inherit_table(family, config, weights, child, network, shape, rng, batch=x)
        assert exact
        network.load_state_dict(weights)
        yield morph, difference(network, x, before)
        config = child


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_morphed_networks_compute_what_their_parents_did(family: str, kind: str) -> None:
    for seed in range(2):
        assert [(m, d) for m, d in sequence(family, kind, seed) if d >= LIMIT] == []


@pytest.mark.parametrize(("family", "kind"), TABLES)
def test_morphed_networks_for_tables_compute_what_their_parents_did(family: str, kind: str) -> None:
    for seed in range(4):
        assert [(m, d) for m, d in table_sequence(family, kind, seed) if d >= LIMIT] == []


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), [*KINDS, *TABLES])
def test_twenty_sequences_of_five_morphs_change_no_output(family: str, kind: str) -> None:
    walk: Callable[..., Iterator[tuple[Morph, float]]] = table_sequence
    if family in SPACES:
        walk = partial(sequence, most=MANY)
    found = [(m, d) for seed in range(20) for m, d in walk(family, kind, 100 + seed)]
    assert len(found) > 40
    assert [(m, d) for m, d in found if d >= LIMIT] == []


# Single morphs, by hand


def widths_of(genotype: Any) -> list[int]:
    return [layer.filters for layer in genotype.layers]


def test_layers_that_are_summed_are_widened_together() -> None:
    trunk = Branches.of(
        [Layer("conv", 3, 8), Layer("conv", 3, 8), Layer("relu"), Layer("conv", 3, 8)],
        [(0,), (1,), (1, 2), (3,), (4,)],
        merge="sum",
    )
    assert widths_of(Morph("widen", (1, 16)).apply(trunk)) == [16, 16, 0, 8]
    assert widths_of(Morph("widen", (3, 16)).apply(trunk)) == [8, 8, 0, 16]


def test_a_cell_without_a_way_through_keeps_what_its_norms_make_of_zeros() -> None:
    parent, shape = EdgeCell(("skip_connect", "avg_pool_3x3", "none", "none", "none", "none"), 1, 4), (3, 8, 8)
    torch.manual_seed(0)
    x = torch.randn(5, *shape)
    network, morph = settled(build(parent, shape, 3), x), Morph("widen", (8,))
    child = morph.apply(parent)
    grown = build(child, shape, 3)
    rng = np.random.default_rng(0)
    grown.load_state_dict(morph.transfer(parent, network.state_dict(), child, rng, shape=shape))
    assert difference(grown, x, outputs(network, x)) < LIMIT


def test_a_skip_takes_nothing_away_from_the_classifier() -> None:
    layers = [Layer("conv", 3, 8)] * 3
    parent = Branches.of(layers, [(0,), (0,), (2,), ()])
    child = Morph("skip", (2, 1)).apply(parent)
    assert isinstance(child, Branches)
    assert parent.taken[-1] == child.taken[-1] == (1, 3)
    assert child.taken[2] == (1, 2)


def test_a_wider_layer_shares_out_what_reads_it() -> None:
    parent = Chain((Layer("conv", 1, 2),))
    morph, shape = Morph("widen", (0, 3)), (1, 2, 2)
    child = morph.apply(parent)
    weights = build(parent, shape, 1).state_dict() | {"classifier.weight": torch.tensor([[6.0, 6.0]])}
    made = morph.transfer(parent, weights, child, np.random.default_rng(0), shape=shape)
    read, copied = (
        made["classifier.weight"][0].tolist(),
        int(made["layer0.conv.weight"][2] == weights["layer0.conv.weight"][1]),
    )
    assert read[1 - copied] == 6.0
    assert read[copied] + read[2] == pytest.approx(6.0)
    assert abs(read[copied] - read[2]) > 0.01  # read alike, a unit and its copy would learn alike
    assert made["layer0.conv.weight"].shape == (3, 1, 1, 1)


@pytest.mark.parametrize("morph", [Morph("widen", (0, 16)), Morph("branch", (0,))], ids=["widen", "branch"])
def test_copies_do_not_stay_copies(morph: Morph) -> None:
    parent, shape = Branches.of([Layer("conv", 3, 8)] * 2, [(0,), (1,), (2,)], merge="scaled"), (3, 8, 8)
    torch.manual_seed(0)
    child = morph.apply(parent)
    weights = settled(build(parent, shape, 3), torch.randn(8, *shape)).state_dict()
    made = morph.transfer(parent, weights, child, np.random.default_rng(0), shape=shape)
    network = build(child, shape, 3)
    network.load_state_dict(made)
    sgd = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(5):
        x, y = torch.randn(16, *shape), torch.randint(3, (16,))
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(network.train()(x), y).backward()
        sgd.step()
    if morph.kind == "widen":
        units = network.get_parameter("layer0.conv.weight").detach().flatten(1)
        begun = made["layer0.conv.weight"].flatten(1)
        pairs = [(i, j) for j in range(8, 16) for i in range(8) if torch.equal(begun[i], begun[j])]
        apart = [float((units[i] - units[j]).norm() / (units[i] - begun[i]).norm()) for i, j in pairs]
    else:
        ours, copy, begun = (
            *(network.get_parameter(f"layer{i}.conv.weight") for i in (0, 1)),
            made["layer0.conv.weight"],
        )
        assert torch.equal(begun, made["layer1.conv.weight"])
        apart = [float((ours - copy).norm() / (ours - begun).norm())]
    assert len(apart) in (1, 8)
    assert min(apart) > 0.1  # of the way that one of them went


def test_a_residual_layer_begins_at_nothing_and_learns() -> None:
    parent, shape = Chain((Layer("conv", 3, 4),)), (1, 6, 6)
    morph = Morph("deepen", (1, "conv", 3, True))
    child = morph.apply(parent)
    made = morph.transfer(parent, build(parent, shape, 2).state_dict(), child, np.random.default_rng(0), shape=shape)
    assert made["layer1.scale.weight"].tolist() == [0.0]
    network = build(child, shape, 2)
    network.load_state_dict(made)
    network(torch.randn(4, *shape)).square().sum().backward()
    assert network.get_parameter("layer1.scale.weight").grad.abs() > 0
    # 4·4·9 weights, a scale and a shift for each channel, and one number
    assert child.plan(shape, 2).parameters - parent.plan(shape, 2).parameters == 144 + 8 + 1


def test_an_identity_without_fitted_norms_would_change_training_mode() -> None:
    parent, shape = Chain((Layer("conv", 3, 4),)), (1, 6, 6)
    morph = Morph("deepen", (1, "conv", 3, False))
    with pytest.raises(GenotypeError, match="give `batch`"):
        morph.transfer(
            parent,
            build(parent, shape, 2).state_dict(),
            morph.apply(parent),
            np.random.default_rng(0),
            shape=shape,
        )


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_approximate_morphs_shrink_a_network_and_keep_what_they_can(kind: str) -> None:
    parent, shape = Chain((Layer("conv", 3, 8), Layer("conv", 3, 8), Layer("conv", 3, 8))), (1, 8, 8)
    morph = Morph("prune", (1, 4)) if kind == "prune" else Morph("remove", (1,))
    child = morph.apply(parent)
    weights = settled(build(parent, shape, 3), torch.randn(8, *shape)).state_dict()
    made = morph.transfer(parent, weights, child, np.random.default_rng(0), shape=shape)
    assert child.plan(shape, 3).parameters < parent.plan(shape, 3).parameters
    assert torch.equal(made["layer0.conv.weight"], weights["layer0.conv.weight"])
    if kind == "prune":
        kept = weights["layer1.norm.weight"].abs().topk(4).indices.sort().values
        assert torch.equal(made["layer1.conv.weight"], weights["layer1.conv.weight"][kept])
        assert torch.equal(made["layer2.conv.weight"], weights["layer2.conv.weight"][:, kept])
    else:
        assert torch.equal(made["layer1.conv.weight"], weights["layer2.conv.weight"])


def test_weights_go_by_name_and_shape_where_no_morph_leads() -> None:
    parent, shape = Chain((Layer("conv", 3, 8), Layer("conv", 3, 8))), (1, 8, 8)
    child = Chain((Layer("conv", 3, 8), Layer("max_pool", 3), Layer("conv", 3, 4)))
    weights = build(parent, shape, 3).state_dict()
    made, exact = inherit(parent, weights, child, np.random.default_rng(0), shape=shape)
    assert not exact
    assert torch.equal(made["layer0.conv.weight"], weights["layer0.conv.weight"])
    build(child, shape, 3).load_state_dict(made)


def test_a_morph_survives_json() -> None:
    morph = Morph("deepen", (1, "conv", 3, True))
    assert Morph.from_json(morph.to_json()) == morph


# Errors

PAIR = Cells(*(Cell((Block((0, 1), ("conv_3x3", "max_pool_3x3")),)) for _ in range(2)), cells=3, filters=4)
SUM = Branches.of([Layer("conv", 3, 8)] * 2, [(0,), (1,), (2,)], merge="sum")


@pytest.mark.parametrize(
    ("genotype", "morph", "message"),
    [
        (Chain((Layer("conv", 3, 8),)), Morph("skip", (1, 0)), "use the family 'branches'"),
        (Chain((Layer("conv", 3, 8),)), Morph("branch", (0,)), "use the family 'branches'"),
        (Chain((Layer("conv", 3, 8),)), Morph("widen", (0, 8)), "needs more"),
        (Chain((Layer("conv", 3, 8),)), Morph("widen", (1, 16)), "no layer 1"),
        (Chain((Layer("conv", 3, 8),)), Morph("prune", (0, 0)), "at least 1"),
        (Chain((Layer("conv", 3, 8),)), Morph("remove", (0,)), "only layer"),
        (Chain((Layer("conv", 3, 8),)), Morph("wide", (0,)), "did you mean 'widen'"),
        (Chain((Layer("conv", 3, 8),)), Morph("widen"), "does not take"),
        (Chain((Layer("max_pool", 3),)), Morph("deepen", (1, "conv", 3, False)), "add a residual one"),
        (Chain((Layer("conv", 7, 8),)), Morph("kernel", (0, 5)), "does not enlarge"),
        (SUM, Morph("skip", (1, 0)), "merge='concat' or 'scaled'"),
        (EdgeCell(("conv_3x3",) * 6), Morph("skip", (0,)), "no scale that could begin at 0"),
        (EdgeCell(("conv_3x3",) * 6), Morph("deepen"), "only where it passes on"),
        (EdgeCell(("conv_3x3",) * 6), Morph("branch", (0, "conv_3x3")), "in place of 'none'"),
        (EdgeCell(("none",) * 3 + ("skip_connect",) + ("none",) * 2), Morph("remove", (3,)), "nothing reaches"),
        (PAIR, Morph("deepen"), "would move the reductions"),
        (PAIR, Morph("branch", ("normal", 0, 2, "conv_3x3")), "part of its output"),
        (PAIR, Morph("kernel", ("normal", 0, 1)), "has no larger kernel"),
    ],
)
def test_what_a_family_cannot_express_is_refused(genotype: Any, morph: Morph, message: str) -> None:
    with pytest.raises(AutoNetError, match=message):
        morph.apply(genotype)


@pytest.mark.parametrize(
    ("name", "change", "morph", "message"),
    [
        ("mlp", {"activation": "silu"}, Morph("deepen"), "deepen the family 'resnet'"),
        ("mlp", {"norm": "layer"}, Morph("widen", (0, 200)), "use norm 'batch'"),
        ("mlp", {}, Morph("widen", (0, 4)), "must name one and be larger"),
        ("mlp", {}, Morph("skip", (0, 1)), "has widen and deepen"),
        ("resnet", {"shake": "shake_shake"}, Morph("deepen"), "no morphisms"),
        ("linear", {}, Morph("deepen"), "no morphisms"),
    ],
)
def test_what_a_family_for_tables_cannot_express_is_refused(
    name: str, change: dict[str, Any], morph: Morph, message: str
) -> None:
    family = family_named(name)
    config = {k: v.item() if hasattr(v, "item") else v for k, v in family.space().get_default_configuration().items()}
    with pytest.raises(GenotypeError, match=message):
        morphed(family, config | change, morph, Shape(inputs=7, outputs=3, rows=100))
