"""SMAC: Bayesian optimisation with the random forest of the `smac` package.

Hutter, Hoos & Leyton-Brown (2011), "Sequential Model-Based Optimization for General Algorithm Configuration", LION 5;
Lindauer et al. (2022), "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization", JMLR 23(54).
It follows the package's facade for hyperparameter optimisation: a forest of ten trees on log-scaled losses, log
expected improvement over the best predicted loss, the best of random and local search, one proposal in five at random.
When trials ran at several budgets, the model sees those of the largest budget with enough of them, as in SMAC's own
multi-fidelity facade.

The forest is the package's; what stands around it is here, because the package (2.4.1) handles each of thousands of
candidates as an object, which takes most of a second a model. What is set otherwise, with the reason:

* the model is trained anew after every four finished trials instead of eight, from nothing, so that proposals are a
  function of the history; its seed comes from the first trial's seed and the number of trials told;
* candidates are rows of one matrix: draws from the priors, and their one-exchange neighbours. What a change activates
  is drawn, rather than set to its default;
* a local search takes the best of all its neighbours until none is better. The package's compares points entry by
  entry, where the NaN of an inactive hyperparameter differs from itself, and so skips every neighbour of a
  configuration that has one;
* trees have no limit of leaves rather than one of 2**20, which makes scikit-learn reserve memory for all of them, a
  tenth of a second a tree; they predict one after the other, without joblib's dispatch;
* 5000 random challengers instead of 10,000.

The first configurations are random, as in the multi-fidelity facade.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from automl.search.candidates import allowed, codes_of, drawn, neighbours
from automl.search.draw import choices, decode, sample
from automl.search.lessons import losses, run_seed
from automl.search.trial import State, Trial, config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

AT_RANDOM = 0.2
"""Share of proposals that are draws from the space, whatever the model says."""
SMALL = 1e-10
"""What keeps logarithms finite, as in the package."""


@dataclass
class Forest:
    """Proposes the configurations of largest expected improvement under a random forest.

    A function of the history: the proposal is the first challenger of the model of the first n finished trials
    (n grows in steps of `retrain_after`) that the history does not hold. The last model is kept for speed only.

    Attributes
    ----------
    max_initial: finished trials that a budget needs to be modelled; d + 1 in spaces of fewer hyperparameters.
    retrain_after: finished trials between two models.
    challengers: random configurations that each model ranks.
    local_searches: local searches from the best challengers, and as many from the best trials.
    climbing_steps: most moves of a local search.
    """

    max_initial: int = 20
    retrain_after: int = 4
    challengers: int = 5000
    local_searches: int = 10
    climbing_steps: int = 20
    _model: _Model | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        """The next configuration of `space` to try."""
        trials = self._lessons(space, history)
        if not trials:
            return sample(space, rng)
        seed = run_seed(history)
        if self._model is None or not self._model.is_of(space, trials, seed):
            self._model = _Model(self, space, trials, seed)
        seen = {config_key(t.config) for t in history}
        for config in self._model.ranked():
            if config_key(config) not in seen:
                return config
        return sample(space, rng)

    def _lessons(self, space: ConfigurationSpace, history: History) -> tuple[Trial, ...]:
        """The trials to model: finished ones of the largest budget with enough, in full steps.

        Pruned trials do not count: they were cut off or never run.
        """
        least = min(len(space) + 1, self.max_initial)
        for budget in sorted({t.budget for t in history.done}, reverse=True):
            trials = tuple(t for t in history.at_budget(budget) if t.state is not State.PRUNED)
            if len(trials) >= least:
                known = trials[: len(trials) - (len(trials) - least) % self.retrain_after]
                if any(t.state is State.DONE and math.isfinite(t.loss) for t in known):
                    return known
        return ()


class _Model:
    """A forest that was told some trials, and the challengers that it has named so far."""

    def __init__(self, settings: Forest, space: ConfigurationSpace, trials: tuple[Trial, ...], seed: int) -> None:
        self._space, self._trials, self._seed = space, trials, seed
        self._rng = np.random.default_rng([seed, len(trials)])
        known = codes_of(space, [t.config for t in trials])
        self._trees = _grown(_imputed(space, known), _log_scaled(losses(trials)), int(self._rng.integers(2**31)))
        predicted = self._predicted(known).mean(axis=0)
        self._least = float(predicted.min())
        self._codes = self._maximised(settings, known[np.argsort(predicted, kind="stable")])
        self._named: list[dict[str, Any]] = []

    def is_of(self, space: ConfigurationSpace, trials: tuple[Trial, ...], seed: int) -> bool:
        """Whether this is the model of these trials."""
        return self._space is space and self._seed == seed and self._trials == trials

    def ranked(self) -> Iterator[dict[str, Any]]:
        """The challengers, best first, with random ones in between."""
        yield from self._named
        while len(self._codes):
            if self._rng.random() < AT_RANDOM:
                config: dict[str, Any] | None = sample(self._space, self._rng)
            else:
                config, self._codes = decode(self._space, self._codes[0]), self._codes[1:]
            if config is not None:
                self._named.append(config)
                yield config

    def improvement(self, codes: np.ndarray) -> np.ndarray:
        """(n,) expected improvement of losses whose logarithm is predicted (Hutter, Hoos et al. 2009, section 5.2)."""
        predicted = self._predicted(codes)
        mean, variance = predicted.mean(axis=0), np.maximum(predicted.var(axis=0), SMALL)
        deviation = np.sqrt(variance)
        above = (self._least - mean) / deviation
        return np.asarray(np.exp(self._least) * ndtr(above) - np.exp(variance / 2 + mean) * ndtr(above - deviation))

    def _predicted(self, codes: np.ndarray) -> np.ndarray:
        """(trees, n) predictions."""
        inputs = _imputed(self._space, codes)
        return np.stack([tree.predict(inputs)[:, 0] for tree in self._trees])

    def _maximised(self, settings: Forest, known: np.ndarray) -> np.ndarray:
        """(n, d) codes: where climbs end and begin, those of largest expected improvement first, then the random ones.

        Parameters
        ----------
        known: (n, d) codes of the trials, that of the least predicted loss first.
        """
        pool = allowed(self._space, drawn(self._space, settings.challengers, self._rng))
        pool = pool[np.argsort(-self.improvement(pool), kind="stable")]
        starts = np.vstack([pool[: settings.local_searches], known[: settings.local_searches]])
        points, heights = starts.copy(), self.improvement(starts)
        climbing = np.arange(len(points))
        for _ in range(settings.climbing_steps):
            around, owner = neighbours(self._space, points[climbing], self._rng)
            there = self.improvement(around)
            better = there > heights[climbing][owner]
            if not better.any():
                break
            around, there, owner = around[better], there[better], owner[better]
            ranked = np.lexsort((there, owner))
            best = ranked[np.flatnonzero(np.diff(owner[ranked], append=-1))]  # the last, so the best, of each owner
            climbing = climbing[owner[best]]
            points[climbing], heights[climbing] = around[best], there[best]
        climbed = np.vstack([points, starts])
        climbed = climbed[np.argsort(-self.improvement(climbed), kind="stable")]
        return np.vstack([climbed, pool[settings.local_searches :]])


def _grown(inputs: np.ndarray, targets: np.ndarray, seed: int) -> list[Any]:
    """The trees of the package's forest, which average losses rather than their logarithms in a leaf."""
    from smac.model.random_forest.random_forest import EPMRandomForest

    forest = EPMRandomForest(
        n_estimators=10,
        log_y=True,
        bootstrap=True,
        max_features=1.0,
        min_samples_split=2,
        min_samples_leaf=1,
        min_impurity_decrease=1e-8,
        n_jobs=1,
        random_state=seed,
    )
    forest.fit(inputs, targets)
    return [tree.tree_ for tree in forest.estimators_]


def _imputed(space: ConfigurationSpace, codes: np.ndarray) -> np.ndarray:
    """(n, d) inputs of the trees: an inactive category is one more category, an inactive number is -1."""
    absent = np.array([len(choices(hp)) or -1 for hp in space.values()])
    return np.where(np.isnan(codes), absent, codes).astype(np.float32)


def _log_scaled(values: np.ndarray) -> np.ndarray:
    """(n,) losses on the logarithmic scale of the package: the largest is 0, the least stays finite."""
    least = values.min() - (np.percentile(values, 5) - values.min())
    above = values - least + SMALL * max(1.0, float(np.abs(values).max()))
    return np.asarray(np.log(above / above.max()))
