"""Aging evolution: mutate the best of a few drawn from the youngest; the oldest dies.

Real, Aggarwal, Huang & Le (2019), "Regularized Evolution for Image Classifier Architecture Search", AAAI,
arXiv:1802.01548, algorithm 1. A mutation changes one hyperparameter. Their mutation of nothing (probability 0.05) is
left out, as a deterministic objective has nothing to tell twice. The paper has P = 100, S = 25 for 20,000 networks;
P = 30, S = 10 is best on the table of NAS-Bench-201 at some hundred.

The population is the last P trials that ended, so it needs no memory, and results that arrive late just join it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.search.candidates import codes_of, mutated
from automl.search.draw import decode, sample
from automl.search.lessons import lessons, losses
from automl.search.trial import Configuration, Offspring, State

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

TRIES = 16
"""Children that a forbidden clause may exclude before a draw from the space takes their place."""


@dataclass(frozen=True)
class Evolution:
    """Aging evolution.

    Attributes
    ----------
    population: P, the youngest trials that may become parents; as many are drawn at random first.
    sample: S, drawn with replacement; the best of them is the parent.
    """

    population: int = 30
    sample: int = 10

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration:
        return self.child(space, history, rng).config

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """A mutant and its parent."""
        young = lessons(history)[-self.population :]
        if not young or len(history) < self.population:
            return Offspring(sample(space, rng))
        drawn = rng.integers(len(young), size=self.sample)
        parent = young[drawn[np.argmin(losses(young)[drawn])]]
        for _ in range(TRIES):
            child = decode(space, mutated(space, codes_of(space, [parent.config]), rng)[0])
            if child is not None:
                return Offspring(child, parent.number if parent.state is State.DONE else None)
        return Offspring(sample(space, rng))
