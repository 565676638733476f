"""Columns as other columns, fewer or more telling: the table of reductions, and their common frame.

Each is fitted on a sample of the training rows and kept as plain arrays; whatever rows stand beside it, a row is
reduced to the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from automl.errors import unknown
from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats
from automl.preprocessing.ranges import FURTHEST
from automl.preprocessing.reductions.kitchen_sinks import KitchenSinks
from automl.preprocessing.reductions.nystroem import Nystroem
from automl.preprocessing.reductions.pca import PCA
from automl.preprocessing.reductions.polynomial import Polynomial
from automl.preprocessing.reductions.select import Select
from automl.preprocessing.reductions.truncated_svd import TruncatedSVD

Numbers = npt.NDArray[np.float32]
FITTED_ROWS = 10_000
FITTED_CELLS = 10_000_000
"""Rows, and rows times columns, that a reduction is fitted on at most."""
BLOCK_CELLS = 2**20
"""Cells of the input that are transformed at a time: bounds the memory."""
LARGEST = 1e9
"""Bound of an input: its square times the number of columns is far from the end of float64."""


class Reduction(Protocol):
    """A frozen dataclass of arrays that maps (n, k) float64 to (n, width) float64, each row by itself.

    `fit` learns from training rows (n, k), n and k at least 1, whose values are at most 1e9, and their labels, which
    may be None where they are not known.
    """

    @classmethod
    def fit(cls, rows: Floats, labels: Labels | None, chosen: Preparation) -> Reduction: ...

    @property
    def width(self) -> int: ...

    def transform(self, rows: Floats) -> Floats: ...


REDUCTIONS: Mapping[str, type[Reduction]] = MappingProxyType(
    {
        "pca": PCA,
        "truncated_svd": TruncatedSVD,
        "nystroem": Nystroem,
        "kitchen_sinks": KitchenSinks,
        "select": Select,
        "polynomial": Polynomial,
    }
)


@dataclass(frozen=True)
class Reduced:
    """A fitted reduction and its name in REDUCTIONS."""

    method: str
    fitted: Reduction

    def transform(self, numbers: Numbers) -> Numbers:
        """(n, width) float32 of finite numbers (n, k)."""
        step = max(1, BLOCK_CELLS // max(1, numbers.shape[1]))
        blocks = [
            np.clip(self.fitted.transform(_doubled(numbers[i : i + step])), -FURTHEST, FURTHEST).astype(np.float32)
            for i in range(0, max(1, len(numbers)), step)
        ]
        return np.concatenate(blocks)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that was fitted, by name."""
        return {field.name: getattr(self.fitted, field.name) for field in fields(self.fitted)}  # type: ignore[arg-type]


def fit_reduction(numbers: Numbers, labels: Labels | None, chosen: Preparation) -> Reduced | None:
    """Learn from training rows (n, k); None where nothing is to be done, or no column is there to do it with.

    Raises
    ------
    SettingError: the reduction is not in REDUCTIONS, or needs labels and there are none.
    """
    if chosen.reduction == "none":
        return None
    if chosen.reduction not in REDUCTIONS:
        raise unknown("reduction", chosen.reduction, [*REDUCTIONS, "none"])
    rows, columns = numbers.shape
    if not columns:
        return None
    most = min(FITTED_ROWS, max(1, FITTED_CELLS // columns))
    if rows > most:
        sample = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
        numbers, labels = numbers[sample], None if labels is None else labels.take(sample)
    return Reduced(chosen.reduction, REDUCTIONS[chosen.reduction].fit(_doubled(numbers), labels, chosen))


def load_reduction(method: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Reduced:
    """The reduction that gave these `arrays()`; raises KeyError where one is missing."""
    kind: Any = REDUCTIONS[method]
    return Reduced(method, kind(**{field.name: arrays[field.name] for field in fields(kind)}))


def _doubled(numbers: Numbers) -> Floats:
    return np.clip(numbers, -LARGEST, LARGEST).astype(np.float64)
