"""Numbers that papers and their code state: parameters, multiply-accumulates, classes of equal cells."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.genotypes.branches import Branches
from automl.genotypes.cells import Block, Cell, Cells
from automl.genotypes.chain import Chain
from automl.genotypes.draw import draw
from automl.genotypes.edge_cell import EDGES, PUBLISHED, EdgeCell
from automl.genotypes.genotype import build
from automl.genotypes.layers import Layer
from automl.genotypes.published import darts_v2, densenet, nasnet_a, resnet

CIFAR = (3, 32, 32)


@pytest.mark.parametrize(
    ("genotype", "shape", "outputs", "parameters"),
    [
        (darts_v2(), CIFAR, 10, 3_349_342),  # printed by the code of DARTS
        (resnet((3, 3, 3)), CIFAR, 10, 272_474),  # ResNet-20, 0.27 M in the paper
        (resnet((2, 2, 2, 2), 64, large_images=True), (3, 224, 224), 1000, 11_689_512),  # torchvision's ResNet-18
        (densenet(12, 12), CIFAR, 10, 1_019_722),  # DenseNet-40, 1.0 M in the paper
        (densenet(16, 12, bottleneck=True, compression=0.5), CIFAR, 10, 769_162),  # DenseNet-BC-100, 0.8 M
    ],
)
def test_parameters_are_those_published(
    genotype: Any, shape: tuple[int, int, int], outputs: int, parameters: int
) -> None:
    assert genotype.plan(shape, outputs).parameters == parameters


def test_sizes_that_papers_round() -> None:
    assert nasnet_a().plan(CIFAR, 10).parameters / 1e6 == pytest.approx(3.3, abs=0.05)  # NASNet-A (6 @ 768)
    assert resnet((18, 18, 18)).plan(CIFAR, 10).parameters / 1e6 == pytest.approx(1.7, abs=0.05)  # ResNet-110
    assert resnet((2, 2, 2, 2), 64, large_images=True).plan((3, 224, 224), 1000).macs / 1e9 == pytest.approx(
        1.8, abs=0.05
    )


def test_a_cell_of_nas_bench_201_costs_what_the_benchmark_says() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
    cell = EdgeCell.from_string(text)
    assert cell.string == text
    plan = cell.plan(CIFAR, 10)
    assert plan.parameters == 802_426
    assert plan.macs / 1e6 == pytest.approx(113.95137, abs=1e-4)  # the benchmark adds the ten biases


def published_text(edges: tuple[str, ...]) -> str:
    """The text by which NAS-Bench-201 counts cells (`Structure.to_unique_str(consider_zero=True)`)."""
    nodes = ["0"]
    for node in range(1, 4):
        terms = []
        for operation, (a, b) in zip(edges, EDGES, strict=True):
            if b == node:
                zero = operation == "none" or nodes[a] == "#"
                whole = nodes[a] if operation == "skip_connect" else f"({nodes[a]})@{PUBLISHED[operation]}"
                terms.append("#" if zero else whole)
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


def test_hashes_give_the_classes_of_the_benchmark_apart_from_order_and_zeros() -> None:
    cells = [EdgeCell(edges) for edges in itertools.product(PUBLISHED, repeat=6)]
    ours, theirs = defaultdict(set), defaultdict(set)
    for cell in cells:
        text = published_text(cell.edges)
        ours[cell.hash].add(text)
        theirs[text].add(cell.hash)
    assert len(cells) == 15_625
    assert len(theirs) == 6_466  # as published
    assert max(len(hashes) for hashes in theirs.values()) == 1
    assert len(ours) == 4_930
    # Every class of ours that holds several of theirs differs by the order of terms or by terms that are zero alone.
    assert all(len({without_zeros(text) for text in texts}) == 1 for texts in ours.values())


def without_zeros(text: str) -> object:
    """A published text as a tree whose sums are sorted and hold no zeros."""
    terms, depth, start = [], 0, 0
    for i, letter in enumerate(f"{text}+"):
        depth += (letter == "(") - (letter == ")")
        if letter == "+" and depth == 0:
            terms.append(text[start:i])
            start = i + 1
    trees: list[object] = []
    for term in terms:
        if "@" in term:
            inner, _, operation = term.rpartition("@")
            tree = without_zeros(inner[1:-1])
            if tree:
                trees.append((operation, tree))
        elif term == "0":
            trees.append("0")
    return tuple(sorted(trees, key=repr))


def test_cells_of_one_hash_compute_the_same() -> None:
    """Two cells of one class, with the weights of the one copied to the other's edges."""
    first = EdgeCell(("conv_3x3", "none", "skip_connect", "none", "none", "conv_1x1"), 1, 4)
    second = EdgeCell(("none", "conv_3x3", "avg_pool_3x3", "none", "none", "conv_1x1"), 1, 4)
    assert first.hash == second.hash
    a, b = (build(cell, CIFAR, 10).eval() for cell in (first, second))
    weights = a.state_dict()
    names = {name: name.replace("edge02", "edge01") for name in b.state_dict()}
    b.load_state_dict({name: weights[source] for name, source in names.items()})
    x = torch.randn(2, *CIFAR)
    torch.testing.assert_close(a(x), b(x))


def test_the_order_of_blocks_and_inputs_changes_no_hash() -> None:
    blocks = (Block((0, 1), ("sep_conv_3x3", "skip_connect")), Block((1, 1), ("avg_pool_3x3", "conv_1x1")))
    turned = (Block((1, 1), ("conv_1x1", "avg_pool_3x3")), Block((1, 0), ("skip_connect", "sep_conv_3x3")))
    other = (Block((0, 1), ("skip_connect", "sep_conv_3x3")), blocks[1])
    hashes = [Cells(Cell(each), Cell(each)).hash for each in (blocks, turned, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_branches_without_skips_are_the_chain() -> None:
    layers = (Layer("conv", 3, 4), Layer("max_pool", 3, stride=2), Layer("conv", 3, 6), Layer("dense", filters=5))
    chain = Chain(layers)
    branches = Branches.of(layers, [(i,) for i in range(5)])
    a, b = (build(genotype, (1, 8, 8), 3).eval() for genotype in (chain, branches))
    b.load_state_dict(a.state_dict())
    x = torch.randn(2, 1, 8, 8)
    assert (a(x) == b(x)).all()


def test_a_residual_block_is_a_sum_with_what_came_before() -> None:
    network = build(resnet((1,), 4), (3, 8, 8), 2).eval()
    x = torch.randn(2, 3, 8, 8)
    trunk = torch.relu(network.layer0.norm(network.layer0.conv(x)))
    path = network.layer3.norm(network.layer3.conv(torch.relu(network.layer2.norm(network.layer2.conv(trunk)))))
    expected = network.classifier(torch.relu(trunk + path).mean((2, 3)))
    torch.testing.assert_close(network(x), expected)


def test_the_same_cells_stack_deeper_without_change() -> None:
    small, large = (darts_v2(cells, 4).plan((3, 16, 16), 10).parameters for cells in (5, 8))
    assert small < large


def test_pictures_are_written_by_their_ending(tmp_path: Path) -> None:
    text = draw(darts_v2(), tmp_path / "cell.svg")
    assert (tmp_path / "cell.svg").read_text(encoding="utf-8") == text
    assert text.count("sep_conv_3x3") == 5
    assert "reduction cell" in text
    pytest.importorskip("matplotlib")
    draw(darts_v2(), tmp_path / "cell.png")
    assert (tmp_path / "cell.png").read_bytes().startswith(b"\x89PNG")
