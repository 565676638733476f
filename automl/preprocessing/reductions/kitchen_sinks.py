"""Random Fourier features of a Gaussian kernel (Rahimi & Recht 2008, "Weighted sums of random kitchen sinks")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats, inverse, product


@dataclass(frozen=True)
class KitchenSinks:
    """(√2 · cos(x · weights + offset) − mean) · factor, each column with a mean of zero and a spread of one.

    Attributes
    ----------
    weights: (k, w) normal. offset: (w,) uniform in [0, 2π). mean, factor: (w,).
    """

    weights: Floats
    offset: Floats
    mean: Floats
    factor: Floats

    @classmethod
    def fit(cls, rows: Floats, labels: Labels | None, chosen: Preparation) -> KitchenSinks:
        from sklearn.kernel_approximation import RBFSampler

        total = float(rows.var(axis=0).sum())
        gamma = chosen.gamma / total if total > 0 else 1.0
        sampler = RBFSampler(gamma=gamma, n_components=chosen.components, random_state=0).fit(rows[:1])
        waves = _waves(rows, sampler.random_weights_, sampler.random_offset_)
        return cls(sampler.random_weights_, sampler.random_offset_, waves.mean(axis=0), inverse(waves.std(axis=0), 1.0))

    @property
    def width(self) -> int:
        return self.weights.shape[1]

    def transform(self, rows: Floats) -> Floats:
        return (_waves(rows, self.weights, self.offset) - self.mean) * self.factor


def _waves(rows: Floats, weights: Floats, offset: Floats) -> Floats:
    return np.sqrt(2.0) * np.cos(product(rows, weights) + offset)
