"""PriorBand: part of the new configurations come from where near tasks had their good ones.

Mallik et al. (2023), "PriorBand: Practical Hyperparameter Optimization in the Age of Deep Learning",
arXiv:2306.12370, Algorithm 1, around any method: where it samples at random, the method is asked. How far the prior is
trusted depends on how likely the best configurations found are under it, so that a bad one loses its say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from automl.search.draw import choices, from_unit, to_unit
from automl.search.trial import INITIAL_BRACKET, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.protocols import Optimizer
    from automl.search.trial import Configuration, Proposal
    from metalearn.prior import Prior

STREAM = 1
"""Keeps these random numbers apart from those of the method, which come from the same seed and trial."""


@dataclass(frozen=True)
class PriorBand:
    """Replaces new configurations of a method by draws from a prior or around the incumbent.

    Attributes
    ----------
    centres: of the prior, the likeliest first; the k-th has a weight of 1/k.
    min_share, eta: the ladder of budgets, as of the method.
    """

    optimizer: Optimizer
    space: ConfigurationSpace
    seed: int
    centres: tuple[Configuration, ...]
    min_share: float
    eta: int

    def ask(self, history: History) -> Proposal | None:
        proposal = self.optimizer.ask(history)
        if proposal is None or proposal.parent is not None or proposal.bracket == INITIAL_BRACKET:
            return proposal
        rng = np.random.default_rng([self.seed, len(history), STREAM])
        rung = round(math.log(proposal.budget / self.min_share, self.eta))
        if rng.random() < 1 / (1 + self.eta**rung):
            return proposal
        top = self._top(history)
        source = self._prior
        if top:
            incumbent = self._around([history.best.config])
            if rng.random() < self._incumbent_share(incumbent, top):
                source = incumbent
        config = from_unit(self.space, source.draw(rng), rng)
        return proposal if config is None else replace(proposal, config=config)

    def _top(self, history: History) -> list[Trial]:
        """The best 1/eta of the trials at the largest budget with eta of them; none before a full run."""
        done: dict[float, list[Trial]] = {}
        for trial in history.done:
            done.setdefault(trial.budget, []).append(trial)
        filled = [budget for budget, trials in done.items() if len(trials) >= self.eta]
        if not filled or 1.0 not in done:
            return []
        trials = sorted(done[max(filled)], key=lambda t: (t.loss, t.number))
        return trials[: len(trials) // self.eta]

    def _incumbent_share(self, incumbent: Prior, top: list[Trial]) -> float:
        """S_inc / (S_inc + S_prior), each the sum of densities at the top trials, weighted by their rank."""
        from scipy.special import expit, logsumexp

        points = np.array([to_unit(self.space, t.config) for t in top])
        ranks = np.arange(len(top), 0, -1.0)
        scores = [logsumexp(source.log_density(points), b=ranks) for source in (incumbent, self._prior)]
        return float(expit(scores[0] - scores[1]))

    @cached_property
    def _prior(self) -> Prior:
        return self._around(self.centres)

    def _around(self, configurations: list[Configuration] | tuple[Configuration, ...]) -> Prior:
        from metalearn.prior import Prior

        weights = 1.0 / np.arange(1, len(configurations) + 1)
        levels = np.array([len(choices(hp)) for hp in self.space.values()])
        centres = np.array([to_unit(self.space, c) for c in configurations])
        return Prior(centres, weights / weights.sum(), levels)
