"""Morphs that are told from a parent and its child alone: a trial keeps no more than both configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_morphs import FEW, LENGTH, LIMIT, SPACES, difference, drawn, outputs, settled

from automl.genotypes.branches import Branches
from automl.genotypes.chain import Chain
from automl.genotypes.genotype import build
from automl.genotypes.inheritance import inherit
from automl.genotypes.layers import Layer
from automl.genotypes.morphs import Morph, link_of, morphs_of


def test_several_morphs_are_recognised_from_parent_and_child_alone() -> None:
    shape, rng = (1, 8, 8), np.random.default_rng(0)
    parent = Chain((Layer("conv", 3, 8), Layer("conv", 3, 4)))
    child: Any = parent
    for morph in (Morph("widen", (0, 16)), Morph("deepen", (1, "conv", 3, True)), Morph("kernel", (2, 5))):
        child = morph.apply(child)
    link = link_of(parent, child)
    assert link is not None
    assert link.layers == (0, None, 1)
    x = torch.randn(5, *shape)
    network = settled(build(parent, shape, 3), x)
    made, exact = inherit(parent, network.state_dict(), child, rng, shape=shape)
    grown = build(child, shape, 3)
    grown.load_state_dict(made)
    assert exact
    assert difference(grown, x, outputs(network, x)) < LIMIT


@pytest.mark.parametrize("merge", ["concat", "sum", "scaled"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_branch_is_recognised_from_parent_and_child_alone(merge: str, layer: int) -> None:
    layers = [Layer("conv", 3, 8), Layer("conv", 5, 8), Layer("conv", 3, 8)]
    parent, shape = Branches.of(layers, [(0,), (1,), (1, 2), (2, 3)], merge=merge), (3, 8, 8)
    child = Morph("branch", (layer,)).apply(parent)
    torch.manual_seed(0)
    x = torch.randn(5, *shape)
    network, grown = settled(build(parent, shape, 3), x), build(child, shape, 3)
    made, exact = inherit(parent, network.state_dict(), child, np.random.default_rng(0), shape=shape, batch=x)
    grown.load_state_dict(made)
    assert exact
    assert difference(grown, x, outputs(network, x)) < LIMIT


@pytest.mark.parametrize("family", ["chain", "branches", "edge_cell", "cells"])
def test_most_children_of_five_morphs_are_recognised_without_being_told_of_them(family: str) -> None:
    found, shape = [], SPACES[family][1]
    for seed in range(16):
        rng, parent = np.random.default_rng(seed), drawn(family, seed, "widen")
        child = parent
        for _ in range(LENGTH):
            morphs = [m for m in morphs_of(child) if m.apply(child).plan(shape, 3).parameters < FEW]
            child = morphs[rng.integers(len(morphs))].apply(child) if morphs else child
        torch.manual_seed(seed)
        x = torch.randn(6, *shape)
        network, grown = settled(build(parent, shape, 3), x), build(child, shape, 3)
        made, exact = inherit(parent, network.state_dict(), child, rng, shape=shape, batch=x)
        grown.load_state_dict(made)
        found.append(exact)
        assert not exact or difference(grown, x, outputs(network, x)) < LIMIT
    assert np.mean(found) >= 0.75
