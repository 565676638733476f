"""Convolutional networks of repeated cells, as NAS-Bench-201 stacks them: four nodes, an operation on each edge.

Dong & Yang (2020), arXiv:2001.00326. The default is the cell with a 3×3 convolution on each path.
"""

from __future__ import annotations

from automl.architectures.genotype_networks import GenotypeFamily
from automl.genotypes.space_of_cells import EdgeCellSpace

_DEFAULT = {
    **{"edge01": "conv_3x3", "edge02": "none", "edge12": "conv_3x3"},
    **{"edge03": "skip_connect", "edge13": "none", "edge23": "skip_connect"},
    **{"cells": 1, "filters": 16},
}


class CNNEdgeCell(GenotypeFamily):
    """Three stages of one to five equal cells."""

    def __init__(self) -> None:
        super().__init__("cnn_edge_cell", EdgeCellSpace(cells=(1, 2, 3, 5), filters=(8, 12, 16, 24, 32)), _DEFAULT)
