"""Leading singular directions of the table as it is, which keeps zeros at zero: made for one-hot columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats, inverse, leading, product


@dataclass(frozen=True)
class TruncatedSVD:
    """x · weights (k, w); the first component has a root mean square of one."""

    weights: Floats

    @classmethod
    def fit(cls, rows: Floats, labels: Labels | None, chosen: Preparation) -> TruncatedSVD:
        directions, size = leading(rows, chosen.components)
        return cls(directions * inverse(np.full_like(size, size.max(initial=0.0))))

    @property
    def width(self) -> int:
        return self.weights.shape[1]

    def transform(self, rows: Floats) -> Floats:
        return product(rows, self.weights)
