"""Initial configurations: what is tried before the optimizer is asked, such as defaults and what other tasks taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.search.trial import Proposal

if TYPE_CHECKING:
    from automl.search.history import History
    from automl.search.protocols import Optimizer
    from automl.search.trial import Configuration

INITIAL_BRACKET = -1


@dataclass(frozen=True)
class Initial:
    """Proposes the configurations given, at the full budget and in their order, then what the optimizer asks.

    Their trials stand in bracket -1: schedules leave it alone, samplers learn from it.
    """

    optimizer: Optimizer
    configurations: tuple[Configuration, ...]

    def ask(self, history: History) -> Proposal | None:
        asked = sum(t.proposal.bracket == INITIAL_BRACKET for t in history)
        if asked < len(self.configurations):
            return Proposal(self.configurations[asked], bracket=INITIAL_BRACKET)
        return self.optimizer.ask(history)
