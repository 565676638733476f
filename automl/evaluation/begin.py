"""How a network begins with the weights of another configuration's: what makes a search Lamarckian.

Real et al. (2017), arXiv:1703.01041, section 3.3: children inherit every weight whose name and shape match. Where
morphisms lead from one configuration to the other, the child computes what its parent does (Elsken, Metzen & Hutter
2017, arXiv:1711.04528).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from automl.architectures import inheritance as of_tables
from automl.architectures.family import Shape
from automl.architectures.snapshots import SnapshotEnsemble
from automl.evaluation.blueprints import Blueprint, ImageBlueprint
from automl.evaluation.fitted import NetworkModel
from automl.genotypes import inheritance as of_genotypes

if TYPE_CHECKING:
    from torch import Tensor

    from automl.architectures.family import Family
    from automl.evaluation.blueprints import AnyBlueprint, AnyNetwork
    from automl.evaluation.fitted import FoldModel
    from automl.training.data import Rows

    Inherited = tuple[dict[str, Tensor], bool] | None

BATCH = 512
"""Rows by which norms are fitted."""
BODY = "body."


def begin_with(
    network: AnyNetwork, blueprint: AnyBlueprint, family: Family, parent: FoldModel, rows: Rows, seed: int
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
    theirs: Any = parent.network
    if isinstance(theirs, SnapshotEnsemble):
        theirs = theirs.networks[-1]
    weights, own = theirs.state_dict(), network.state_dict()
    network.load_state_dict(of_genotypes.by_name(weights, own))
    with torch.no_grad():
        batch = network.dense(rows.numbers[:BATCH], rows.codes[:BATCH])
    network.body.load_state_dict(_body(own))
    rng = np.random.default_rng(seed)
    before: Any = parent.blueprint  # both are of one family
    if isinstance(blueprint, ImageBlueprint):
        found = _of_images(blueprint, family, before, _body(weights), batch, rng)
    else:
        found = _of_tables(network, blueprint, family, before, _body(weights), batch, rng)
    if found is None:
        network.load_state_dict(of_genotypes.by_name(weights, own))
        return False
    made, exact = found
    network.body.load_state_dict(made)
    return exact


def _of_images(
    blueprint: ImageBlueprint,
    family: Family,
    before: ImageBlueprint,
    weights: dict[str, Tensor],
    batch: Tensor,
    rng: np.random.Generator,
) -> Inherited:
    """The body of a family of genotypes; None where they are of other kinds or sizes."""
    genotypes = getattr(family, "genotypes", None)
    if genotypes is None or before.size != blueprint.size:
        return None
    parent, child = (genotypes.decode(each.config) for each in (before, blueprint))
    shape = (blueprint.image[0], *blueprint.size)
    return of_genotypes.inherit(parent, weights, child, rng, shape=shape, batch=batch)


def _of_tables(
    network: Any,
    blueprint: Blueprint,
    family: Family,
    before: Blueprint,
    weights: dict[str, Tensor],
    batch: Tensor,
    rng: np.random.Generator,
) -> Inherited:
    """The body of a family for tables; None where it is fed columns, or other ones than before."""
    if network.front is None or (before.numbers, before.levels) != (blueprint.numbers, blueprint.levels):
        return None
    shape = Shape(
        inputs=network.front.width,
        outputs=blueprint.outputs,
        rows=blueprint.rows,
        numbers=blueprint.numbers,
        levels=blueprint.levels,
    )
    return of_tables.inherit(family, before.config, weights, blueprint.config, network.body, shape, rng, batch=batch)


def _body(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(BODY): t for name, t in weights.items() if name.startswith(BODY)}
