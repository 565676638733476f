"""Residual branches that are shaken while training: shake-shake and shake-drop.

Both multiply branches by random numbers, and their gradients on the way back by others. Here each row has numbers of
its own (the "image" level of the papers, the better one there), drawn for several members at once from each member's
own generator, so that it sees what it would see alone.

Sources: Gastaldi 2017 (arXiv:1705.07485, section 2) and Yamada et al. 2019 (arXiv:1802.02375, equation 6).
Deviation from Auto-PyTorch: there one number counts for all rows of a batch, and shake-drop's is never negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from automl.errors import SettingError, unknown

RULES = ("shake_shake", "shake_even", "even_even")
"""Weights of the first branch forwards and backwards: both random, only forwards, or both a half."""


class _Noise:
    """Random numbers in [0, 1) per member. Apart from the modules, whose `__setattr__` is slow."""

    def __init__(self, members: int) -> None:
        self.members = members
        self.generators: Sequence[torch.Generator] = ()

    def __call__(self, like: Tensor, each: int) -> Tensor:
        """`each` numbers for every member, (members, each); torch's global generator serves one that has none."""
        if not self.generators and self.members == 1:
            return torch.rand(1, each, dtype=like.dtype, device=like.device)
        if len(self.generators) != self.members:
            raise SettingError(f"a shake of {self.members} members has no generators: call seed_dropout first")
        drawn = [torch.rand(each, generator=g, dtype=like.dtype, device=like.device) for g in self.generators]
        return torch.stack(drawn)

    def per_row(self, x: Tensor) -> Tensor:
        """A number for each row of (…, width): (…, 1)."""
        return self(x, x.shape[:-1].numel() // self.members).view(*x.shape[:-1], 1)


class ShakeShake(nn.Module):
    """Two branches → α·first + (1−α)·second, with gradients as if α were β; the mean when evaluating.

    Parameters
    ----------
    rule: how α and β come about, one of `RULES`.
    members: networks that go through at once, (members, rows, width), or any shape for one member.
    """

    def __init__(self, rule: str, members: int = 1) -> None:
        super().__init__()
        if rule not in RULES:
            raise unknown("rule of shake-shake", rule, RULES)
        self.rule = rule
        self.members = members
        self.noise = _Noise(members)

    def arm(self, generators: Sequence[torch.Generator], steps: int) -> None:
        """Draw from these generators, one per member."""
        self.noise.generators = generators

    def extra_repr(self) -> str:
        return f"rule={self.rule}, members={self.members}"

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        if not self.training or self.rule == "even_even":
            return 0.5 * (first + second)
        forwards = self.noise.per_row(first)
        backwards = self.noise.per_row(first) if self.rule == "shake_shake" else 0.5
        return shaken(first, forwards, backwards) + shaken(second, 1 - forwards, 1 - backwards)


class ShakeDrop(nn.Module):
    """A branch F → (b + α − bα)·F with b ~ Bernoulli(1−p), α ~ U(−1, 1), gradients as if α were β ~ U(0, 1).

    One b counts for a member's batch, α and β are each row's own. When evaluating: the expectation, (1−p)·F.

    Parameters
    ----------
    p: probability that a batch is shaken, in [0, 1].
    members: networks that go through at once, (members, rows, width), or any shape for one member.
    """

    def __init__(self, p: float, members: int = 1) -> None:
        super().__init__()
        self.p = p
        self.members = members
        self.noise = _Noise(members)

    def arm(self, generators: Sequence[torch.Generator], steps: int) -> None:
        """Draw from these generators, one per member."""
        self.noise.generators = generators

    def extra_repr(self) -> str:
        return f"p={self.p:.4g}, members={self.members}"

    def forward(self, x: Tensor) -> Tensor:
        if self.p == 0:
            return x
        if not self.training:
            return (1 - self.p) * x
        whole = self.noise(x, 1) >= self.p
        if self.members > 1:
            whole = whole.view(-1, *(1,) * (x.dim() - 1))
        alpha, beta = 2 * self.noise.per_row(x) - 1, self.noise.per_row(x)
        return shaken(x, torch.where(whole, 1.0, alpha), torch.where(whole, 1.0, beta))


def shaken(x: Tensor, forwards: Tensor | float, backwards: Tensor | float) -> Tensor:
    """forwards · x, with the gradient backwards · (gradient of the result).

    Examples
    --------
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> out = shaken(x, 3.0, 0.5)
    >>> out.backward()
    >>> out.item(), x.grad.item()
    (6.0, 0.5)
    """
    return backwards * x + ((forwards - backwards) * x).detach()


def drop_probabilities(highest: float, blocks: int) -> tuple[float, ...]:
    """Shake-drop's p of each block: rises linearly with depth to `highest` (equation 4 of Yamada et al. 2019).

    Examples
    --------
    >>> drop_probabilities(0.5, 4)
    (0.125, 0.25, 0.375, 0.5)
    """
    return tuple(highest * block / blocks for block in range(1, blocks + 1))
