"""A ranking-weighted ensemble of Gaussian processes: one for each past task, one for the task at hand.

Feurer, Letham, Hutter & Bakshy (2018), "Practical Transfer Learning for Bayesian Optimization", arXiv:1802.02219. A
model counts by how often, over bootstrap samples of the new task's observations, it ranks them best. The new task's
own model is judged by its leave-one-out predictions, or it would win by having seen the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from metalearn.gaussian import Posterior

Floats = NDArray[np.float64]
LENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Length scales tried, in units of the distance between points."""
NOISES = (1e-6, 1e-3, 1e-2, 1e-1)
"""Noise variances tried, beside a signal of variance 1."""
SAMPLES = 256
"""Bootstrap samples of the ranking loss."""
OUTDONE = 95.0
"""A source whose median ranking loss exceeds this percentile of the target's has no weight: it cannot help."""


def distances(a: Floats, b: Floats, levels: NDArray[np.int64], active: int) -> Floats:
    """(n, m) root mean square differences of points in [0, 1].

    Two levels of a categorical hyperparameter differ by 1; an active and an inactive value (NaN) by 0.87 to 1; two
    inactive ones by 0.

    Parameters
    ----------
    active: hyperparameters over which the mean is taken, >= 1; one number for a process, or it would have several
        kernels.
    """
    found: Floats = cdist(_spread(a, levels), _spread(b, levels)) / np.sqrt(active)
    return found


def _spread(points: Floats, levels: NDArray[np.int64]) -> Floats:
    """Columns whose Euclidean distance is the square root of the sum of squared differences."""
    columns = []
    for j, count in enumerate(levels):
        value = points[:, j]
        absent = np.isnan(value)
        if count:
            code = np.where(absent, count, np.floor(np.nan_to_num(value) * count)).astype(int)
            columns.append(np.eye(int(count) + 2)[np.clip(code, 0, count + 1)] / np.sqrt(2))
        else:
            # A present value lies at height 0, an absent one at height 1 above the middle.
            columns.append(np.column_stack([np.where(absent, 0.5, value), np.where(absent, np.sqrt(0.75), 0.0)]))
    return np.hstack(columns)


def matern(r: Floats, length: float) -> Floats:
    """The Matérn-5/2 kernel at distances r."""
    scaled = np.sqrt(5.0) * r / length
    found: Floats = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    return found


@dataclass(frozen=True)
class GP:
    """A Gaussian process over configurations with a Matérn-5/2 kernel, its scales chosen by marginal likelihood.

    Attributes
    ----------
    points: (n, d) in [0, 1], NaN where inactive. losses: (n,) finite; standardised inside.
    levels: (d,) of categorical hyperparameters, 0 of numeric ones.
    """

    points: Floats
    losses: Floats
    levels: NDArray[np.int64]

    @cached_property
    def _scale(self) -> tuple[float, float]:
        return float(self.losses.mean()), float(self.losses.std()) or 1.0

    @property
    def standard(self) -> Floats:
        """The losses with mean 0 and standard deviation 1."""
        mean, deviation = self._scale
        found: Floats = (self.losses - mean) / deviation
        return found

    @cached_property
    def _fit(self) -> tuple[float, float, Posterior]:
        """Length and noise of the largest marginal likelihood, and the process with them."""
        r = self._distances(self.points)
        fits = (
            (length, noise, Posterior.of(matern(r, length), self.standard, noise))
            for length in LENGTHS
            for noise in NOISES
        )
        return max(fits, key=lambda fit: fit[2].log_marginal)

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,) of the standardised loss."""
        length, _, posterior = self._fit
        return posterior.predict(matern(self._distances(points), length), 1.0)

    def _distances(self, points: Floats) -> Floats:
        """(m, n) to the process's own points, whose most hyperparameters active at once give the scale."""
        active = int((~np.isnan(self.points)).sum(axis=1).max(initial=1))
        return distances(points, self.points, self.levels, active)

    def left_out(self) -> Floats:
        """Each standardised loss (n,), predicted from the others."""
        return self._fit[2].left_out()[0]


def ranking_losses(predicted: Floats, observed: Floats) -> Floats:
    """(s,) number of pairs that predictions (s, n) put in another order than the observed losses (s, n)."""
    said = predicted[:, :, None] < predicted[:, None, :]
    true = observed[:, :, None] < observed[:, None, :]
    found: Floats = (said ^ true).sum(axis=(1, 2)).astype(np.float64)
    return found


@dataclass(frozen=True)
class Ensemble:
    """Models of past tasks and of this one (the last), each with its weight.

    The mean is the weighted mean, the variance the sum of the variances times the squared weights.
    """

    models: tuple[GP, ...]
    weights: Floats

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,), in units of the standardised loss."""
        mean, variance = np.zeros(len(points)), np.zeros(len(points))
        for model, weight in zip(self.models, self.weights, strict=True):
            if weight > 0:
                m, deviation = model.predict(points)
                mean += weight * m
                variance += (weight * deviation) ** 2
        return mean, np.sqrt(np.maximum(variance, 1e-12))


def rank_weighted(sources: Sequence[GP], target: GP, rng: np.random.Generator) -> Ensemble:
    """The ensemble of the sources and the target, weighted by how well they rank the target's observations.

    Ties are shared equally. With fewer than three observations all sources count alike.
    """
    models, n = (*sources, target), len(target.losses)
    if not sources:
        return Ensemble((target,), np.ones(1))
    if n < 3:
        return Ensemble(models, np.append(np.full(len(sources), 1 / len(sources)), 0.0))
    rows = rng.integers(n, size=(SAMPLES, n))
    observed = target.losses[rows]
    losses = np.empty((len(models), SAMPLES))
    for i, source in enumerate(sources):
        losses[i] = ranking_losses(source.predict(target.points)[0][rows], observed)
    losses[-1] = ranking_losses(target.left_out()[rows], observed)
    outdone = np.median(losses[:-1], axis=1) >= np.percentile(losses[-1], OUTDONE)
    losses[:-1][outdone] = np.inf
    least = losses == losses.min(axis=0)
    return Ensemble(models, (least / least.sum(axis=0)).mean(axis=1))
