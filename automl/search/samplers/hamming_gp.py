"""Bayesian optimisation with the plainest kernel: how many choices differ. The baseline of all models of architectures.

Hamming (1950); expected improvement (Jones, Schonlau & Welch 1998). The distance is the mean over hyperparameters of 1
where categories or activity differ and of |x − x'| for numbers in [0, 1]; the kernel is exp(−distance / length), whose
length and noise have the largest marginal likelihood on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.candidates import codes_of, differences, drawn, first_new, mutated, unit
from automl.search.draw import sample
from automl.search.lessons import lessons, losses, standardised
from metalearn.gaussian import Posterior, expected_improvement, winsorised

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

LENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
NOISES = (1e-4, 1e-2, 1e-1)


@dataclass(frozen=True)
class HammingGP:
    """A Gaussian process over counted differences.

    Attributes
    ----------
    initial: trials drawn at random first.
    candidates: draws from the space, and mutants of the best trials, that are ranked.
    parents: trials that are mutated.
    """

    initial: int = 10
    candidates: int = 150
    parents: int = 5

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        trials = lessons(history)
        if len(trials) < self.initial or not any(np.isfinite(t.loss) for t in trials):
            return sample(space, rng)
        codes = codes_of(space, [t.config for t in trials])
        points, targets = unit(space, codes), standardised(winsorised(losses(trials)))
        between = differences(space, points, points)
        fits = (
            (Posterior.of(np.exp(-between / length), targets, noise), length) for length in LENGTHS for noise in NOISES
        )
        posterior, length = max(fits, key=lambda fit: fit[0].log_marginal)
        best = codes[np.argsort(targets, kind="stable")[: self.parents]]
        near = mutated(space, best[np.arange(self.candidates) % len(best)], rng)
        pool = np.vstack([near, drawn(space, self.candidates, rng)])
        mean, deviation = posterior.predict(np.exp(-differences(space, unit(space, pool), points) / length), 1.0)
        value = expected_improvement(mean, deviation, float(targets.min()))
        return first_new(space, pool[np.argsort(-value, kind="stable")], history, rng)
