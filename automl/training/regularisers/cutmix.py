"""CutMix for tables: some columns come from another row, whose target counts as much (Yun et al. 2019,
arXiv:1905.04899; columns in place of boxes as in regularisation cocktails, Kadra et al. 2021, arXiv:2106.11189)."""

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
class CutMix:
    """A member's batch takes max(1, ⌊λ·columns⌋) of its columns from other rows, λ ~ U(0, 1).

    Attributes
    ----------
    probability: of a batch to be mixed, in [0, 1].
    """

    probability: float
    passes: ClassVar[int] = 1

    def draw(self, generator: np.random.Generator, columns: int) -> NDArray[np.float64]:
        """1 for each column that is kept, 0 for each that comes from another row, (columns,)."""
        kept = np.ones(columns)
        if generator.random() < self.probability:
            count = max(1, int(columns * generator.random()))
            kept[generator.choice(columns, count, replace=False)] = 0.0
        return kept

    def loss(self, network: TabularNet, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        dense = network.dense(batch.numbers, batch.codes)
        kept = kept_shares(dense, random, lambda generator: self.draw(generator, dense.shape[-1]))
        return mixed_loss(network.body(mixed_rows(dense, kept)), batch, kept.mean(-1), objective)
