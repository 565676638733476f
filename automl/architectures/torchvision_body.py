"""A reference network of torchvision as the body of a network for images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from automl.architectures.image_blocks import Head
from automl.architectures.torchvision_networks import read_weights
from automl.architectures.vision import torchvision
from automl.errors import SettingError

LEAST_MATCH = 0.5
"""Share of a network's numbers that a file must have, to be taken for this network's weights."""


class ReferenceNetwork(nn.Module):
    """Maps (n, channels, height, width) to (n, outputs) logits.

    Parameters
    ----------
    name: of a function of `torchvision.models`.
    small: whether the first convolution and what follows it keep the resolution.
    weights: file that the weights come from before the first step, or None.
    """

    def __init__(self, name: str, channels: int, outputs: int, *, small: bool, weights: Path | None) -> None:
        super().__init__()
        torchvision()
        from torchvision import models

        self.network: nn.Module = getattr(models, name)(weights=None, num_classes=outputs)
        self.file = weights
        _fit_stem(self.network, channels, small)
        if hasattr(self.network, "avgpool"):  # of its own gradients, see `mean_of_pixels`
            self.network.avgpool = Head()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out

    def prime(self, images: Any, targets: Any) -> None:
        """Take the weights of the file, where there is one."""
        if self.file is None:
            return
        own = self.network.state_dict()
        found = {name: tensor for name, tensor in read_weights(self.file).items() if name in own}
        fitting = {name: tensor for name, tensor in found.items() if tensor.shape == own[name].shape}
        share = sum(t.numel() for t in fitting.values()) / sum(t.numel() for t in own.values())
        if share < LEAST_MATCH:
            raise SettingError(
                f"weights {str(self.file)!r} fit {share:.0%} of the network; name the network that they belong to"
            )
        self.network.load_state_dict(fitting, strict=False)


def _fit_stem(network: nn.Module, channels: int, small: bool) -> None:
    """A first convolution for so many channels; for small images one that keeps the resolution."""
    path, first = next((p, m) for p, m in network.named_modules() if isinstance(m, nn.Conv2d))
    kernel = min(first.kernel_size[0], 3) if small else first.kernel_size[0]
    made = nn.Conv2d(
        channels, first.out_channels, kernel, 1 if small else first.stride[0], kernel // 2, bias=first.bias is not None
    )
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    network.set_submodule(path, made)
    if small and hasattr(network, "maxpool"):
        network.maxpool = nn.Identity()
