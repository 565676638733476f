"""Principal components (Hotelling 1933, doi:10.1037/h0071325)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats, inverse, leading, product


@dataclass(frozen=True)
class PCA:
    """(x − mean) · weights; the first component has a spread of one, or all have where they are whitened.

    Attributes
    ----------
    mean: (k,). weights: (k, w).
    """

    mean: Floats
    weights: Floats

    @classmethod
    def fit(cls, rows: Floats, labels: Labels | None, chosen: Preparation) -> PCA:
        mean = rows.mean(axis=0)
        directions, spread = leading(rows - mean, chosen.components)
        factor = inverse(spread if chosen.whiten else np.full_like(spread, spread.max(initial=0.0)))
        return cls(mean, directions * factor)

    @property
    def width(self) -> int:
        return self.weights.shape[1]

    def transform(self, rows: Floats) -> Floats:
        return product(rows - self.mean, self.weights)
