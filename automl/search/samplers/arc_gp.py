"""Bayesian optimisation with the arc kernel, for spaces whose depth is searched.

Swersky et al. (2013), "Raiders of the Lost Architecture", arXiv:1409.4011; expected improvement (Jones, Schonlau &
Welch 1998). The kernel's parameters are found anew after every few trials, the posterior after every one. Candidates
are draws from the space and mutants of the best trials, then mutants of the best candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.candidates import codes_of, drawn, first_new, mutated, unit
from automl.search.draw import choices, sample
from automl.search.lessons import lessons, losses, standardised
from automl.search.models.arc import Arc, Dimensions, fitted
from metalearn.gaussian import Posterior, expected_improvement, winsorised

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial


@dataclass
class ArcGP:
    """A Gaussian process with the arc kernel.

    Attributes
    ----------
    initial: trials drawn at random first.
    refit: finished trials between two searches for the kernel's parameters.
    candidates: draws from the space, and mutants of the best trials, that are ranked; then as many mutants twice.
    parents: trials and candidates that are mutated.
    """

    initial: int = 10
    refit: int = 5
    candidates: int = 150
    parents: int = 5
    _arc: tuple[ConfigurationSpace, tuple[Trial, ...], Arc] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        trials = lessons(history)
        if len(trials) < self.initial or not any(np.isfinite(t.loss) for t in trials):
            return sample(space, rng)
        codes = codes_of(space, [t.config for t in trials])
        points, targets = unit(space, codes), standardised(winsorised(losses(trials)))
        arc = self._kernel(space, trials, points, targets)
        posterior = Posterior.of(arc(points, points), targets, arc.noise)

        def value(pool: np.ndarray) -> np.ndarray:
            mean, deviation = posterior.predict(arc(unit(space, pool), points), arc.amplitude)
            return expected_improvement(mean, deviation, float(targets.min()))

        best = codes[np.argsort(targets, kind="stable")[: self.parents]]
        pool = np.vstack([drawn(space, self.candidates, rng), mutated(space, self._spread(best), rng)])
        values = value(pool)
        for _ in range(2):
            best = pool[np.argsort(-values, kind="stable")[: self.parents]]
            near = mutated(space, self._spread(best), rng)
            pool, values = np.vstack([pool, near]), np.concatenate([values, value(near)])
        return first_new(space, pool[np.argsort(-values, kind="stable")], history, rng)

    def _spread(self, parents: np.ndarray) -> np.ndarray:
        return parents[np.arange(self.candidates) % len(parents)]

    def _kernel(
        self, space: ConfigurationSpace, trials: tuple[Trial, ...], points: np.ndarray, targets: np.ndarray
    ) -> Arc:
        told = trials[: len(trials) // self.refit * self.refit]
        if self._arc is None or self._arc[0] is not space or self._arc[1] != told:
            known = winsorised(losses(told)) if any(np.isfinite(t.loss) for t in told) else targets[: len(told)]
            arc = fitted(dimensions(space), points[: len(told)], standardised(known))
            self._arc = (space, told, arc)
        return self._arc[2]


def dimensions(space: ConfigurationSpace) -> Dimensions:
    """Which hyperparameters are categories without an order."""
    from ConfigSpace import OrdinalHyperparameter

    unordered = [bool(choices(hp)) and not isinstance(hp, OrdinalHyperparameter) for hp in space.values()]
    return Dimensions(np.array(unordered))
