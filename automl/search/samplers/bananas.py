"""BANANAS: an ensemble of networks predicts the loss from the paths through an architecture; Thompson samples decide.

White, Neiswanger & Savani (2021), "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search", AAAI, arXiv:1910.11858. Spaces of architectures are encoded by paths (section 3.1), what else is searched and
other spaces one-hot; the acquisition is independent Thompson sampling (section 3.3), over mutants of the best trials.
Smaller networks than the paper's (2 layers of 64 instead of 10 of 20), so that a proposal takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.architectures import encoded
from automl.search.candidates import allowed, codes_of, drawn, first_new, mutated
from automl.search.draw import sample
from automl.search.lessons import lessons, log_scaled, losses, run_seed
from automl.search.models.ensemble import fitted

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial


@dataclass
class Bananas:
    """Path encoding, ensemble, Thompson sampling.

    Attributes
    ----------
    initial: trials drawn at random first.
    batch: trials between two models (k in the paper, 10).
    candidates: mutants that a model ranks.
    parents: best trials that are mutated.
    """

    initial: int = 10
    batch: int = 10
    candidates: int = 100
    parents: int = 10
    _ranked: tuple[ConfigurationSpace, tuple[Trial, ...], np.ndarray] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        trials = lessons(history)
        told = trials[: len(trials) // self.batch * self.batch]
        if len(told) < self.initial or not any(np.isfinite(t.loss) for t in told):
            return sample(space, rng)
        if self._ranked is None or self._ranked[0] is not space or self._ranked[1] != told:
            own = np.random.default_rng([run_seed(history), len(told)])
            self._ranked = (space, told, self._rank(space, told, own))
        return first_new(space, self._ranked[2], history, rng)

    def _rank(self, space: ConfigurationSpace, trials: tuple[Trial, ...], rng: np.random.Generator) -> np.ndarray:
        """(n, d) codes, the best of a Thompson sample first."""
        values = losses(trials)
        codes = codes_of(space, [t.config for t in trials])
        best = codes[np.argsort(values, kind="stable")[: self.parents]]
        near = best[rng.integers(len(best), size=self.candidates)]
        pool = allowed(space, np.vstack([mutated(space, near, rng), drawn(space, self.candidates // 10, rng)]))
        observed, ahead = encoded(space, codes, pool)
        model = fitted(observed, log_scaled(values), rng)
        predicted = model.predict(ahead)
        draws = predicted.mean(0) + predicted.std(0) * rng.standard_normal(len(pool))
        return pool[np.argsort(draws, kind="stable")]
