"""ASHA: asynchronous successive halving, which promotes as soon as a trial is among the best 1/η of its rung.

Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht & Talwalkar (2020), "A System for Massively Parallel
Hyperparameter Tuning", MLSys, arXiv:1810.05934, Algorithm 2 (the promotion variant) with early-stopping rate s = 0.
Trials that failed count towards the size of their rung, as losses of infinity would, and are never promoted.
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


@dataclass(frozen=True)
class ASHA:
    """One unbounded bracket whose rungs promote without waiting for each other.

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
        top = top_rung(self.min_share, self.eta)
        rungs: list[list[Trial]] = [[] for _ in range(top + 1)]
        for trial in history:
            if trial.proposal.bracket == 0:
                rungs[trial.proposal.rung].append(trial)
        for i in range(top - 1, -1, -1):
            parent = _promotable(rungs[i], rungs[i + 1], self.eta)
            if parent is not None:
                return Proposal(parent.config, self.share(0, i + 1), 0, i + 1, parent.number)
        rng = np.random.default_rng([self.seed, len(history)])
        return Proposal(fresh(self.sampler, self.space, history, rng), self.share(0, 0), 0, 0)

    def share(self, bracket: int, rung: int) -> float:
        """Of a full run, at this place of the schedule."""
        return 1 / self.eta ** (top_rung(self.min_share, self.eta) - rung)


def _promotable(rung: list[Trial], above: list[Trial], eta: int) -> Trial | None:
    """The best trial among the top ⌊|rung| / η⌋ that has not been promoted."""
    ended = sum(t.state is not State.RUNNING for t in rung)
    promoted = {t.proposal.parent for t in above}
    top = climbers(rung)[: ended // eta]
    return next((t for t in top if t.number not in promoted), None)
