"""Architectures from papers, as genotypes."""

from __future__ import annotations

from automl.genotypes.branches import Branches
from automl.genotypes.cells import Cell, Cells
from automl.genotypes.layers import Layer


def darts_v2(cells: int = 20, filters: int = 36) -> Cells:
    """DARTS, second order (Liu, Simonyan & Yang 2019, arXiv:1806.09055; `DARTS_V2` of its code)."""
    normal = (
        *(("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
        *(("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)),
    )
    reduce = (
        *(("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1)),
        *(("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)),
    )
    return Cells(Cell.of(normal, (2, 3, 4, 5)), Cell.of(reduce, (2, 3, 4, 5)), cells, filters)


def nasnet_a(cells: int = 20, filters: int = 32) -> Cells:
    """NASNet-A (6 @ 768) for CIFAR-10 (Zoph et al. 2018, arXiv:1707.07012, figure 4).

    Six normal cells in each of three stages and two reductions; 768 = 6 · 4 · 32 filters before the classifier. The
    normal cell's output holds the cell before the last, too.
    """
    normal = (
        *(("sep_conv_5x5", 1), ("sep_conv_3x3", 0), ("sep_conv_5x5", 0), ("sep_conv_3x3", 0)),
        *(("avg_pool_3x3", 1), ("skip_connect", 0), ("avg_pool_3x3", 0), ("avg_pool_3x3", 0)),
        *(("sep_conv_3x3", 1), ("skip_connect", 1)),
    )
    reduce = (
        *(("sep_conv_5x5", 1), ("sep_conv_7x7", 0), ("max_pool_3x3", 1), ("sep_conv_7x7", 0)),
        *(("avg_pool_3x3", 1), ("sep_conv_5x5", 0), ("skip_connect", 3), ("avg_pool_3x3", 2)),
        *(("sep_conv_3x3", 2), ("max_pool_3x3", 1)),
    )
    return Cells(Cell.of(normal, (0, 2, 3, 4, 5, 6)), Cell.of(reduce, (3, 4, 5, 6)), cells, filters)


def resnet(blocks: tuple[int, ...], filters: int = 16, *, large_images: bool = False) -> Branches:
    """ResNet of basic blocks (He et al. 2016, arXiv:1512.03385), with projections where widths change (option B).

    Parameters
    ----------
    blocks: of each stage; (3, 3, 3) is ResNet-20 for CIFAR, (2, 2, 2, 2) with 64 filters ResNet-18.
    filters: of the first stage; each later one doubles them and halves the resolution.
    large_images: begin with a 7×7 convolution of stride 2 and a pool, as for ImageNet.
    """
    stem = [Layer("conv", 7 if large_images else 3, filters, 2 if large_images else 1), Layer("relu")]
    layers = [*stem, Layer("max_pool", 3, stride=2)] if large_images else stem
    taken: list[tuple[int, ...]] = [(i,) for i in range(len(layers))]
    for stage, count in enumerate(blocks):
        for block in range(count):
            trunk = len(layers)  # the place of the last junction
            width, stride = filters * 2**stage, 2 if stage and not block else 1
            layers += [Layer("conv", 3, width, stride), Layer("conv", 3, width), Layer("relu")]
            taken += [(trunk,), (trunk + 1,), (trunk, trunk + 2)]
    return Branches.of(layers, [*taken, (len(layers),)], merge="sum", order="relu-conv-norm")


def densenet(layers_a_block: int, growth: int, *, bottleneck: bool = False, compression: float = 1.0) -> Branches:
    """DenseNet with three blocks for CIFAR (Huang et al. 2017, arXiv:1608.06993).

    Parameters
    ----------
    layers_a_block: 12 without bottlenecks is DenseNet-40, 16 with them DenseNet-BC-100.
    growth: filters of each layer, k.
    bottleneck: a 1×1 convolution to 4k filters before each 3×3 one.
    compression: share of the channels that a transition keeps.
    """
    channels = 2 * growth if bottleneck else 16
    layers = [Layer("conv", 3, channels)]
    taken: list[tuple[int, ...]] = [(0,)]
    for block in range(3):
        held: tuple[int, ...] = (len(layers),)
        for _ in range(layers_a_block):
            inputs: tuple[int, ...] = held
            if bottleneck:
                layers.append(Layer("conv", 1, 4 * growth))
                taken.append(inputs)
                inputs = (len(layers),)
            layers.append(Layer("conv", 3, growth))
            taken.append(inputs)
            held, channels = (*held, len(layers)), channels + growth
        if block == 2:
            return Branches.of(layers, [*taken, held], order="norm-relu-conv")
        channels = int(channels * compression)
        layers += [Layer("conv", 1, channels), Layer("avg_pool", 2, stride=2)]
        taken += [held, (len(layers) - 1,)]
    raise AssertionError("the third block returns")
