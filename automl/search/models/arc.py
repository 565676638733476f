"""The arc kernel: a Gaussian process over spaces in which hyperparameters come and go.

Swersky, Duvenaud, Snoek, Hutter & Osborne (2013), "Raiders of the Lost Architecture: Kernels for Bayesian Optimization
in Conditional Parameter Spaces", arXiv:1409.4011. A hyperparameter that is inactive lies at the origin of a plane, an
active one on an arc of radius ω around it, at the angle π ρ x. So the squared distance of two configurations in one
dimension is 0 where both are inactive, ω² where one is, and 2 ω² (1 − cos π ρ (x − x')) where both are active;
categories are the corners of a simplex, ω² apart. Inactive values do not enter.

ω and ρ of each dimension, amplitude and noise maximise the posterior (ML-II with normal priors on their logarithms and
logits) by L-BFGS with exact gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import minimize
from scipy.special import expit

from metalearn.gaussian import Posterior

PRIOR_MEAN = (-0.5, 0.0, 0.0, -4.0)
PRIOR_DEVIATION = (1.0, 1.0, 0.7, 1.5)
"""Of log ω, logit ρ, log amplitude and log noise, for targets of variance 1."""

LEAST_NOISE = 1e-6


@dataclass(frozen=True)
class Dimensions:
    """Which dimensions are categories.

    Attributes
    ----------
    categorical: (d,) bool.
    """

    categorical: np.ndarray

    def parts(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What distances are made from, (d, m, n) each, for points (m, d) and (n, d) with NaN where inactive.

        Returns
        -------
        step: 1 where one of the two is active or categories differ, else 0.
        gap: |x − x'| of numbers where both are active, else 0.
        """
        x, y = a.T[:, :, None], b.T[:, None, :]
        here, there = ~np.isnan(x), ~np.isnan(y)
        difference = np.where(here & there, np.abs(np.nan_to_num(x) - np.nan_to_num(y)), 0.0)
        kind = self.categorical[:, None, None]
        step = (here != there) | (kind & (difference > 1e-9))
        return step.astype(float), np.where(kind, 0.0, difference)


@dataclass(frozen=True)
class Arc:
    """A kernel with its parameters.

    Attributes
    ----------
    radius: (d,) ω > 0; angle: (d,) ρ in (0, 1).
    """

    dimensions: Dimensions
    radius: np.ndarray
    angle: np.ndarray
    amplitude: float = 1.0
    noise: float = 1e-2

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The (m, n) kernel between points (m, d) and (n, d) in [0, 1], NaN where inactive."""
        step, gap = self.dimensions.parts(a, b)
        squares = step + 2 * (1 - np.cos(np.pi * self.angle[:, None, None] * gap))
        return self.amplitude * np.exp(-0.5 * np.tensordot(self.radius**2, squares, 1))


def fitted(dimensions: Dimensions, points: np.ndarray, targets: np.ndarray, steps: int = 40) -> Arc:
    """The kernel of largest posterior.

    Parameters
    ----------
    points: (n, d) in [0, 1], NaN where inactive; targets: (n,) of mean 0 and variance 1.
    steps: of L-BFGS.
    """
    d = points.shape[1]
    objective = _objective(dimensions, points, targets)
    start = np.concatenate([np.full(d, PRIOR_MEAN[0]), np.full(d, PRIOR_MEAN[1]), PRIOR_MEAN[2:]])
    bounds = [(-6.0, 3.0)] * d + [(-5.0, 5.0)] * d + [(-4.0, 4.0), (-12.0, 1.0)]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return _unpacked(dimensions, found.x)


def _unpacked(dimensions: Dimensions, x: np.ndarray) -> Arc:
    d = (len(x) - 2) // 2
    return Arc(dimensions, np.exp(x[:d]), expit(x[d : 2 * d]), float(np.exp(x[-2])), LEAST_NOISE + float(np.exp(x[-1])))


def _objective(
    dimensions: Dimensions, points: np.ndarray, targets: np.ndarray
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Negative log posterior and its gradient by (log ω, logit ρ, log amplitude, log noise)."""
    step, gap = dimensions.parts(points, points)
    d, n = points.shape[1], len(points)
    mean = np.concatenate([np.full(d, PRIOR_MEAN[0]), np.full(d, PRIOR_MEAN[1]), PRIOR_MEAN[2:]])
    deviation = np.concatenate([np.full(d, PRIOR_DEVIATION[0]), np.full(d, PRIOR_DEVIATION[1]), PRIOR_DEVIATION[2:]])

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        arc = _unpacked(dimensions, x)
        turn = np.pi * arc.angle[:, None, None] * gap
        squares = step + 2 * (1 - np.cos(turn))
        kernel = arc.amplitude * np.exp(-0.5 * np.tensordot(arc.radius**2, squares, 1))
        try:
            posterior = Posterior.of(kernel, targets, arc.noise)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(x)
        slope = np.outer(posterior.weights, posterior.weights) - cho_solve(posterior.factor, np.eye(n))
        pull = slope * kernel
        by_radius = -0.5 * arc.radius**2 * np.tensordot(squares, pull, 2)
        # d squares / d logit ρ = 2 sin(turn) · turn · (1 − ρ)
        bent = np.tensordot(2 * np.sin(turn) * turn, pull, 2) * (1 - arc.angle)
        by_angle = -0.25 * arc.radius**2 * bent
        by_noise = 0.5 * np.trace(slope) * (arc.noise - LEAST_NOISE)
        gradient = np.concatenate([by_radius, by_angle, [0.5 * pull.sum(), by_noise]])
        away = (x - mean) / deviation
        return -posterior.log_marginal + 0.5 * float(away @ away), -gradient + away / deviation

    return objective
