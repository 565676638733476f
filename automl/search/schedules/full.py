"""Every configuration at the full budget: the schedule of the black-box methods.

With `inherit` it is Lamarckian: what is bred from a trial begins with that trial's weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.search.draw import fresh, fresh_child
from automl.search.protocols import Breeder
from automl.search.trial import BRED_BRACKET, Proposal

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.protocols import Sampler


@dataclass(frozen=True)
class Full:
    """Asks the sampler for one configuration after another, each at a budget of 1.

    Attributes
    ----------
    inherit: whether proposals name the trial that they are bred from; the sampler must then be a `Breeder`.
    """

    space: ConfigurationSpace
    sampler: Sampler
    seed: int
    inherit: bool = False

    def ask(self, history: History) -> Proposal:
        rng = np.random.default_rng([self.seed, len(history)])
        if self.inherit and isinstance(self.sampler, Breeder):
            child = fresh_child(self.sampler, self.space, history, rng)
            bracket = 0 if child.parent is None else BRED_BRACKET
            return Proposal(dict(child.config), bracket=bracket, parent=child.parent)
        return Proposal(fresh(self.sampler, self.space, history, rng))

    def share(self, bracket: int, rung: int) -> float:
        """Of a full run, at this place of the schedule."""
        return 1.0
