"""A supernet holds every architecture of its space: layouts, weights, single paths and mixtures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from small_images import CELLS, EDGE_CELLS, SPACES, batch, layout
from torch import nn

from automl.errors import AutoNetError
from automl.genotypes.cells import Block, Cell, Cells
from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.network import Network
from automl.genotypes.plan import Plan, Step
from automl.genotypes.published import darts_v2
from automl.genotypes.space_of_cells import DARTS, CellsSpace, EdgeCellSpace
from automl.genotypes.spaces import ChainSpace, decode, joined
from automl.search.draw import sample
from automl.supernet.families import layout_of
from automl.supernet.layout import one_hot, skips
from automl.supernet.network import Supernet

every_family = pytest.mark.parametrize("family", SPACES)


def drawn(family: str, n: int, seed: int = 0) -> Iterator[Any]:
    space, rng = joined(SPACES[family]), np.random.default_rng(seed)
    return (decode(space, sample(space, rng))[0] for _ in range(n))


@every_family
def test_one_hot_weights_are_the_architecture_alone_with_copied_weights(family: str) -> None:
    supernet, (images, _) = Supernet(layout(family), seed=1), batch()
    for genotype in drawn(family, 20):
        weights = torch.tensor(one_hot(supernet.layout, supernet.layout.choices(genotype)), dtype=torch.float32)
        with torch.no_grad():
            alone = supernet.standalone(genotype).train()(images)
            mixed, single = supernet.mixed(images, weights), supernet.single(images, genotype)
        assert (mixed - alone).abs().max() < 1e-5
        assert (single - alone).abs().max() < 1e-5


@every_family
def test_weights_are_copied_but_for_scales_and_shifts_of_norms(family: str) -> None:
    supernet = Supernet(layout(family))
    shared = dict(supernet.named_parameters())
    for genotype in drawn(family, 5):
        for name, parameter in supernet.standalone(genotype).named_parameters():
            source = shared.get(supernet.layout.shared_name(genotype, name))
            if source is None:
                assert name.rpartition(".")[0].endswith("norm")
            else:
                assert torch.equal(source, parameter)
                assert source.data_ptr() != parameter.data_ptr()


@every_family
def test_a_single_path_leaves_all_other_weights_alone(family: str) -> None:
    supernet, (images, _) = Supernet(layout(family)), batch()
    for genotype in drawn(family, 5):
        supernet.zero_grad()
        supernet.single(images, genotype).sum().backward()
        own = {
            supernet.layout.shared_name(genotype, name) for name, _ in supernet.standalone(genotype).named_parameters()
        }
        touched = {name for name, parameter in supernet.named_parameters() if parameter.grad is not None}
        assert touched <= own
        if genotype.graph().connected:
            assert {"stem.conv.weight", "classifier.weight", "classifier.bias"} < touched


@every_family
def test_choices_and_genotypes_lead_to_each_other(family: str) -> None:
    made = layout(family)
    for genotype in drawn(family, 50):
        assert made.genotype(made.choices(genotype)) == genotype


@every_family
def test_norms_of_a_supernet_have_no_parameters_and_no_memory(family: str) -> None:
    norms = [m for m in Supernet(layout(family)).modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.affine or norm.track_running_stats for norm in norms)


@every_family
def test_nothing_flows_where_no_operation_has_weight(family: str) -> None:
    supernet, (images, _) = Supernet(layout(family)), batch()
    shape = (len(supernet.layout.edges), len(supernet.layout.operations))
    nothing, all_alike = supernet.mixed(images, torch.zeros(shape)), supernet(images)
    assert nothing.shape == all_alike.shape == (16, 10)
    assert torch.equal(all_alike, supernet.mixed(images, torch.full(shape, 1 / shape[1])))
    if family == "edge_cell":  # a cell of zeros gives zeros, and all images look the same
        assert (nothing - nothing[0]).abs().max() < 1e-6
    assert (all_alike - all_alike[0]).abs().max() > 0.1


@every_family
def test_what_computes_the_same_of_the_same_state_is_computed_once(family: str) -> None:
    supernet, (images, _) = Supernet(layout(family, pool_norms=True)), batch()
    ran: list[Step] = []
    run = Network.run

    def watched(self: Network, step: Step, inputs: list[torch.Tensor]) -> torch.Tensor:
        ran.append(step)
        return run(self, step, inputs)

    weights = torch.rand(len(supernet.layout.edges), len(supernet.layout.operations))
    with mock.patch.object(Network, "run", watched):
        once = supernet.mixed(images, weights)
    pools = [step for step in ran if step.kind.endswith("_pool") and "_pool_3x3" in step.name]
    # Three states are pooled in each of three cells: the nodes 0, 1 and 2, or the states 0, 1 and 2 of two blocks.
    assert len(pools) == 9
    assert sum(step.kind == "norm" and "pool" in step.name for step in ran) == 9
    supernet._same = list(range(len(supernet.plan.steps)))
    assert torch.equal(once, supernet.mixed(images, weights))


def test_the_first_weights_are_those_of_the_seed_and_leave_the_global_stream_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    a, b, c = (Supernet(layout("edge_cell"), seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    pairs = zip(a.parameters(), b.parameters(), c.parameters(), strict=True)
    assert all(torch.equal(x, y) and not torch.equal(x, z) for x, y, z in pairs)


def test_the_space_of_darts_has_fourteen_edges_a_cell_of_eight_operations() -> None:
    made = layout_of(CellsSpace(concat="all", cells=(8,), filters=(16,)), (3, 32, 32), 10)
    assert len(made.edges) == 2 * 14
    assert made.operations == ("none", *DARTS)
    # The code of DARTS logs "param size = 1.930618MB" for C=16 and 8 cells, with scale and shift of the stem's norm.
    assert made.plan.parameters - norms(made.plan) == 1_930_618 - 2 * 48


def norms(plan: Plan) -> int:
    """Scales and shifts, which a supernet does not have."""
    return sum(2 * step.shape[0] for step in plan.steps if step.kind == "norm")


def test_cells_are_derived_by_the_two_strongest_edges_of_each_block() -> None:
    made = layout("cells")
    weights = np.full((len(made.edges), 4), 0.1)
    into_last = [i for i, edge in enumerate(made.edges) if (edge.cell, edge.target) == ("normal", 3)]
    weights[into_last[0], 0] = 0.9  # "none" does not count
    weights[into_last[1], 3] = 0.5
    weights[into_last[2], 1] = 0.4
    block = made.genotype(made.derived(weights)).normal.blocks[1]
    assert block.inputs == (1, 2)
    assert block.operations == ("sep_conv_3x3", "max_pool_3x3")


def test_edge_cells_are_derived_by_the_largest_weight_other_than_none() -> None:
    made = layout("edge_cell")
    weights = np.tile([0.9, 0.1, 0.2, 0.3, 0.25], (6, 1))
    weights[5] = [0.9, 0.5, 0.2, 0.3, 0.25]
    cell = made.genotype(made.derived(weights))
    assert cell == EdgeCell(("conv_3x3",) * 5 + ("skip_connect",), cells=1, filters=4)
    assert skips(made, made.choices(cell)) == ((5, 1),)


def test_norms_behind_pools_are_put_in_on_request() -> None:
    plain, normed = (layout("cells", pool_norms=on) for on in (False, True))
    added = {step.name for step in normed.plan.steps} - {step.name for step in plain.plan.steps}
    assert added
    assert all(name.endswith("max_pool_3x3.norm") for name in added)


def concatenated() -> Cells:
    block = Block((0, 1), ("skip_connect", "skip_connect"), "concat")
    return Cells(*[Cell((block, block), (2, 3))] * 2, cells=3, filters=4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layout_of(CellsSpace(), (1, 8, 8), 10), "concat='all'"),
        (lambda: layout_of(ChainSpace(), (1, 8, 8), 10), "unknown space with shared weights"),  # type: ignore[arg-type]
        (lambda: CellsSpace(concat="every"), "unknown output of cells"),
        (lambda: layout_of(EdgeCellSpace(("none",)), (1, 8, 8), 10), "nothing to choose"),
        (lambda: layout("cells").choices(darts_v2()), "has 4 blocks, joined by add"),
        (lambda: layout("cells").choices(concatenated()), "has 2 blocks, joined by concat"),
        (
            lambda: Supernet(layout_of(EdgeCellSpace(("none", "conv_3x3")), (1, 8, 8), 10)).single(
                batch()[0], EdgeCell(("conv_1x1",) * 6)
            ),
            "conv_1x1",
        ),
    ],
)
def test_what_cannot_share_weights_is_refused(make: Any, message: str) -> None:
    with pytest.raises(AutoNetError, match=message):
        make()


def test_spaces_of_cells_that_give_all_blocks_hold_what_a_supernet_derives() -> None:
    made = layout("cells")
    genotype = made.genotype(made.derived(np.random.default_rng(0).random((len(made.edges), 4))))
    assert genotype.normal.outputs == (2, 3)
    assert CELLS.decode(CELLS.encode(genotype)) == genotype
    assert EDGE_CELLS.decode(EDGE_CELLS.encode(next(drawn("edge_cell", 1)))) is not None
