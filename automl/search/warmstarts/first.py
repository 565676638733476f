"""What is tried before the optimizer is asked: defaults, and what was good on other tasks (Feurer et al. 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.search.trial import INITIAL_BRACKET, Proposal, State, config_key

if TYPE_CHECKING:
    from automl.search.history import History
    from automl.search.protocols import Optimizer
    from automl.search.trial import Configuration, Trial

RUNG = 3
"""Advised configurations, and defaults beside them, by which the rest of the advice is judged."""


@dataclass(frozen=True)
class First:
    """Proposes defaults and advised configurations at the full budget, then what the optimizer asks.

    The first `early` defaults come first, then three advised ones, the next defaults until there are three, and the
    rest of the advice before the rest of the defaults. The rest of the advice is dropped if none of the three was
    better than the best of these defaults.

    Their trials stand in bracket -1: schedules leave it alone, samplers learn from it.
    """

    optimizer: Optimizer
    defaults: tuple[Configuration, ...]
    advised: tuple[Configuration, ...] = ()
    early: int = 1

    def ask(self, history: History) -> Proposal | None:
        trials = {config_key(t.config): t for t in history if t.proposal.bracket == INITIAL_BRACKET}
        advised, defaults = self.advised, self.defaults
        start, rest = self.early, max(self.early, RUNG)
        order = [*defaults[:start], *advised[:RUNG], *defaults[start:rest]]
        rung, beside = ([trials.get(config_key(c)) for c in each] for each in (advised[:RUNG], defaults[:rest]))
        if not _useless(rung, beside):
            order += advised[RUNG:]
        for config in (*order, *defaults[rest:]):
            if config_key(config) not in trials:
                return Proposal(config, bracket=INITIAL_BRACKET)
        return self.optimizer.ask(history)


def _useless(advised: list[Trial | None], defaults: list[Trial | None]) -> bool:
    """Whether all of these have ended, and a default is at least as good as every advised one."""
    if not advised or not all(t is not None and t.state is not State.RUNNING for t in (*advised, *defaults)):
        return False
    best, known = (min((t.loss for t in each if t is not None), default=math.inf) for each in (advised, defaults))
    return best >= known
