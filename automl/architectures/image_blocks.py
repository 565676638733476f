"""Pieces of networks for images."""

from __future__ import annotations

from torch import Tensor, nn

from automl.architectures.blocks import activation
from automl.genotypes.network import mean_of_pixels


def conv_norm_act(inputs: int, width: int, act: str, *, stride: int = 1, halve: str | None = None) -> list[nn.Module]:
    """A 3×3 convolution, batch norm and activation.

    Parameters
    ----------
    halve: how the resolution is halved: "max_pool", right after the convolution, "stride", or None for not at all.
    """
    conv = nn.Conv2d(inputs, width, 3, 2 if halve == "stride" else stride, padding=1, bias=False)
    pool = [nn.MaxPool2d(2)] if halve == "max_pool" else []
    return [conv, *pool, nn.BatchNorm2d(width), activation(act)]


class ResidualConv(nn.Module):
    """Two 3×3 convolutions beside the identity: (n, width, h, w) → the same shape.

    Parameters
    ----------
    act: name of an activation.
    """

    def __init__(self, width: int, act: str) -> None:
        super().__init__()
        self.branch = nn.Sequential(*conv_norm_act(width, width, act), *conv_norm_act(width, width, act))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x)
        return out


class Head(nn.Module):
    """The mean over all pixels: (n, width, h, w) → (n, width)."""

    def forward(self, x: Tensor) -> Tensor:
        return mean_of_pixels(x)
