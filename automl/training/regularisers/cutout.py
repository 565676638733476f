"""Cutout for tables: some columns are blanked (DeVries & Taylor 2017, arXiv:1708.04552; columns in place of squares as
in regularisation cocktails, Kadra et al. 2021, arXiv:2106.11189)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from automl.architectures.inputs import TabularNet
from automl.training.data import Batch
from automl.training.regularisers.mixing import Generators, Objective, kept_shares


@dataclass(frozen=True, slots=True)
class Cutout:
    """A member's batch has max(1, ⌊share·columns⌋) of its columns set to zero.

    Zero is about the mean of a scaled number, and a missing category of one-hot columns.

    Attributes
    ----------
    probability: of a batch to be cut, in [0, 1]. share: of the columns, in [0, 1].
    """

    probability: float
    share: float
    passes: ClassVar[int] = 1

    def draw(self, generator: np.random.Generator, columns: int) -> NDArray[np.float64]:
        """1 for each column that is kept, 0 for each that is cut, (columns,)."""
        kept = np.ones(columns)
        if generator.random() < self.probability:
            kept[generator.choice(columns, max(1, int(columns * self.share)), replace=False)] = 0.0
        return kept

    def loss(self, network: TabularNet, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        dense = network.dense(batch.numbers, batch.codes)
        kept = kept_shares(dense, random, lambda generator: self.draw(generator, dense.shape[-1]))
        return objective(network.body(dense * kept), batch)
