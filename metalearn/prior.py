"""Where good configurations lie, as a density over the unit cube: what PriorBand draws from.

Mallik, Bergman, Hvarfner, Stoll, Janowski, Lindauer, Nardi & Hutter (2023), "PriorBand: Practical Hyperparameter
Optimization in the Age of Deep Learning", arXiv:2306.12370. There an expert states one centre and one spread; here the
centres are what was good on near tasks, each with its weight, and each hyperparameter has a prior that is learned from
them: a kernel density of its values (compare van Rijn & Hutter 2018, "Hyperparameter Importance Across Datasets",
section 4.3). Where near tasks agree it is narrow, and where they do not it is wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr, ndtri

Floats = NDArray[np.float64]
SPREAD = 0.25
"""Standard deviation around a centre, as a share of a numeric range (PriorBand, section 5.1): the widest there is."""
LEAST_SPREAD = 0.05
"""Narrowest that is learned: tasks are never quite alike."""
FEWEST = 3
"""Values from which a spread is learned."""
MOVED = 0.5
"""Chance of each hyperparameter to be drawn from its own prior instead of kept (section 5.2)."""


@dataclass(frozen=True)
class Prior:
    """A mixture over centres: each hyperparameter keeps the centre's value or is drawn from its own prior.

    A hyperparameter's own prior is the kernel density of its values at all centres where it is active: normal kernels,
    cut off at the bounds, for numbers; for categories the shares of the levels, of which a part, 1 / the effective
    number of values, is spread evenly.

    Attributes
    ----------
    centres: (k, d) points in [0, 1], NaN where a hyperparameter is inactive; level i of n lies at (i + 1/2) / n.
    weights: (k,) positive, of sum 1.
    levels: (d,) number of levels of a categorical hyperparameter, 0 of a numeric one.
    """

    centres: Floats
    weights: Floats
    levels: NDArray[np.int64]

    @cached_property
    def shares(self) -> Floats:
        """(k, d) weights of the values of each hyperparameter, of sum 1 in each column; 0 where there is no value."""
        active = np.where(np.isnan(self.centres), 0.0, self.weights[:, None])
        total = active.sum(axis=0)
        found: Floats = active / np.where(total > 0, total, 1.0)
        return found

    @cached_property
    def counts(self) -> Floats:
        """(d,) effective number of values of each hyperparameter, at least 1."""
        squares = (self.shares**2).sum(axis=0)
        found: Floats = 1 / np.where(squares > 0, squares, 1.0)
        return found

    @cached_property
    def spreads(self) -> Floats:
        """(d,) bandwidths by the normal reference rule, 1.06 σ n^(-1/5), within [.05, .25]."""
        values = np.nan_to_num(self.centres)
        mean = (self.shares * values).sum(axis=0)
        deviation = np.sqrt((self.shares * (values - mean) ** 2).sum(axis=0))
        learned = np.clip(1.06 * deviation * self.counts**-0.2, LEAST_SPREAD, SPREAD)
        found: Floats = np.where((self.shares > 0).sum(axis=0) >= FEWEST, learned, SPREAD)
        return found

    def draw(self, rng: np.random.Generator) -> Floats:
        """A (d,) point; NaN where the centre has none."""
        centre = self.centres[rng.choice(len(self.weights), p=self.weights)]
        other = (self.shares.cumsum(axis=0) < rng.random(len(centre))).sum(axis=0).clip(max=len(self.weights) - 1)
        value = self.centres[other, np.arange(len(centre))]
        low, high = ndtr(-value / self.spreads), ndtr((1 - value) / self.spreads)
        numeric = value + self.spreads * ndtri(low + (high - low) * rng.random(len(centre)))
        even = (rng.integers(np.maximum(self.levels, 1)) + 0.5) / np.maximum(self.levels, 1)
        level = np.where(rng.random(len(centre)) < 1 / self.counts, even, value)
        moved: Floats = np.where(self.levels > 0, level, numeric)
        kept: Floats = np.where(rng.random(len(centre)) < MOVED, moved, centre)
        return np.where(np.isnan(centre), np.nan, kept)

    def log_density(self, points: Floats) -> Floats:
        """(n,) logarithms at (n, d) points; where the two are not active alike, as for a level that was left.

        A value that is kept counts as one of the kernel around it.
        """
        wide = np.maximum(self.levels, 2)
        kernels = np.stack([self._kernel(points, centre) for centre in self.centres])
        own = np.einsum("kd,knd->nd", self.shares, kernels)
        own = np.where(self.levels > 0, (1 - 1 / self.counts) * own + 1 / (self.counts * wide), own)
        found = np.empty((len(self.centres), len(points)))
        for k, centre in enumerate(self.centres):
            each = MOVED * own + (1 - MOVED) * kernels[k]
            alone = np.isnan(points) != np.isnan(centre)
            each = np.where(alone, MOVED / wide, np.where(np.isnan(points), 1.0, each))
            found[k] = np.log(np.maximum(each, 1e-12)).sum(axis=1)
        total: Floats = logsumexp(found, axis=0, b=self.weights[:, None])
        return total

    def _kernel(self, points: Floats, centre: Floats) -> Floats:
        """(n, d) densities of the values around those of a centre; 0 where either has none."""
        inside = ndtr((1 - centre) / self.spreads) - ndtr(-centre / self.spreads)
        offset = (points - centre) / self.spreads
        numeric = np.exp(-(offset**2) / 2) / (self.spreads * math.sqrt(2 * math.pi) * inside)
        same = np.abs(points - centre) < 1 / (2 * np.maximum(self.levels, 2))
        return np.nan_to_num(np.where(self.levels > 0, same, numeric))
