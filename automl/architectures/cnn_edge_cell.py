"""Convolutional networks of repeated cells, as NAS-Bench-201 stacks them: four nodes, an operation on each edge.

Dong & Yang (2020), arXiv:2001.00326. The default is the cell with a residual chain of two 3×3 convolutions. Deviation:
images whose sides are no multiples of 4 are padded with zeros, since the residual blocks between stages halve them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from automl.architectures.family import ImageShape
from automl.architectures.genotype_networks import GenotypeFamily
from automl.genotypes.space_of_cells import EdgeCellSpace

if TYPE_CHECKING:
    from torch import nn

_DEFAULT = {
    **{"edge01": "conv_3x3", "edge02": "none", "edge12": "conv_3x3"},
    **{"edge03": "skip_connect", "edge13": "none", "edge23": "skip_connect"},
    **{"cells": 1, "filters": 16},
}


class CNNEdgeCell(GenotypeFamily):
    """Three stages of one to five equal cells."""

    def __init__(self) -> None:
        super().__init__("cnn_edge_cell", EdgeCellSpace(cells=(1, 2, 3, 5), filters=(8, 12, 16, 24, 32)), _DEFAULT)

    def build(self, shape: ImageShape, **values: Any) -> nn.Module:
        """A module from (n, channels, height, width) to (n, shape.outputs) logits."""
        from torch import nn

        down, right = -shape.height % 4, -shape.width % 4
        padded = replace(shape, height=shape.height + down, width=shape.width + right)
        return nn.Sequential(nn.ZeroPad2d((0, right, 0, down)), super().build(padded, **values))
