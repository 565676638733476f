"""NASH: hill climbing by network morphisms.

Elsken, Metzen & Hutter (2017), "Simple And Efficient Architecture Search for Convolutional Neural Networks",
arXiv:1711.04528, algorithm 1. From the current network, some neighbours are made by a few morphisms each, and one by
none; all inherit its weights and are trained for some epochs under a cosine schedule that begins anew (SGDR, which the
training is to have). The best of them is the next current one, so a step never has to lose what was reached.

The climb is read off the history: the children of a trial are those that name it as their parent. In the paper it
begins at a network that was made by hand, which a space does not tell: here at the best of some that have no parent, a
small one and others drawn from the space, since morphisms add to a network and mend none. Where the space holds more
than architectures, a child may also change one of the other hyperparameters, which the paper keeps fixed. And where
children fail, since they have grown beyond the memory or the time that a trial may take, the next ones of the same
parent have a morphism less each: near such a bound a climb by whole steps of five would stand still.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.genotypes.morphs import EXACT
from automl.search.offspring import drawn, grows, morphed, moved, small
from automl.search.trial import Configuration, Offspring, State, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

FAILED = (State.CRASHED, State.TIMEOUT, State.MEMORY)


@dataclass(frozen=True)
class NASH:
    """Hill climbing.

    Attributes
    ----------
    neighbours: children of each current network, its copy included, >= 2 (8 in the paper).
    morphs: of each child but the copy, at most, >= 1 (5 in the paper).
    start: networks among which the climb begins, >= 1.
    change: chance that a child also changes a hyperparameter that is not of its architecture.
    """

    neighbours: int = 8
    morphs: int = 5
    start: int = 8
    change: float = 0.5

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration:
        return self.child(space, history, rng).config

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """The next child of the current network; one to begin with before there is one."""
        climbing = [trial for trial in history if grows(space, trial.config)]
        current = self.current(climbing)
        if current is None:
            return Offspring(drawn(space, rng) if climbing else small(space, rng))
        children = [trial for trial in climbing if trial.proposal.parent == current.number]
        if len(children) % self.neighbours == 0:
            return Offspring(dict(current.config), current.number)
        failed = sum(trial.state in FAILED for trial in children)
        child = morphed(space, current.config, rng, steps=max(1, self.morphs - failed), kinds=EXACT)
        return Offspring(moved(space, child, self.change, rng), current.number)

    def current(self, trials: Iterable[Trial]) -> Trial | None:
        """Where the climb over these trials stands; None before it has begun."""
        children: dict[int | None, list[Trial]] = {}
        for trial in trials:
            if not trial.proposal.promoted:
                children.setdefault(trial.proposal.parent, []).append(trial)
        current, wanted = None, self.start
        while True:
            step = children.get(None if current is None else current.number, [])
            # Where it went on it stays, though a straggler may be better: its children would be lost otherwise.
            best = next((t for t in step if t.number in children), None)
            if best is None:
                done = [t for t in step if t.state is State.DONE]
                if not done or sum(t.state is not State.RUNNING for t in step) < wanted:
                    return current
                best = min(done, key=lambda t: (t.loss, t.number))
            current, wanted = best, self.neighbours
