"""Convolutional networks of a normal and a reduction cell, as NASNet and DARTS stack them.

Zoph et al. (2018), arXiv:1707.07012; Liu, Simonyan & Yang (2019), arXiv:1806.09055. Deviations, for CPUs: three blocks
a cell, plain 3×3 convolutions among the operations, few cells and filters. The default is a chain of residual blocks.
"""

from __future__ import annotations

from typing import ClassVar

from automl.architectures.genotype_networks import GenotypeFamily
from automl.genotypes.space_of_cells import DARTS, CellsSpace

BLOCKS = 3
_DEFAULT = {
    **{f"{cell}{b}_left_in": b + 1 for cell in ("normal", "reduce") for b in range(BLOCKS)},
    **{f"{cell}{b}_right_in": b for cell in ("normal", "reduce") for b in range(BLOCKS)},
    **{f"{cell}{b}_left_op": "conv_3x3" for cell in ("normal", "reduce") for b in range(BLOCKS)},
    **{f"{cell}{b}_right_op": "skip_connect" for cell in ("normal", "reduce") for b in range(BLOCKS)},
    **{"cells": 3, "filters": 16},
}


class CNNCell(GenotypeFamily):
    """Three to eight cells of two kinds; two of them halve the resolution."""

    cells: ClassVar[dict[str, int]] = {"cells": 3}

    def __init__(self) -> None:
        bounds = CellsSpace(BLOCKS, ("conv_3x3", *DARTS), cells=(3, 5, 6, 8), filters=(8, 12, 16, 24, 32))
        super().__init__("cnn_cell", bounds, _DEFAULT)
