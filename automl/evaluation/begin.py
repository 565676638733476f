"""How a network begins with the weights of another configuration's: what makes a search Lamarckian.

Real et al. (2017), arXiv:1703.01041, section 3.3: children inherit every weight whose name and shape match. Where
morphisms lead from one configuration to the other, the child computes what its parent does (Elsken, Metzen & Hutter
2017, arXiv:1711.04528). A smaller child cannot: it first learns from its parent (Elsken, Metzen & Hutter 2019,
arXiv:1804.09081, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from automl.architectures import inheritance as of_tables
from automl.architectures.family import Shape
from automl.architectures.snapshots import SnapshotEnsemble
from automl.evaluation.blueprints import ImageBlueprint
from automl.evaluation.fitted import NetworkModel
from automl.genotypes import inheritance as of_genotypes
from automl.genotypes.network import Network
from automl.training.data import rows_at_once
from automl.training.distillation import distil

if TYPE_CHECKING:
    from torch import Tensor, nn

    from automl.architectures.family import Family
    from automl.evaluation.blueprints import AnyBlueprint, AnyNetwork
    from automl.evaluation.fitted import FoldModel
    from automl.training.data import Rows

    HandOn = Callable[[dict[str, Tensor], np.random.Generator, Tensor], tuple[dict[str, Tensor], bool]]

BATCH = 512
"""Rows by which norms are fitted, at most."""
TAUGHT, LESSONS = 2048, 8192
"""Rows on which a parent is asked, at most, and rows that its child learns from in all, repeated ones counted."""


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
    part, prefix = _grown_part(network)
    hand_on = _hand_on(network, part, blueprint, family, parent)
    if hand_on is None:
        return False
    # Morphisms go from fresh weights of that part; what stands before it has been taken by name.
    at_once = rows_at_once(rows.numbers, BATCH)
    batch = _fed(network, part, rows, slice(at_once))
    part.load_state_dict(_below(prefix, own))
    made, exact = hand_on(_below(prefix, weights), np.random.default_rng(seed), batch)
    part.load_state_dict(made)
    teacher = _grown_part(theirs)[0]
    if not exact and _size(part) < _size(teacher):
        starts = range(0, min(TAUGHT, len(rows)), at_once)
        inputs = torch.cat([_fed(network, part, rows, slice(i, i + at_once)) for i in starts])
        distil(part, teacher, inputs, epochs=math.ceil(LESSONS / len(inputs)), seed=seed)
    return exact


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _grown_part(network: AnyNetwork) -> tuple[nn.Module, str]:
    """The module that morphisms change, and the prefix of its weights: the network of a genotype, or the body."""
    for name, module in network.named_modules():
        if isinstance(module, Network):
            return module, f"{name}."
    return network.body, "body."


def _hand_on(network: Any, part: Any, blueprint: AnyBlueprint, family: Family, parent: NetworkModel) -> HandOn | None:
    """What makes the part's weights of the parent's; None where no morphism can lead from one to the other."""
    before: Any = parent.blueprint  # both are of one family
    if isinstance(blueprint, ImageBlueprint):
        if not isinstance(part, Network) or before.size != blueprint.size:
            return None
        made_from: Any = family  # a family of genotypes: no other has such networks
        old, new = (made_from.genotypes.decode(each.config) for each in (before, blueprint))
        image = part.plan.steps[0].shape
        return lambda weights, rng, batch: of_genotypes.inherit(old, weights, new, rng, shape=image, batch=batch)
    if network.front is None or (before.numbers, before.levels) != (blueprint.numbers, blueprint.levels):
        return None
    shape = Shape(
        inputs=network.front.width,
        outputs=blueprint.outputs,
        rows=blueprint.rows,
        numbers=blueprint.numbers,
        levels=blueprint.levels,
    )
    return lambda weights, rng, batch: of_tables.inherit(
        family, before.config, weights, blueprint.config, part, shape, rng, batch=batch
    )


def _fed(network: AnyNetwork, part: nn.Module, rows: Rows, some: slice) -> Tensor:
    """What the part is fed of some rows."""
    seen: list[Tensor] = []
    hook = part.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    mode = network.training
    with torch.no_grad():
        network.eval()(rows.numbers[some], rows.codes[some])
    network.train(mode)
    hook.remove()
    return seen[0]


def _below(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
