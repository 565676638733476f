"""Dropout whose mask comes from each member's own generator, several times faster on CPUs than torch's.

Torch draws one 32-bit number per unit through a serial sampler; that was a third of a training step. Here eight
units share one 64-bit draw, so the rate is a multiple of 1/256 and the scale is exact for that multiple.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from automl.errors import SettingError


class MemberDropout(nn.Module):
    """Dropout for `members` networks at once: (members, …) → the same shape, or any shape for one member.

    Parameters
    ----------
    p: share of units set to zero while training, in [0, 1]; rounded to the nearest multiple of 1/256.
    members: networks; each draws its mask from its own generator, so that it sees what it would see alone.
    """

    def __init__(self, p: float, members: int) -> None:
        super().__init__()
        self.level = round(p * 256)
        self.members = members
        self.generators: Sequence[torch.Generator] = ()

    def extra_repr(self) -> str:
        return f"p={self.level / 256:.4g}, members={self.members}"

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.level == 0:
            return x
        if self.level == 256:
            return x * 0
        if len(self.generators) != self.members:
            raise SettingError(f"dropout of {self.members} members has no generators: call seed_dropout first")
        return x * (self._mask(x) if x.device.type == "cpu" else self._device_mask(x))

    def _mask(self, x: Tensor) -> Tensor:
        units = x.numel() // self.members
        draws = torch.empty(self.members, (units + 7) // 8, dtype=torch.int64)
        for row, generator in zip(draws.unbind(0), self.generators, strict=True):
            row.random_(-(2**63), None, generator=generator)
        mask = torch.empty(self.members, units, dtype=x.dtype)
        torch.ge(draws.view(torch.uint8)[:, :units], self.level, out=mask)
        return mask.mul_(256 / (256 - self.level)).view(x.shape)

    def _device_mask(self, x: Tensor) -> Tensor:
        keep = 1 - self.level / 256
        mask = torch.empty(self.members, x.numel() // self.members, dtype=x.dtype, device=x.device)
        for row, generator in zip(mask.unbind(0), self.generators, strict=True):
            row.bernoulli_(keep, generator=generator)
        return mask.mul_(1 / keep).view(x.shape)


def seed_dropout(module: nn.Module, generators: Sequence[torch.Generator]) -> None:
    """Let every dropout of the module draw from these generators, one per member."""
    for leaf in module.modules():
        if isinstance(leaf, MemberDropout):
            leaf.generators = generators
