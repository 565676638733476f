"""Where good configurations lie, as a density over the unit cube: what PriorBand draws from.

Mallik, Bergman, Hvarfner, Stoll, Janowski, Lindauer, Nardi & Hutter (2023), "PriorBand: Practical Hyperparameter
Optimization in the Age of Deep Learning", arXiv:2306.12370. There an expert states one centre; here the centres are
what was good on near tasks, each with its weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr, ndtri

Floats = NDArray[np.float64]
SPREAD = 0.25
"""Standard deviation around a centre, as a share of a numeric range (PriorBand, section 5.1)."""
MOVED = 0.5
"""Chance of each hyperparameter to be drawn around the centre's value instead of kept (section 5.2)."""


@dataclass(frozen=True)
class Prior:
    """A mixture over centres: each hyperparameter keeps the centre's value or is drawn around it.

    Attributes
    ----------
    centres: (k, d) points in [0, 1], NaN where a hyperparameter is inactive; level i of n lies at (i + 1/2) / n.
    weights: (k,) positive, of sum 1.
    levels: (d,) number of levels of a categorical hyperparameter, 0 of a numeric one.
    """

    centres: Floats
    weights: Floats
    levels: NDArray[np.int64]

    def draw(self, rng: np.random.Generator) -> Floats:
        """A (d,) point; NaN where the centre has none."""
        centre = self.centres[rng.choice(len(self.weights), p=self.weights)]
        low, high = ndtr(-centre / SPREAD), ndtr((1 - centre) / SPREAD)
        numeric = centre + SPREAD * ndtri(low + (high - low) * rng.random(len(centre)))
        level = (rng.integers(np.maximum(self.levels, 1)) + 0.5) / np.maximum(self.levels, 1)
        moved: Floats = np.where(self.levels > 0, level, numeric)
        kept: Floats = np.where(rng.random(len(centre)) < MOVED, moved, centre)
        return np.where(np.isnan(centre), np.nan, kept)

    def log_density(self, points: Floats) -> Floats:
        """(n,) logarithms at (n, d) points; where the two are not active alike, as for a level that was left."""
        wide = np.maximum(self.levels, 2)
        near = MOVED / wide + (1 - MOVED)
        found = np.empty((len(self.centres), len(points)))
        for k, centre in enumerate(self.centres):
            offset = (points - centre) / SPREAD
            inside = ndtr((1 - centre) / SPREAD) - ndtr(-centre / SPREAD)
            numeric = np.exp(-(offset**2) / 2) / (SPREAD * math.sqrt(2 * math.pi) * inside)
            level = np.where(np.abs(points - centre) < 1 / (2 * wide), near, MOVED / wide)
            each = np.where(self.levels > 0, level, numeric)
            alone = np.isnan(points) != np.isnan(centre)
            each = np.where(alone, MOVED / wide, np.where(np.isnan(points), 1.0, each))
            found[k] = np.log(np.maximum(each, 1e-12)).sum(axis=1)
        total: Floats = logsumexp(found, axis=0, b=self.weights[:, None])
        return total
