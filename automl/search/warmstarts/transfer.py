"""RGPE: models of past tasks help to choose among candidates of any method.

Feurer, Letham, Hutter & Bakshy (2018), "Practical Transfer Learning for Bayesian Optimization", arXiv:1802.02219. The
method proposes, and so do random draws, the past tasks' best and changes of the best so far; the candidate of the
largest expected improvement under the ensemble is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from automl.search.draw import choices, from_unit, sample, to_unit
from automl.search.trial import INITIAL_BRACKET, Trial, config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.advice import Source
    from automl.search.history import History
    from automl.search.protocols import Optimizer
    from automl.search.trial import Configuration, Proposal
    from metalearn.transfer import GP

STREAM = 2
"""Keeps these random numbers apart from those of the method, which come from the same seed and trial."""
DRAWN, CHANGED = 16, 16
"""Candidates drawn from the space, and made from the best so far."""
CHANGE = 0.2
"""Chance of each hyperparameter of the best so far to be drawn anew."""
LATEST = 128
"""Observations that the new task's model holds at most: its cost is cubic in them."""
LEAST = 3
"""Finished trials without which a budget is no ground for a model."""


@dataclass(frozen=True)
class Transfer:
    """Replaces new configurations of a method by the most promising of some candidates.

    Attributes
    ----------
    sources: past tasks; with none, the new task's own model chooses alone.
    """

    optimizer: Optimizer
    space: ConfigurationSpace
    seed: int
    sources: tuple[Source, ...]

    def ask(self, history: History) -> Proposal | None:
        proposal = self.optimizer.ask(history)
        if proposal is None or proposal.parent is not None or proposal.bracket == INITIAL_BRACKET:
            return proposal
        observed = self._observed(history)
        if not observed:
            return proposal
        rng = np.random.default_rng([self.seed, len(history), STREAM])
        candidates = self._candidates(proposal.config, history, observed, rng)
        return replace(proposal, config=candidates[int(np.argmax(self._promise(candidates, observed, rng)))])

    def _observed(self, history: History) -> list[Trial]:
        """Finished trials of the largest budget that has enough of them, the latest."""
        budgets = sorted({t.budget for t in history.done}, reverse=True)
        for budget in budgets:
            trials = [t for t in history.done if t.budget == budget]
            if len(trials) >= LEAST:
                return trials[-LATEST:]
        return []

    def _candidates(
        self, proposed: Configuration, history: History, observed: list[Trial], rng: np.random.Generator
    ) -> list[Configuration]:
        best = sorted(observed, key=lambda t: (t.loss, t.number))[: 1 + len(observed) // 5]
        found = [proposed, *(sample(self.space, rng) for _ in range(DRAWN)), *self._known_best]
        for _ in range(CHANGED):
            point = to_unit(self.space, best[int(rng.integers(len(best)))].config)
            changed = from_unit(self.space, np.where(rng.random(len(point)) < CHANGE, np.nan, point), rng)
            found += [] if changed is None else [changed]
        tried = {config_key(t.config) for t in history}
        new = [c for c in found if config_key(c) not in tried]
        return new or [proposed]

    def _promise(self, candidates: list[Configuration], observed: list[Trial], rng: np.random.Generator) -> np.ndarray:
        from metalearn.gaussian import expected_improvement
        from metalearn.transfer import rank_weighted

        target = self._model([t.config for t in observed], [t.loss for t in observed])
        ensemble = rank_weighted(self._models, target, rng)
        points = np.array([to_unit(self.space, c) for c in candidates])
        best = float(ensemble.predict(target.points)[0].min())
        return expected_improvement(*ensemble.predict(points), best)

    @cached_property
    def _models(self) -> tuple[GP, ...]:
        return tuple(self._model(s.configurations, s.losses) for s in self.sources)

    @cached_property
    def _known_best(self) -> list[Configuration]:
        return [s.configurations[int(np.argmin(s.losses))] for s in self.sources]

    def _model(self, configurations: list[Configuration] | tuple[Configuration, ...], losses: object) -> GP:
        from metalearn.transfer import GP

        points = np.array([to_unit(self.space, c) for c in configurations])
        return GP(points, np.asarray(losses, dtype=float), np.array([len(choices(hp)) for hp in self.space.values()]))
