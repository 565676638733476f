"""What a budget makes of a network: fewer units or filters, fewer cells, smaller images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from automl.evaluation.blueprints import AnyBlueprint, ImageBlueprint
from automl.evaluation.fidelity import Resources

if TYPE_CHECKING:
    from automl.architectures.family import Family
    from automl.training.checkpoints import Checkpoint

LEAST_WIDTH, LEAST_SIDE = 4, 8
"""Units or filters of a layer, and pixels of a side, that no budget goes below."""


def at_resources(blueprint: AnyBlueprint, family: Family, resources: Resources) -> AnyBlueprint:
    """The blueprint of the network that the resources buy; itself where they are whole."""
    made = replace(blueprint, config=scaled(blueprint.config, family, resources))
    if not isinstance(made, ImageBlueprint):
        return made
    height, width = (max(min(LEAST_SIDE, side), round(resources.resolution * side)) for side in made.size)
    return replace(made, size=(height, width))


def scaled(config: Mapping[str, Any], family: Family, resources: Resources) -> dict[str, Any]:
    """The family's hyperparameters with a share of the width and of the cells, where it has them."""
    widths, cells = getattr(family, "widths", ()), getattr(family, "cells", {})
    made = dict(config)
    for name, value in config.items():
        stem = name.rstrip("0123456789")
        if stem in widths and value is not None:
            made[name] = max(min(LEAST_WIDTH, value), round(resources.width * value))
        elif stem in cells:
            made[name] = max(min(cells[stem], value), round(resources.cells * value))
    return made


def judged_anew(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without what was best so far: at another resolution its loss would mean something else."""
    members = tuple(
        replace(member, best={}, best_epoch=0, best_loss=float("inf"), best_snapshots=0, stopped=False)
        for member in checkpoint.members
    )
    return replace(checkpoint, members=members)
