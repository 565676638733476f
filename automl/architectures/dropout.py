"""Dropout whose mask comes from each member's own generator, several times faster on CPUs than torch's.

Torch draws one 32-bit number per unit through a serial sampler; that was a third of a training step. Here eight
units share one 64-bit draw, so the rate is a multiple of 1/256 and the scale is exact for that multiple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from automl.architectures.shake import ShakeDrop, ShakeShake
from automl.errors import SettingError

DRAWN_AT_ONCE = 2**16
"""Units of a member whose masks are drawn by one call, when there are steps enough."""


@dataclass
class _Stream:
    """Where the masks come from. Apart from the module, whose `__setattr__` is slow.

    level: the rate of the next masks in units of 1/256; the rate of `masks` that are drawn already, too.
    """

    level: int
    generators: Sequence[torch.Generator] = ()
    steps_left: int = 0
    masks: list[Tensor] = field(default_factory=list)


class MemberDropout(nn.Module):
    """Dropout for `members` networks at once: (members, …) → the same shape, or any shape for one member.

    Masks of small layers are drawn for several steps at once, since a call costs more than their numbers.

    Parameters
    ----------
    p: share of units set to zero while training, in [0, 1]; rounded to the nearest multiple of 1/256.
    members: networks; each draws its mask from its own generator, so that it sees what it would see alone.
    """

    def __init__(self, p: float, members: int) -> None:
        super().__init__()
        self.p = p
        self.members = members
        self.stream = _Stream(_level(p))

    def arm(self, generators: Sequence[torch.Generator], steps: int) -> None:
        """Draw from these generators, one per member, for the next `steps` steps, at the full rate."""
        self.stream = _Stream(_level(self.p), generators, steps)

    def scale(self, factor: float) -> None:
        """Drop `factor` · p of the units from the next step on, until armed anew."""
        level = _level(self.p * factor)
        if level != self.stream.level:
            self.stream.level = level
            self.stream.masks = []

    def extra_repr(self) -> str:
        return f"p={_level(self.p) / 256:.4g}, members={self.members}"

    def forward(self, x: Tensor) -> Tensor:
        stream = self.stream
        if not self.training or stream.level == 0:
            return x
        if stream.level == 256:
            return x * 0
        if not stream.masks or stream.masks[-1].shape != x.shape:
            stream.masks = self._draw(x)
        stream.steps_left -= 1
        return x * stream.masks.pop()

    def _draw(self, x: Tensor) -> list[Tensor]:
        """Masks like `x`, which is one step's, for this step and as many more as fit."""
        if len(self.stream.generators) != self.members:
            raise SettingError(f"dropout of {self.members} members has no generators: call seed_dropout first")
        units = x.numel() // self.members
        # Depends on one member's units only, so that members draw alike alone and together.
        steps = max(1, min(self.stream.steps_left, DRAWN_AT_ONCE // units))
        level = self.stream.level
        keep = 1 - level / 256
        masks = torch.empty(self.members, steps, units, dtype=x.dtype, device=x.device)
        if x.device.type == "cpu":
            draws = torch.empty(self.members, (steps * units + 7) // 8, dtype=torch.int64)
            for row, generator in zip(draws.unbind(0), self.stream.generators, strict=True):
                row.random_(-(2**63), None, generator=generator)
            bytes_drawn = draws.view(torch.uint8)[:, : steps * units]
            torch.ge(bytes_drawn.unflatten(1, (steps, units)), level, out=masks)
        else:
            for row, generator in zip(masks.unbind(0), self.stream.generators, strict=True):
                row.bernoulli_(keep, generator=generator)
        # By step first, so that each step's mask lies in one piece.
        by_step = masks.mul_(1 / keep).transpose(0, 1).contiguous()
        return [mask.view(x.shape) for mask in by_step.unbind(0)]


def seed_dropout(module: nn.Module, generators: Sequence[torch.Generator], steps: int = 1) -> None:
    """Let every leaf that draws take its numbers from these generators, one per member, for the next `steps` steps."""
    for leaf in module.modules():
        if isinstance(leaf, MemberDropout | ShakeShake | ShakeDrop):
            leaf.arm(generators, steps)


def scale_dropout(module: nn.Module, factor: float) -> None:
    """Let every dropout of the module drop `factor` times its rate, in [0, 1], from the next step on.

    As masks know only 256 rates, a rate that falls slowly rarely changes, and masks are still drawn for many steps.
    """
    for leaf in module.modules():
        if isinstance(leaf, MemberDropout):
            leaf.scale(factor)


def _level(p: float) -> int:
    return round(p * 256)
