"""LEMONADE: evolution of networks towards little error and few parameters at once, by morphisms.

Elsken, Metzen & Hutter (2019), "Efficient Multi-Objective Neural Architecture Search via Lamarckian Evolution", ICLR,
arXiv:1804.09081, algorithm 1. The population is the Pareto front. Parameters cost nothing to count, the error costs a
training: parents are drawn more often where a kernel density over the sizes of the front is low, many children are
made, and one is trained, chosen by the same density. So the front is filled where it has gaps. Children grow by
morphisms and shrink by approximate ones; they inherit their parents' weights. The paper makes 100 children and trains
10 in parallel; here one is chosen at a time.

`automl.search.pareto` has the front as a function of the history, and its picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.genotypes.morphs import KINDS
from automl.search.offspring import drawn, morphed, moved, parameters
from automl.search.pareto import front
from automl.search.trial import Configuration, Offspring

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History


@dataclass(frozen=True)
class LEMONADE:
    """Multi-objective evolution.

    Attributes
    ----------
    start: networks drawn from the space first, >= 1.
    children: made for each one that is trained, >= 1.
    morphs: most of a child, >= 1 (3 in the paper).
    change: chance that a child also changes a hyperparameter that is not of its architecture.
    """

    start: int = 6
    children: int = 8
    morphs: int = 3
    change: float = 0.5

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration:
        return self.child(space, history, rng).config

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """A child of the front where it has a gap; a draw from the space at first."""
        population = front(space, history)
        if len(history) < self.start or not population:
            return Offspring(drawn(space, rng))
        sizes = np.log([parameters(space, t.config) for t in population])
        chosen = rng.choice(len(population), size=self.children, p=_rare(sizes, sizes))
        made = []
        for i in chosen:
            steps = int(rng.integers(1, self.morphs + 1))
            config = morphed(space, population[i].config, rng, steps=steps, kinds=KINDS)
            made.append(Offspring(moved(space, config, self.change, rng), population[i].number))
        grown = np.log([parameters(space, child.config) for child in made])
        return made[int(rng.choice(len(made), p=_rare(sizes, grown)))]


def _rare(sizes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) probabilities of points, in inverse proportion to the density of sizes there."""
    density = _density(sizes, points)
    inverse = 1.0 / np.maximum(density, 1e-3 * max(float(density.max()), 1e-12))
    return np.asarray(inverse / inverse.sum())


def _density(sizes: Sequence[float] | np.ndarray, points: np.ndarray) -> np.ndarray:
    """A Gaussian kernel density by Scott's rule; even where all sizes are equal."""
    spread = float(np.std(sizes))
    if spread == 0:
        return np.ones(len(points))
    width = spread * len(sizes) ** -0.2
    distances = (np.asarray(points)[:, None] - np.asarray(sizes)[None]) / width
    return np.asarray(np.exp(-0.5 * distances**2).mean(1))
