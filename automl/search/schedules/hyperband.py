"""Hyperband: brackets of successive halving, from many cheap trials to few full ones.

Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018), "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization", JMLR 18(185), arXiv:1603.06560, Algorithm 1. Two points differ from common code: the number of rungs
comes from an exact loop (floor(log) loses a rung for ratios such as 243 = 3⁵), and when a rung waits for running
trials the next bracket opens, so that parallel workers never idle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.search.draw import fresh
from automl.search.rungs import climbers, top_rung
from automl.search.trial import Proposal, State, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.protocols import Sampler


def plan(s_max: int, s: int, eta: int) -> list[tuple[int, float]]:
    """Size and share of each rung of bracket s: n = ⌈(s_max+1) η^s / (s+1)⌉, then ⌊n η^-i⌋ at η^(i-s)."""
    n = -(-(s_max + 1) * eta**s // (s + 1))
    return [(n // eta**i, 1 / eta ** (s - i)) for i in range(s + 1)]


@dataclass(frozen=True)
class Hyperband:
    """Hyperband as a function of the history.

    Attributes
    ----------
    min_share: least share of a full run that a trial may get, in (0, 1].
    eta: factor between rungs; 1/eta of a rung is promoted.
    """

    space: ConfigurationSpace
    sampler: Sampler
    seed: int
    min_share: float
    eta: int = 3

    def ask(self, history: History) -> Proposal:
        brackets: dict[int, list[Trial]] = {}
        for trial in history:
            brackets.setdefault(trial.proposal.bracket, []).append(trial)
        for number in range(len(history) + 1):  # a bracket without trials always has work
            sizes = self._sizes(number)
            work = _next(sizes, brackets.get(number, []))
            if work is None:
                continue
            rung, parent = work
            if parent is not None:
                return Proposal(parent.config, sizes[rung][1], number, rung, parent.number)
            rng = np.random.default_rng([self.seed, len(history)])
            config = fresh(self.sampler, self.space, history, rng)
            return Proposal(config, sizes[0][1], number, 0)
        raise AssertionError("unreachable: an empty bracket has work")

    def share(self, bracket: int, rung: int) -> float:
        """Of a full run, at this place of the schedule."""
        return self._sizes(bracket)[rung][1]

    def _sizes(self, bracket: int) -> list[tuple[int, float]]:
        s_max = top_rung(self.min_share, self.eta)
        return plan(s_max, s_max - bracket % (s_max + 1), self.eta)


def _next(sizes: list[tuple[int, float]], trials: list[Trial]) -> tuple[int, Trial | None] | None:
    """Rung and parent of the next trial of a bracket; None while it waits for running trials, or is complete."""
    rungs: list[list[Trial]] = [[] for _ in sizes]
    for trial in trials:
        rungs[trial.proposal.rung].append(trial)
    if len(rungs[0]) < sizes[0][0]:
        return 0, None
    for i in range(1, len(sizes)):
        if any(t.state is State.RUNNING for t in rungs[i - 1]):
            return None
        promoted = {t.proposal.parent for t in rungs[i]}
        for trial in climbers(rungs[i - 1])[: sizes[i][0]]:
            if trial.number not in promoted:
                return i, trial
    return None
