"""NASH: hill climbing by network morphisms.

Elsken, Metzen & Hutter (2017), "Simple And Efficient Architecture Search for Convolutional Neural Networks",
arXiv:1711.04528, algorithm 1. From the current network, some neighbours are made by a few morphisms each, and one by
none; all inherit its weights and are trained for some epochs under a cosine schedule that begins anew (SGDR, which the
training is to have). The best of them is the next current one, so a step never has to lose what was reached.

The climb is read off the history: the children of a trial are those that name it as their parent. It begins at the best
trial that has none, a small network. Where the space holds more than architectures, a child may also change one of the
other hyperparameters, which the paper keeps fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.genotypes.morphs import EXACT
from automl.search.draw import sample
from automl.search.offspring import morphed, moved, small
from automl.search.trial import Configuration, Offspring, State, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History


@dataclass(frozen=True)
class NASH:
    """Hill climbing.

    Attributes
    ----------
    neighbours: children of each current network, its copy included, >= 2 (8 in the paper).
    morphs: of each child but the copy, >= 1 (5 in the paper).
    change: chance that a child also changes a hyperparameter that is not of its architecture.
    """

    neighbours: int = 8
    morphs: int = 5
    change: float = 0.5

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration:
        return self.child(space, history, rng).config

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """The next child of the current network; a small network before there is one."""
        current = self.current(history)
        if current is None:
            return Offspring(small(space, rng) if len(history) == 0 else sample(space, rng))
        born = sum(_child_of(trial, current) for trial in history)
        if born % self.neighbours == 0:
            return Offspring(dict(current.config), current.number)
        steps = int(rng.integers(1, self.morphs + 1)) if self.morphs > 1 else 1
        child = morphed(space, current.config, rng, steps=steps, kinds=EXACT)
        return Offspring(moved(space, child, self.change, rng), current.number)

    def current(self, history: History) -> Trial | None:
        """Where the climb stands; None before any trial has succeeded."""
        done = [t for t in history.done if t.proposal.parent is None]
        current = min(done, key=lambda t: (t.loss, t.number), default=None)
        while current is not None:
            ended = [t for t in history if _child_of(t, current) and t.state is not State.RUNNING]
            best = None
            for first in range(0, len(ended) - self.neighbours + 1, self.neighbours):
                step = [t for t in ended[first : first + self.neighbours] if t.state is State.DONE]
                best = best or min(step, key=lambda t: (t.loss, t.number), default=None)
            if best is None:
                return current
            current = best
        return None


def _child_of(trial: Trial, parent: Trial) -> bool:
    return trial.proposal.parent == parent.number and not trial.proposal.promoted
