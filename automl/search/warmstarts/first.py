"""What is tried before the optimizer is asked: defaults, and what was good on other tasks (Feurer et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.search.trial import INITIAL_BRACKET, Proposal, State, config_key

if TYPE_CHECKING:
    from automl.search.history import History
    from automl.search.protocols import Optimizer
    from automl.search.trial import Configuration, Trial

RUNG, FEWEST = 8, 4
"""Advised configurations by which the rest of the advice is judged, and how few may judge it …"""
CONTRARY = -0.2
"""… by this rank correlation of their losses with what was expected. On 63 tables, each left out of what it was told,
eight of a portfolio ordered by cost were above it on all; with the losses of the past negated, below it on 89 %."""


@dataclass(frozen=True)
class First:
    """Proposes defaults and advised configurations at the full budget, then what the optimizer asks.

    The first `early` defaults come first, then the advice, then the other defaults. Once eight advised ones have ended,
    the rest of them is dropped if the order of their losses contradicts what was `expected` of them.

    Their trials stand in bracket -1: schedules leave it alone, samplers learn from it.
    """

    optimizer: Optimizer
    defaults: tuple[Configuration, ...]
    advised: tuple[Configuration, ...] = ()
    expected: tuple[float, ...] = ()
    early: int = 1

    def ask(self, history: History) -> Proposal | None:
        trials = {config_key(t.config): t for t in history if t.proposal.bracket == INITIAL_BRACKET}
        rung = [trials.get(config_key(c)) for c in self.advised[:RUNG]]
        advised = self.advised[:RUNG] if contradicted(rung, self.expected[:RUNG]) else self.advised
        for config in (*self.defaults[: self.early], *advised, *self.defaults[self.early :]):
            if config_key(config) not in trials:
                return Proposal(config, bracket=INITIAL_BRACKET)
        return self.optimizer.ask(history)


def contradicted(rung: Sequence[Trial | None], expected: tuple[float, ...]) -> bool:
    """Whether all of these have ended, and either none succeeded or their order is not at all what was expected."""
    ended = [t for t in rung if t is not None and t.state is not State.RUNNING]
    if len(expected) < FEWEST or len(ended) < len(rung):
        return False
    losses = np.array([t.loss for t in ended])
    if not np.isfinite(losses).any():
        return True
    from scipy.stats import rankdata

    found, hoped = rankdata(losses), rankdata(expected)
    if np.ptp(found) == 0 or np.ptp(hoped) == 0:
        return False
    return bool(np.corrcoef(found, hoped)[0, 1] < CONTRARY)
