"""From stored images to logits: standardised by channel and resized in front of a family's body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.architectures.catalogue import family as family_of
from automl.architectures.family import Family, ImageShape


class ImageNetwork(nn.Module):
    """A family's network for images: (n, channels, height, width) uint8 → logits (n, outputs).

    The second argument of `forward`, the codes of tables, is not read: networks of both kinds are called alike.

    Parameters
    ----------
    mean, std: of each channel's values, 0 to 255, over the training images; what is constant has a std of 1.
    size: (height, width) that the body is fed.
    """

    mean: Tensor
    scale: Tensor
    members = False

    def __init__(self, body: nn.Module, mean: Sequence[float], std: Sequence[float], size: tuple[int, int]) -> None:
        super().__init__()
        # Channels last: convolutions of a CPU are up to twice as fast than with channels first.
        self.body: nn.Module = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented
        self.size = size
        # They follow from the blueprint, so they are no part of the saved weights.
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.body(*self.fed(images, codes))
        return logits

    def dense(self, images: Tensor, codes: Tensor) -> Tensor:
        """What the body is fed, (n, channels, *size)."""
        x = (images.to(self.mean.dtype) - self.mean) * self.scale
        if x.shape[-2:] != self.size:
            x = F.interpolate(x, self.size, mode="area")
        return x.contiguous(memory_format=torch.channels_last)

    def fed(self, images: Tensor, codes: Tensor) -> tuple[Tensor, ...]:
        """What the body is called with."""
        return (self.dense(images, codes),)


def image_network(
    family: str | Family,
    config: Mapping[str, Any],
    *,
    channels: int,
    size: tuple[int, int],
    mean: Sequence[float],
    std: Sequence[float],
    outputs: int,
    rows: int,
    seed: int = 0,
) -> ImageNetwork:
    """A fresh network of a family for images.

    Parameters
    ----------
    config: active hyperparameters of the family's space, nothing else.
    size: (height, width) that its body is fed; images of another size are resized.
    outputs: classes. rows: training images.
    seed: of the initial weights; torch's global generator is left as it was.

    Examples
    --------
    >>> config = {"width": 8, "stages": 2, "blocks": 1, "activation": "relu", "stem_stride": 1, "dropout": 0.0}
    >>> config["halve"] = "stride"
    >>> net = image_network(
    ...     "small_resnet", config, channels=1, size=(8, 8), mean=[99.0], std=[80.0], outputs=10, rows=100
    ... )
    >>> net(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, 0, dtype=torch.int64)).shape
    torch.Size([4, 10])
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = family_of(family).build(ImageShape(channels, *size, outputs=outputs, rows=rows), **config)
    return ImageNetwork(body, mean, std, size)
