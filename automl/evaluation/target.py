"""How the raw outputs of a model become predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Predictions = NDArray[np.float64]
"""In double precision: a target may be a billion with a spread of one."""


@dataclass(frozen=True)
class Target:
    """How raw outputs become predictions.

    Attributes
    ----------
    outputs: classes, or 1 for regression.
    centre, scale: of the training targets (regression): networks and linear models learn (y − centre) / scale.
    """

    outputs: int
    centre: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, y: NDArray[Any], outputs: int) -> Target:
        if outputs > 1:
            return cls(outputs)
        return cls(1, float(np.mean(y)), float(np.std(y)) or 1.0)

    def encode(self, y: NDArray[Any]) -> NDArray[Any]:
        return y if self.outputs > 1 else (y - self.centre) / self.scale

    def decode(self, values: NDArray[Any]) -> Predictions:
        """(rows, outputs) in the unit of y; classification is left as it is."""
        values = values.astype(np.float64)
        return values if self.outputs > 1 else values * self.scale + self.centre
