"""Families whose architecture is a genotype: what may be chosen is said by a definition, the network is its plan's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from automl.architectures.family import IMAGES, ImageShape

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn

    from automl.genotypes.spaces import Definition


class GenotypeFamily:
    """A family of networks for images that are made from genotypes.

    Parameters
    ----------
    name: of the family.
    genotypes: what may be chosen of its architecture.
    default: the values of `genotypes` that a configuration begins with, where the definition's own are too trivial.
    """

    inputs = IMAGES
    widths = ("filters",)
    cells: ClassVar[dict[str, int]] = {"cells": 1}

    def __init__(self, name: str, genotypes: Definition, default: Mapping[str, Any]) -> None:
        self.name, self.genotypes, self.default = name, genotypes, dict(default)

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import ConfigurationSpace

        space = ConfigurationSpace()
        self.genotypes.fill(space, "")
        for name, value in self.default.items():
            space[name].default_value = value
        return space

    def build(self, shape: ImageShape, **values: Any) -> nn.Module:
        """A module from (n, channels, height, width) to (n, shape.outputs) logits."""
        from automl.genotypes.genotype import build

        image = (shape.channels, shape.height, shape.width)
        return build(self.genotypes.decode(values), image, shape.outputs)
