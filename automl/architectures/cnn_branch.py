"""Convolutional networks with branches: layers that take any of the earlier ones, by sum or concatenation.

Zoph & Le (2017), arXiv:1611.01578, section 3.3 (anchor points); ResNets and DenseNets are points of this space.
"""

from __future__ import annotations

from automl.architectures.genotype_networks import GenotypeFamily
from automl.genotypes.space_of_layers import BranchesSpace

_DEFAULT = {
    **{"layers": 6, "merge": "sum", "halve1": False, "halve2": True, "halve3": True},
    **{f"op{i}": "conv" for i in range(1, 9)},
    **{f"kernel{i}": 3 for i in range(1, 9)},
    **dict(zip((f"filters{i}" for i in range(1, 9)), (16, 16, 32, 32, 64, 64, 64, 64), strict=True)),
    **{"skip4_2": True, "skip6_4": True},
}


class CNNBranch(GenotypeFamily):
    """One to eight layers with a skip matrix."""

    def __init__(self) -> None:
        super().__init__("cnn_branch", BranchesSpace(filters=(8, 16, 32, 64, 128)), _DEFAULT)
