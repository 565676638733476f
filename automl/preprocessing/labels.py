"""The target of training rows, for the steps of a preparation that learn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Labels:
    """What training rows are to be predicted as.

    Attributes
    ----------
    y: (n,) class indices (int64) or values (float64).
    outputs: classes, or 1 for regression.
    """

    y: npt.NDArray[Any]
    outputs: int

    @property
    def classification(self) -> bool:
        return self.outputs > 1

    def take(self, rows: npt.NDArray[np.intp]) -> Labels:
        return Labels(self.y[rows], self.outputs)

    def columns(self, most: int) -> npt.NDArray[np.float64]:
        """(n, m) numbers whose means say what a group of rows is like, m at most `most`.

        Regression: the value less its mean. Two classes: 1 for the second one. More: 1 for the class, a column for
        each of the most frequent, in the order of the classes.
        """
        if not self.classification:
            return (self.y - np.mean(self.y))[:, None].astype(np.float64)
        if self.outputs == 2:
            return (self.y == 1)[:, None].astype(np.float64)
        counts = np.bincount(self.y, minlength=self.outputs)
        chosen = np.sort(np.argsort(-counts, kind="stable")[:most])
        return (self.y[:, None] == chosen).astype(np.float64)
