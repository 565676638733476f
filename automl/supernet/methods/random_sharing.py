"""Random search with shared weights: train paths drawn evenly, judge some by the shared weights, keep the best.

Li & Talwalkar (2019), "Random Search and Reproducibility for Neural Architecture Search", UAI, arXiv:1902.07638,
section 3.3. They judge 1,000 architectures by a part of the validation images; here 100 are judged by all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from automl.genotypes.spaces import decode, joined
from automl.search.draw import sample
from automl.supernet.data import check_counts
from automl.supernet.found import Found, Problem
from automl.supernet.proxy import Proxy
from automl.supernet.ranking import best, judged
from automl.supernet.training import Weights
from automl.supernet.uniform import trained_evenly

TRAINING = 0.8
"""Share of the seconds in which the weights are trained."""


@dataclass(frozen=True)
class RandomSharing:
    """Random search with shared weights.

    Attributes
    ----------
    candidates: architectures that are drawn, >= 1; those that compute the same are judged once.
    """

    candidates: int = 100
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        check_counts(candidates=self.candidates)

    def __call__(self, problem: Problem) -> Found:
        supernet, epochs = trained_evenly(problem, self.weights, problem.budget.part(TRAINING))
        proxy = Proxy(supernet, problem.halves)
        space, rng = joined(problem.definition), np.random.default_rng([problem.seed, 1])
        drawn = (decode(space, sample(space, rng))[0] for _ in range(self.candidates))
        return Found(best(judged(drawn, proxy, problem.budget), problem.keep), epochs, proxy)
