"""A small residual network for images, made for CPUs: most of its work is in 3×3 convolutions of few pixels.

The stem keeps the resolution; each stage doubles the width, halves the resolution and may add residual blocks. That is
the pattern of ResNet-9 (Page 2018, "How to train your ResNet") and of its successors (Jordan 2024, arXiv:2404.00498),
narrowed. Sources: residual blocks by He et al. 2016 (arXiv:1512.03385); width before depth by Zagoruyko & Komodakis
2016 (arXiv:1605.07146). Deviations: width, number of stages and blocks are searched; no whitening, no biases of their
own rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from automl.architectures.family import IMAGES, ImageShape

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class SmallResNet:
    """Residual network of a searched width and depth."""

    name = "small_resnet"
    inputs = IMAGES
    widths = ("width",)
    cells: ClassVar[dict[str, int]] = {"blocks": 0}

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Integer("width", (8, 64), log=True, default=16),
            Integer("stages", (2, 4), default=3),
            Integer("blocks", (0, 3), default=1),
            Categorical("halve", ["stride", "max_pool"], default="stride"),
            Categorical("activation", ["relu", "silu", "gelu"], default="relu"),
            Categorical("stem_stride", [1, 2], default=1, weights=[0.8, 0.2]),
            Float("dropout", (0.0, 0.5), default=0.0),
        )
        return space

    def build(
        self,
        shape: ImageShape,
        *,
        width: int,
        stages: int,
        blocks: int,
        halve: str,
        activation: str,
        stem_stride: int,
        dropout: float,
    ) -> nn.Module:
        """A module from (n, channels, height, width) to (n, shape.outputs) logits."""
        from torch import nn

        from automl.architectures import blocks as pieces
        from automl.architectures.image_blocks import Head, ResidualConv, conv_norm_act

        layers: list[nn.Module] = conv_norm_act(shape.channels, width, activation, stride=stem_stride)
        inputs, size = width, -(-min(shape.height, shape.width) // stem_stride)
        for _ in range(stages):
            halved = size >= 2
            layers += conv_norm_act(inputs, 2 * inputs, activation, halve=halve if halved else None)
            inputs, size = 2 * inputs, size // 2 if halved else size
            layers += [ResidualConv(inputs, activation) for _ in range(blocks)]
        return nn.Sequential(*layers, Head(), *pieces.dropout(dropout), nn.Linear(inputs, shape.outputs))
