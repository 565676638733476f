"""Gaussian processes whose kernel matrix is given, and expected improvement.

Rasmussen & Williams (2006), "Gaussian Processes for Machine Learning", algorithm 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

JITTER = 1e-8


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process given observations.

    Attributes
    ----------
    factor: Cholesky factor of the (n, n) kernel with noise, as scipy gives it.
    weights: (n,) kernel⁻¹ · targets.
    """

    factor: tuple[np.ndarray, bool]
    weights: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, kernel: np.ndarray, targets: np.ndarray, noise: float) -> Posterior:
        """Parameters: (n, n) positive semidefinite kernel, (n,) targets of mean 0, variance of their noise."""
        factor = cho_factor(kernel + (noise + JITTER) * np.eye(len(kernel)), lower=True)
        return cls(factor, cho_solve(factor, targets), targets)

    @property
    def log_marginal(self) -> float:
        """Log marginal likelihood of the targets (equation 2.30)."""
        return float(
            -0.5 * self.targets @ self.weights
            - np.log(np.diag(self.factor[0])).sum()
            - 0.5 * len(self.targets) * np.log(2 * np.pi)
        )

    def predict(self, cross: np.ndarray, prior: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, (m,) each, without noise.

        Parameters
        ----------
        cross: (m, n) kernel between new points and observations.
        prior: (m,) kernel of each new point with itself.
        """
        variance = prior - (cross * cho_solve(self.factor, cross.T).T).sum(axis=1)
        return cross @ self.weights, np.sqrt(np.maximum(variance, 1e-12))

    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance (n,), with noise, of each target predicted from the others (equation 5.12)."""
        inverse = cho_solve(self.factor, np.eye(len(self.targets)))
        precision = np.diag(inverse)
        return self.targets - self.weights / precision, 1.0 / precision


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """(m,) expected amount by which a loss falls below `best` (Jones, Schonlau & Welch 1998)."""
    z = (best - mean) / deviation
    found: np.ndarray = deviation * (z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
    return found


def semidefinite(kernel: np.ndarray) -> np.ndarray:
    """The nearest positive semidefinite matrix: negative eigenvalues are set to 0."""
    values, vectors = np.linalg.eigh((kernel + kernel.T) / 2)
    found: np.ndarray = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return found


def winsorised(losses: np.ndarray) -> np.ndarray:
    """Losses whose worst are drawn in, so that failures do not flatten the rest: at most median + 3 times its reach."""
    middle, low = np.median(losses), losses.min()
    found: np.ndarray = np.minimum(losses, middle + 3 * max(middle - low, 1e-12))
    return found
