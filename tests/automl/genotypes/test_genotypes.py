"""What every family of genotypes keeps: a new family joins `DEFINITIONS` and is covered by these tests."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import ConfigSpace as CS
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from automl.errors import AutoNetError, GenotypeError
from automl.genotypes.branches import Branches
from automl.genotypes.cells import Block, Cell
from automl.genotypes.draw import draw
from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.genotype import FAMILIES, build, from_json, to_json
from automl.genotypes.graph import Graph
from automl.genotypes.layers import Layer
from automl.genotypes.network import Depthwise
from automl.genotypes.published import resnet
from automl.genotypes.spaces import (
    DEFINITIONS,
    BranchesSpace,
    CellsSpace,
    ChainSpace,
    Definition,
    EdgeCellSpace,
    decode,
    definition_of,
    encode,
    joined,
)
from automl.search.draw import sample

SMALL: dict[str, tuple[Definition, tuple[int, int, int]]] = {
    "branches": (BranchesSpace(layers=(1, 5), filters=(4, 8)), (3, 9, 12)),
    "cells": (CellsSpace(blocks=3, combine=("add", "concat"), cells=(3, 4), filters=(4,)), (3, 9, 8)),
    "chain": (ChainSpace(layers=(1, 5), filters=(4, 8), units=(8, 16)), (1, 8, 8)),
    "edge_cell": (EdgeCellSpace(cells=(1, 2), filters=(4, 6)), (3, 8, 8)),
}
"""A definition and the shape of its inputs, for each family."""

every_family = pytest.mark.parametrize("family", SMALL)


def training() -> CS.ConfigurationSpace:
    space = CS.ConfigurationSpace()
    kind, momentum = CS.Categorical("optimizer", ["sgd", "adam"]), CS.Float("momentum", (0.0, 0.99))
    space.add([CS.Float("rate", (1e-4, 1e-1), log=True), kind, momentum])
    space.add(CS.EqualsCondition(momentum, kind, "sgd"))
    return space


def drawn(family: str, n: int, seed: int = 0) -> Iterator[tuple[CS.ConfigurationSpace, dict[str, Any], Any]]:
    """A space, and configurations of it with their genotypes."""
    space, rng = joined(SMALL[family][0], training()), np.random.default_rng(seed)
    for _ in range(n):
        config = sample(space, rng)
        yield space, config, decode(space, config)[0]


def test_every_family_is_covered() -> None:
    assert set(SMALL) == set(FAMILIES) == set(DEFINITIONS)


@every_family
def test_a_configuration_and_its_genotype_lead_to_each_other(family: str) -> None:
    for space, config, _ in drawn(family, 200):
        genotype, rest = decode(space, config)
        assert set(rest) <= {"rate", "optimizer", "momentum"}
        assert encode(space, genotype, rest) == config


@every_family
def test_a_genotype_survives_json(family: str) -> None:
    for _, _, genotype in drawn(family, 50):
        assert from_json(to_json(genotype)) == genotype
        assert from_json(to_json(genotype)).hash == genotype.hash


@every_family
def test_what_is_counted_is_what_is_built(family: str) -> None:
    shape = SMALL[family][1]
    for _, _, genotype in drawn(family, 20):
        plan = genotype.plan(shape, 3)
        network = build(genotype, shape, 3)
        assert sum(p.numel() for p in network.parameters()) == plan.parameters
        assert macs_of(network, shape) == plan.macs
        assert network(torch.randn(4, *shape)).shape == (4, 3)


def macs_of(network: torch.nn.Module, shape: tuple[int, int, int]) -> int:
    """Counted while the module runs."""
    total = 0

    def count(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        total += module.weight.numel() * output[0, 0].numel() if module.weight.ndim == 4 else module.weight.numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    network.train()
    return total


@every_family
def test_gradients_reach_every_parameter_that_something_flows_through(family: str) -> None:
    shape = SMALL[family][1]
    for _, _, genotype in drawn(family, 6, seed=1):
        if family == "edge_cell" and not all(genotype.graph().live):
            continue
        network = build(genotype, shape, 3)
        unused = (".before.", ".last.") if family == "cells" else ("nothing",)  # states that no block takes
        functional.cross_entropy(network(torch.randn(8, *shape)), torch.arange(8) % 3).backward()
        assert all(p.grad is not None or any(u in name for u in unused) for name, p in network.named_parameters())


@every_family
def test_the_graph_is_acyclic_and_agrees_with_its_arrays(family: str) -> None:
    for _, _, genotype in drawn(family, 20):
        graph = genotype.graph()
        adjacency, labels = graph.arrays()
        assert (labels[0], labels[-1]) == ("input", "output")
        assert not np.tril(adjacency).any()
        as_networkx = graph.networkx()
        assert sorted(as_networkx.edges) == sorted(graph.edges)
        assert len(graph.units) == len(labels)


@every_family
def test_pictures_are_svg_with_every_operation(family: str) -> None:
    for _, _, genotype in drawn(family, 5):
        text = draw(genotype)
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("svg")
        for picture in genotype.pictures():
            for _, _, operation in picture.links:
                assert operation in text


def test_skip_connections_of_a_resnet_are_seen_beside_its_layers() -> None:
    root = ElementTree.fromstring(draw(resnet((1, 1), 8)))
    elements = list(root.iter())
    boxes = [
        tuple(float(e.get(name, "nan")) for name in ("x", "y", "width", "height")) for e in elements if e.get("rx")
    ]
    curves = [np.array(re.findall(r"-?\d+", e.get("d", "")), float).reshape(4, 2) for e in elements if e.get("d")]
    assert (len(boxes), len(curves)) == (10, 11)
    for curve in curves:
        x, y = np.array([1, 3, 3, 1]) @ curve / 8  # half way along it
        assert y > 28  # below the title
        assert not any(left < x < left + width and top < y < top + height for left, top, width, height in boxes)


@every_family
def test_the_space_remembers_its_definition_and_its_marks(family: str) -> None:
    definition = SMALL[family][0]
    space = joined(definition, training(), prefix="a:")
    assert definition_of(space) == (definition, "a:")
    assert "rate" in space
    assert all(name.startswith("a:") for name in space if name not in training())
    assert definition_of(training()) is None


@every_family
def test_most_draws_of_a_space_are_different_architectures(family: str) -> None:
    assert len({genotype.hash for _, _, genotype in drawn(family, 40)}) > 25


def test_a_chain_of_dense_layers_takes_rows_of_a_table() -> None:
    space = joined(ChainSpace(layers=(0, 0), dense=(1, 3), units=(8, 16)))
    genotype, _ = decode(space, {"arch:dense": 2, "arch:units1": 16, "arch:units2": 8})
    network = build(genotype, (5, 1, 1), 2)
    assert network(torch.randn(6, 5)).shape == (6, 2)
    # 5·16 + 16, 16·8 + 8, 8·2 + 2, and a scale and a shift for each of 24 units
    assert genotype.plan((5, 1, 1), 2).parameters == 96 + 136 + 18 + 48


def test_depths_are_drawn_evenly() -> None:
    space, rng = joined(ChainSpace(layers=(1, 6), dense=(0, 0))), np.random.default_rng(0)
    counts = np.bincount([sample(space, rng)["arch:layers"] for _ in range(1200)], minlength=7)[1:]
    chi_squared = ((counts - 200) ** 2 / 200).sum()
    assert chi_squared < 15.09  # five degrees of freedom, p = 0.01


@pytest.mark.parametrize(("merge", "alike"), [("concat", True), ("sum", False), ("scaled", False)])
def test_the_order_of_what_a_sum_takes_counts_where_it_decides_its_width(merge: str, alike: bool) -> None:
    narrow, wide, last = (Layer("conv", 3, filters) for filters in (4, 8, 6))
    one, other = (
        Branches.of([*pair, last], [(0,), (0,), (1, 2), (3,)], merge=merge) for pair in ((narrow, wide), (wide, narrow))
    )
    assert (one.plan((3, 8, 8), 2).parameters == other.plan((3, 8, 8), 2).parameters) == alike
    assert (one.hash == other.hash) == alike


@pytest.mark.parametrize(("merge", "alike"), [("sum", True), ("scaled", False)])
def test_branches_of_one_width_may_be_swapped_unless_all_but_the_last_are_scaled(merge: str, alike: bool) -> None:
    one, other = (
        Branches.of(
            [*(Layer("conv", kernel, 8) for kernel in pair), Layer("relu")], [(0,), (0,), (1, 2), (3,)], merge=merge
        )
        for pair in ((3, 5), (5, 3))
    )
    assert (one.hash == other.hash) == alike


# Errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EdgeCell(("conv_3x3",) * 5), "5 edges; the cell has 6"),
        (lambda: EdgeCell(("conv_3x3",) * 5 + ("conv3x3",)), "did you mean 'conv_3x3'"),
        (lambda: EdgeCell(("none",) * 6, cells=0), "cells is 0"),
        (lambda: EdgeCell.from_string("|conv~0|"), "is no cell"),
        (lambda: Layer("conv", 4, 8), "has kernel 4"),
        (lambda: Layer("conv", 3), "0 filters"),
        (lambda: Layer("max_pool", 3, 8), "keeps its width"),
        (lambda: Layer("dense", 1, 8, 2), "has stride 2"),
        (lambda: Cell((Block((0, 2), ("skip_connect",) * 2),)), "block 0 takes"),
        (lambda: Cell(()), "no blocks"),
        (lambda: from_json("[]"), "is no genotype"),
        (lambda: from_json('{"family": "edge"}'), "did you mean 'edge_cell'"),
        (lambda: from_json('{"family": "edge_cell"}'), "do not make a 'edge_cell'"),
        (lambda: encode(training(), None), "holds no architectures"),
        (lambda: ChainSpace(layers=(0, 2), dense=(0, 1)), "both be 0"),
        (lambda: draw(EdgeCell(("none",) * 6), "cell.jpg"), "must end in .svg or .png"),
        (lambda: EdgeCell(("none",) * 6).plan((3, 8), 2), "shape is"),
    ],
)
def test_what_breaks_a_rule_cannot_be_made(make: Any, message: str) -> None:
    with pytest.raises(AutoNetError, match=message):
        make()


def test_a_genotype_outside_the_bounds_of_a_space_is_refused() -> None:
    space = joined(EdgeCellSpace(operations=("none", "skip_connect")))
    with pytest.raises(GenotypeError, match="out of its bounds"):
        encode(space, EdgeCell(("conv_3x3",) * 6))


def test_paths_are_the_labels_along_every_way() -> None:
    graph = Graph(("input", "a", "b", "output"), ((0, 1), (0, 2), (1, 2), (2, 3)), (1, 1, 1, 1))
    assert graph.paths == {("b",), ("a", "b")}


def test_a_large_depthwise_kernel_is_computed_in_float32_beside_bfloat16() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8, 8)
    for kernel, dilation, dtype in ((3, 1, torch.bfloat16), (5, 1, torch.float32), (3, 2, torch.float32)):
        layer = Depthwise(4, 4, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer(x).dtype == dtype
        torch.testing.assert_close(layer(x), nn.Conv2d.forward(layer, x), rtol=0, atol=0)
