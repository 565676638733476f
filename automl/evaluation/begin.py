"""How a network begins with the weights of another configuration's: what makes a search Lamarckian.

Real et al. (2017), arXiv:1703.01041, section 3.3: children inherit every weight whose name and shape match. Where
morphisms lead from one configuration to the other, the child computes what its parent does (Elsken, Metzen & Hutter
2017, arXiv:1711.04528).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from automl.architectures.family import Shape
from automl.architectures.inheritance import inherit
from automl.architectures.snapshots import SnapshotEnsemble
from automl.evaluation.fitted import NetworkModel
from automl.genotypes.inheritance import by_name

if TYPE_CHECKING:
    from automl.architectures.family import Family
    from automl.architectures.inputs import TabularNet
    from automl.evaluation.fitted import Blueprint, FoldModel
    from automl.training.data import Rows

BATCH = 512
"""Rows by which norms are fitted."""


def begin_with(
    network: TabularNet, blueprint: Blueprint, family: Family, parent: FoldModel, rows: Rows, seed: int
) -> bool:
    """Load the weights of a parent's network, as far as they fit; says whether nothing of what it computes was lost.

    Parameters
    ----------
    network: of the blueprint, freshly made; it is changed.
    parent: model of the same family for the same fold.
    rows: training rows, prepared for the network.
    """
    if not isinstance(parent, NetworkModel):
        return False
    theirs = parent.network
    if isinstance(theirs, SnapshotEnsemble):
        theirs = theirs.networks[-1]
    weights, own = theirs.state_dict(), network.state_dict()
    network.load_state_dict(by_name(weights, own))
    if network.front is None or (parent.blueprint.numbers, parent.blueprint.levels) != (
        blueprint.numbers,
        blueprint.levels,
    ):
        return False
    with torch.no_grad():
        batch = network.dense(rows.numbers[:BATCH], rows.codes[:BATCH])
    shape = Shape(
        inputs=network.front.width,
        outputs=blueprint.outputs,
        rows=blueprint.rows,
        numbers=blueprint.numbers,
        levels=blueprint.levels,
    )
    body = {name.removeprefix("body."): t for name, t in weights.items() if name.startswith("body.")}
    fresh = {name.removeprefix("body."): t for name, t in own.items() if name.startswith("body.")}
    network.body.load_state_dict(fresh)
    made, exact = inherit(
        family,
        parent.blueprint.config,
        body,
        blueprint.config,
        network.body,
        shape,
        np.random.default_rng(seed),
        batch=batch,
    )
    network.body.load_state_dict(made)
    return exact
