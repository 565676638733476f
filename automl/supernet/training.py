"""How shared weights learn: SGD on a cosine schedule, a path a batch.

Settings are those with which DARTS trains the weights of its supernet (Liu, Simonyan & Yang 2019, section 3.1.1).
Guo et al. (2020, arXiv:1904.00420) and Li & Talwalkar (2019, arXiv:1902.07638) draw the paths evenly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from automl.errors import SettingError
from automl.supernet.data import Budget, Halves, batches
from automl.supernet.network import Supernet

Draw = Callable[[np.random.Generator], Any]
"""Random numbers → the genotype that the next batch trains."""


@dataclass(frozen=True)
class Weights:
    """How shared weights learn.

    Attributes
    ----------
    rate, last_rate: of SGD, at the beginning and at the end of half a cosine.
    momentum, decay: of SGD; decay is L2.
    clip: largest norm of the gradient.
    batch: images a step, >= 2, since batch norms need more than one.
    """

    rate: float = 0.025
    last_rate: float = 0.001
    momentum: float = 0.9
    decay: float = 3e-4
    clip: float = 5.0
    batch: int = 64

    def __post_init__(self) -> None:
        if isinstance(self.batch, bool) or not isinstance(self.batch, int) or self.batch < 2:
            raise SettingError(f"batch is {self.batch!r}; it must be a whole number of at least 2, for batch norms")

    def optimizer(self, network: nn.Module) -> torch.optim.SGD:
        return torch.optim.SGD(network.parameters(), self.rate, momentum=self.momentum, weight_decay=self.decay)

    def set_rate(self, sgd: torch.optim.SGD, spent: float) -> float:
        """The rate at a share of the budget, set and returned."""
        rate = self.last_rate + (self.rate - self.last_rate) * 0.5 * (1 + math.cos(math.pi * spent))
        sgd.param_groups[0]["lr"] = rate
        return rate

    def steps(self, halves: Halves) -> int:
        """Steps an epoch."""
        return max(1, len(halves.train[1]) // self.batch)

    def down(self, sgd: torch.optim.SGD, loss: Tensor) -> float:
        """One step; returns the loss."""
        sgd.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(sgd.param_groups[0]["params"], self.clip)
        sgd.step()
        return float(loss.detach())


def path_epoch(
    supernet: Supernet,
    halves: Halves,
    sgd: torch.optim.SGD,
    weights: Weights,
    budget: Budget,
    epoch: int,
    draw: Draw,
    rng: np.random.Generator,
) -> float:
    """Train one drawn path a batch for an epoch, or until the budget is spent; returns the mean loss."""
    losses, steps = [], weights.steps(halves)
    for step, (images, labels) in enumerate(batches(halves.train, weights.batch, rng)):
        spent = budget.spent(epoch + step / steps)
        if spent >= 1:
            break
        weights.set_rate(sgd, spent)
        losses.append(weights.down(sgd, functional.cross_entropy(supernet.single(images, draw(rng)), labels)))
    return float(np.mean(losses)) if losses else float("nan")
