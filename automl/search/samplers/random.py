"""Random search: Bergstra & Bengio (2012), "Random Search for Hyper-Parameter Optimization", JMLR 13."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.search.draw import sample

if TYPE_CHECKING:
    import numpy as np
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History


@dataclass(frozen=True)
class Random:
    """Draws each configuration from the priors of the space, whatever the history."""

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        return sample(space, rng)
