"""Mixup: weighted means of pairs of rows and of their losses (Zhang et al. 2018, arXiv:1710.09412, equation 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from automl.architectures.inputs import TabularNet
from automl.training.data import Batch
from automl.training.regularisers.mixing import Generators, Objective, kept_shares, mixed_loss, mixed_rows


@dataclass(frozen=True, slots=True)
class Mixup:
    """A member's batch keeps max(λ, 1−λ) of its rows with λ ~ Beta(α, α).

    The larger of the two only says which row of a pair is called the first: the pairs are the same.

    Attributes
    ----------
    alpha: α ≥ 0; 0 leaves the rows as they are.
    """

    alpha: float
    passes: ClassVar[int] = 1

    def draw(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """The share that is kept, (1,), in [0.5, 1]."""
        share = generator.beta(self.alpha, self.alpha) if self.alpha > 0 else 1.0
        return np.array([max(share, 1 - share)])

    def loss(self, network: TabularNet, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        dense = network.dense(batch.numbers, batch.codes)
        kept = kept_shares(dense, random, self.draw)
        return mixed_loss(network.body(mixed_rows(dense, kept)), batch, kept.mean(-1), objective)
