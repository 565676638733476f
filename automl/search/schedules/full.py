"""Every configuration at the full budget: the schedule of the black-box methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.search.draw import fresh
from automl.search.trial import Proposal

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.protocols import Sampler


@dataclass(frozen=True)
class Full:
    """Asks the sampler for one configuration after another, each at a budget of 1."""

    space: ConfigurationSpace
    sampler: Sampler
    seed: int

    def ask(self, history: History) -> Proposal:
        rng = np.random.default_rng([self.seed, len(history)])
        return Proposal(fresh(self.sampler, self.space, history, rng))

    def share(self, bracket: int, rung: int) -> float:
        """Of a full run, at this place of the schedule."""
        return 1.0
