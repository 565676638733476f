"""Convolutional networks that are chains: one layer after another, each with a kernel, filters and maybe a stride.

Elsken, Metzen & Hutter (2019), JMLR 20(55), section 2; Baker et al. (2017), arXiv:1611.02167.
"""

from __future__ import annotations

from automl.architectures.genotype_networks import GenotypeFamily
from automl.genotypes.space_of_layers import ChainSpace

_DEFAULT = {
    **{"layers": 6, "dense": 0, "halve1": False, "halve2": True, "halve3": True},
    **{f"op{i}": "conv" for i in range(1, 9)},
    **{f"kernel{i}": 3 for i in range(1, 9)},
    **dict(zip((f"filters{i}" for i in range(1, 9)), (16, 16, 32, 32, 64, 64, 64, 64), strict=True)),
}


class CNNChain(GenotypeFamily):
    """Chains of one to eight layers, and up to two dense ones."""

    def __init__(self) -> None:
        bounds = ChainSpace(filters=(8, 16, 32, 64, 128), units=(32, 64, 128, 256))
        super().__init__("cnn_chain", bounds, _DEFAULT)
