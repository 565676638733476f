"""Differential evolution for Hyperband: mutants of the best configurations seen.

Awad, Mallik & Hutter (2021), "DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient Hyperparameter
Optimization", IJCAI, arXiv:2105.09821. Differential evolution (rand/1/bin): Storn & Price (1997), Journal of Global
Optimization 11.

Deviations. There, every rung evolves a population of its own and its parents come from the rung below; here a
promoted trial continues the same configuration, so evolution makes only the configurations that enter a bracket. The
population is the best trials of the largest budget that has enough of them, so it climbs from rung to rung as results
arrive. Selection keeps the best of all (μ + λ) instead of comparing child and target one by one, which needs no
generations and so no order of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.draw import from_unit, sample, to_unit
from automl.search.rungs import climbers

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Configuration

TRIES = 16
"""Children that a forbidden clause may exclude before a draw from the space takes their place."""


@dataclass(frozen=True)
class DEHB:
    """Differential evolution as a function of the history.

    Attributes
    ----------
    population: number of best trials that breed.
    minimum: trials that a budget needs before its best may breed, >= 4 (a target and three parents).
    F, CR: mutation factor and crossover rate, both 0.5 in the paper (section 4).
    """

    population: int = 20
    minimum: int = 10
    F: float = 0.5
    CR: float = 0.5

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        parents = self._parents(history)
        if len(parents) < self.minimum:
            return sample(space, rng)
        points = np.array([to_unit(space, config) for config in parents])
        points = np.where(np.isnan(points), rng.random(points.shape), points)
        for _ in range(TRIES):
            target, a, b, c = points[rng.choice(len(points), size=4, replace=False)]
            child = crossover(target, mutant(a, b, c, self.F, rng), self.CR, rng)
            config = from_unit(space, child, rng)
            if config is not None:
                return config
        return sample(space, rng)

    def _parents(self, history: History) -> list[Configuration]:
        budgets = [t.budget for t in history.done]
        usable = [b for b in set(budgets) if budgets.count(b) >= self.minimum]
        if not usable:
            return []
        best = climbers(t for t in history if t.budget == max(usable))
        return [t.config for t in best[: self.population]]


def mutant(a: np.ndarray, b: np.ndarray, c: np.ndarray, F: float, rng: np.random.Generator) -> np.ndarray:
    """rand/1: a + F (b - c), all (d,) in [0, 1]; entries that leave the cube are drawn anew."""
    point = a + F * (b - c)
    return np.where((point < 0) | (point > 1), rng.random(point.shape), point)


def crossover(target: np.ndarray, donor: np.ndarray, CR: float, rng: np.random.Generator) -> np.ndarray:
    """bin: each entry from the donor with probability CR, and at least one."""
    taken = rng.random(target.shape) < CR
    taken[rng.integers(len(target))] = True
    return np.where(taken, donor, target)
