"""Products of the few columns that tell most of the target, beside all columns: a small polynomial of degree two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.errors import SettingError
from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats, inverse
from automl.preprocessing.scores import anova_f


@dataclass(frozen=True)
class Polynomial:
    """All columns (n, k), then (x_i · x_j − mean) · factor for each of the pairs.

    Attributes
    ----------
    columns: (1,) k.
    pairs: (p, 2) positions i ≤ j.
    mean, factor: (p,) of the products in training, so that they have a spread of one.
    """

    columns: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    mean: Floats
    factor: Floats

    @classmethod
    def fit(cls, rows: Floats, labels: Labels | None, chosen: Preparation) -> Polynomial:
        """Raises SettingError where there are no labels."""
        if labels is None:
            raise SettingError("reduction='polynomial' learns from the target; pass labels=Labels(y, outputs)")
        best = np.sort(np.argsort(-anova_f(rows, labels), kind="stable")[: chosen.crossed])
        pairs = best[np.stack(np.triu_indices(len(best)), axis=1)].astype(np.int64)
        products = rows[:, pairs[:, 0]] * rows[:, pairs[:, 1]]
        columns = np.array([rows.shape[1]], dtype=np.int64)
        factor = inverse(products.std(axis=0), np.abs(products).max(axis=0))
        return cls(columns, pairs, products.mean(axis=0), factor)

    @property
    def width(self) -> int:
        return int(self.columns[0]) + len(self.pairs)

    def transform(self, rows: Floats) -> Floats:
        products = rows[:, self.pairs[:, 0]] * rows[:, self.pairs[:, 1]]
        return np.hstack([rows, (products - self.mean) * self.factor])
