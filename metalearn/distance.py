"""How far tasks are from each other: L1 on metafeatures that are made comparable (Feurer et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TAILS = (5.0, 95.0)
"""Percentiles of the known tasks beyond which a value counts as the percentile: one odd task must not rule a scale."""
COUNTS = ("NumberOf", "Symbols", "InverseDatasetRatio", "DatasetRatio", "RatioN")
"""Beginnings of names of what spreads over magnitudes, and is therefore compared by its logarithm."""


@dataclass(frozen=True)
class Scale:
    """What makes metafeatures comparable, learned from known tasks.

    Attributes
    ----------
    names: (f,) of the metafeatures that count.
    least, most: (f,) the tails of the known tasks.
    """

    names: tuple[str, ...]
    least: Floats
    most: Floats

    @classmethod
    def of(cls, tasks: Sequence[Mapping[str, float]], exclude: Sequence[str] = ()) -> Scale:
        """Learned from tasks, at least one; a name counts if all of them have it and it is not among `exclude`."""
        shared = set(tasks[0]).intersection(*tasks[1:]) - set(exclude)
        names = tuple(sorted(shared))
        values = np.array([_values(task, names) for task in tasks])
        finite = np.where(np.isfinite(values), values, np.nan)
        finite[:, np.isnan(finite).all(axis=0)] = 0.0
        least, most = np.nanpercentile(finite, TAILS, axis=0)
        return cls(names, least, most)

    def point(self, task: Mapping[str, float]) -> Floats:
        """(f,) in [0, 1]; a metafeature that the task lacks, or that is no number, stands in the middle."""
        values = _values(task, self.names)
        spread = np.where(self.most > self.least, self.most - self.least, 1.0)
        scaled = np.clip((values - self.least) / spread, 0, 1)
        return np.where(np.isfinite(scaled), scaled, 0.5)

    def distances(self, task: Mapping[str, float], others: Sequence[Mapping[str, float]]) -> Floats:
        """L1 distances (others,), divided by the number of metafeatures."""
        if not self.names:
            return np.zeros(len(others))
        points = np.array([self.point(other) for other in others]).reshape(len(others), len(self.names))
        found: Floats = np.abs(points - self.point(task)).mean(axis=1)
        return found


def _values(task: Mapping[str, float], names: Sequence[str]) -> Floats:
    values = np.array([task.get(name, np.nan) for name in names], dtype=np.float64)
    logs = np.array([name.startswith(COUNTS) for name in names], dtype=bool)
    values[logs] = np.log1p(values[logs])
    return values
