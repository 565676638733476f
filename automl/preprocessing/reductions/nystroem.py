"""A Gaussian kernel's features on a sample of rows (Williams & Seeger 2001, "Using the Nyström method")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats, inverse, product

FLAT = 1e-3  # share of the largest eigenvalue below which one is left out: its inverse would raise noise


@dataclass(frozen=True)
class Nystroem:
    """exp(−|x − basis|²) · weights − shift, each column with a mean of zero and a spread of one.

    Attributes
    ----------
    factor: (1,) by which rows are multiplied, the root of the kernel's gamma.
    basis: (w, k) training rows, multiplied by the factor.
    weights: (w, w) inverse root of the kernel of the basis, over the spread. shift: (w,).
    """

    factor: Floats
    basis: Floats
    weights: Floats
    shift: Floats

    @classmethod
    def fit(cls, rows: Floats, labels: Labels | None, chosen: Preparation) -> Nystroem:
        total = float(rows.var(axis=0).sum())
        factor = np.array([np.sqrt(chosen.gamma / total) if total > 0 else 1.0])
        repeat = len(rows) < chosen.components  # the width must not depend on the number of rows
        sample = np.random.default_rng(0).choice(len(rows), chosen.components, replace=repeat)
        basis = rows[np.sort(sample)] * factor
        values, vectors = np.linalg.eigh(_kernel(basis, basis))
        root = np.where(values > FLAT * values.max(), 1 / np.sqrt(np.maximum(values, FLAT)), 0.0)
        weights = (vectors * root) @ vectors.T
        features = product(_kernel(rows * factor, basis), weights)
        scale = inverse(features.std(axis=0), np.abs(features).max(axis=0))
        return cls(factor, basis, weights * scale, features.mean(axis=0) * scale)

    @property
    def width(self) -> int:
        return self.weights.shape[1]

    def transform(self, rows: Floats) -> Floats:
        return product(_kernel(rows * self.factor, self.basis), self.weights) - self.shift


def _kernel(rows: Floats, basis: Floats) -> Floats:
    """(n, w) exp(−|x − b|²)."""
    ones = np.ones((rows.shape[1], 1))
    squares = product(np.square(rows), ones) + product(np.square(basis), ones).T
    return np.exp(-np.maximum(squares - 2 * product(rows, basis.T), 0.0))
