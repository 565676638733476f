"""SMAC: Bayesian optimisation with a random forest, by the `smac` package.

Hutter, Hoos & Leyton-Brown (2011), "Sequential Model-Based Optimization for General Algorithm Configuration", LION 5;
Lindauer et al. (2022), "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization", JMLR 23(54).
It is the package's hyperparameter-optimisation facade through ask and tell: a forest of ten trees on log-scaled
losses, log expected improvement, the best of random and local search, one proposal in five at random. When trials ran
at several budgets, the model sees those of the largest budget with enough of them, as in SMAC's own multi-fidelity
facade.

What is set otherwise than in the package, with the reason:

* the model is trained anew after every four finished trials instead of eight, in a fresh facade, so that proposals are
  a function of the history; its seed comes from the first trial's seed and the number of trials told;
* the intensifier yields each challenger once. SMAC's own repeats trials under other seeds, which a deterministic
  objective does not need, and compares all configurations with each other at every ask;
* local search takes the best of all one-exchange neighbours until none is better. The package's (2.4.1) compares
  points entry by entry, where the NaN of an inactive hyperparameter differs from itself, and so skips every neighbour
  of a configuration that has one;
* trees may have as many leaves as there are trials instead of 2**20: the trees are the same, but scikit-learn
  reserves memory for all the leaves that are allowed, a tenth of a second a tree;
* the forest runs in one thread (the package starts a pool of threads for each call), and the best predicted loss, the
  level that expected improvement is measured from, is found in one call instead of one a trial;
* 5000 random challengers instead of 10,000.

The first configurations are random, as in the multi-fidelity facade.
"""

from __future__ import annotations

import copy
import logging
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.draw import as_dict, sample
from automl.search.trial import State, Trial, config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History


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
    stdev: standard deviation of a number's neighbours, in its unit range (0.2 as in Hutter et al. 2011).
    """

    max_initial: int = 20
    retrain_after: int = 4
    challengers: int = 5000
    local_searches: int = 10
    climbing_steps: int = 20
    stdev: float = 0.2
    _model: _Model | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        """The next configuration of `space` to try."""
        trials = self._lessons(space, history)
        if not trials:
            return sample(space, rng)
        seed = history[0].seed
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
                if any(_succeeded(t) for t in known):
                    return known
        return ()


class _Model:
    """A facade of smac that was told some trials, and the challengers that it has named so far."""

    def __init__(self, settings: Forest, space: ConfigurationSpace, trials: tuple[Trial, ...], seed: int) -> None:
        self._space, self._trials, self._seed = space, trials, seed
        self._challengers: list[dict[str, Any]] = []
        own = copy.deepcopy(space)  # smac seeds the space that it is given
        with _quiet(), tempfile.TemporaryDirectory(prefix="autonet-smac-") as folder:
            self._facade = _facade(settings, own, len(trials), _mixed(seed, len(trials)), folder)
            _tell(self._facade, own, trials)

    def is_of(self, space: ConfigurationSpace, trials: tuple[Trial, ...], seed: int) -> bool:
        """Whether this is the model of these trials."""
        return self._space is space and self._seed == seed and self._trials == trials

    def ranked(self) -> Iterator[dict[str, Any]]:
        """The challengers, best first, with random ones in between; ends when smac finds no new one."""
        yield from self._challengers
        while (config := self._ask()) is not None:
            self._challengers.append(config)
            yield config

    def _ask(self) -> dict[str, Any] | None:
        from smac.main.exceptions import ConfigurationSpaceExhaustedException

        try:
            with _quiet():
                return as_dict(self._facade.ask().config)
        except (StopIteration, ConfigurationSpaceExhaustedException):
            return None


def _facade(settings: Forest, space: ConfigurationSpace, told: int, seed: int, folder: str) -> Any:
    """smac's facade with the parts described above; it writes nothing into the folder unless asked to save."""
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.main.config_selector import ConfigSelector
    from smac.model.random_forest import RandomForest

    class Selector(ConfigSelector):
        def _get_x_best(self, X: np.ndarray) -> tuple[np.ndarray, float]:
            losses = self._model.predict_marginalized(X)[0][:, 0]
            best = int(np.argmin(losses))
            return X[best], float(losses[best])

    scenario = Scenario(
        space,
        deterministic=True,
        n_trials=10**9,
        seed=seed,
        output_directory=folder,
        crash_cost=1.0,  # not used, but an infinite one breaks the forest
    )
    return HyperparameterOptimizationFacade(
        scenario,
        model=RandomForest(
            space,
            log_y=True,
            n_trees=10,
            ratio_features=1.0,
            min_samples_split=2,
            min_samples_leaf=1,
            max_leaf_nodes=max(2, told),
            n_jobs=1,
            seed=seed,
        ),
        acquisition_maximizer=_maximizer(settings, space, seed),
        initial_design=HyperparameterOptimizationFacade.get_initial_design(scenario, n_configs=0),
        intensifier=_once(scenario),
        config_selector=Selector(scenario, retrain_after=settings.retrain_after),
        logging_level=False,
        overwrite=True,  # never ask whether a former run in the folder is to be continued
    )


def _maximizer(settings: Forest, space: ConfigurationSpace, seed: int) -> Any:
    """smac's search for the largest expected improvement, with hill climbing that works in conditional spaces."""
    from ConfigSpace.util import get_one_exchange_neighbourhood
    from smac.acquisition.maximizer import LocalAndSortedRandomSearch, LocalSearch

    class Climb(LocalSearch):
        def _search(self, start_points: list[Any]) -> list[tuple[float, Any]]:
            points, values = list(start_points), self._acquisition_function(start_points)[:, 0].tolist()
            found = list(zip(values, points, strict=True))  # the starts too: climbs end in the same few places
            active = list(range(len(points)))
            for _ in range(settings.climbing_steps):
                around = [
                    list(get_one_exchange_neighbourhood(points[i], seed=self._rng.randint(2**31), stdev=settings.stdev))
                    for i in active
                ]
                flat = [neighbour for each in around for neighbour in each]
                if not flat:
                    break
                scores = np.split(
                    self._acquisition_function(flat)[:, 0], np.cumsum([len(each) for each in around])[:-1]
                )
                still = []
                for i, each, score in zip(active, around, scores, strict=True):
                    if len(each) and score.max() > values[i]:
                        points[i], values[i] = each[int(score.argmax())], float(score.max())
                        still.append(i)
                active = still
            return found + list(zip(values, points, strict=True))

    class Maximizer(LocalAndSortedRandomSearch):
        def __init__(self) -> None:
            super().__init__(
                space,
                challengers=settings.challengers,
                local_search_iterations=settings.local_searches,
                seed=seed,
            )
            self._local_search = Climb(space, seed=seed)

    return Maximizer()


def _once(scenario: Any) -> Any:
    """An intensifier of smac that yields each configuration once and keeps no incumbents."""
    from smac.intensifier.abstract_intensifier import AbstractIntensifier
    from smac.runhistory import TrialInfo

    class Once(AbstractIntensifier):
        uses_seeds = True
        uses_budgets = False
        uses_instances = False
        uses_cutoffs = False

        def update_incumbents(self, config: Any) -> None:
            """Nothing: the history of the search knows the best."""

        def __iter__(self) -> Iterator[Any]:
            self.__post_init__()
            for config in self.config_generator:
                yield TrialInfo(config, seed=0)

    return Once(scenario)


def _tell(facade: Any, space: ConfigurationSpace, trials: tuple[Trial, ...]) -> None:
    """Tell the facade the trials; failed ones cost as much as the worst that succeeded."""
    from ConfigSpace import Configuration
    from smac.runhistory import StatusType, TrialInfo, TrialValue

    worst = max(t.loss for t in trials if _succeeded(t))
    for trial in trials:
        status = StatusType.SUCCESS if _succeeded(trial) else StatusType.CRASHED
        value = TrialValue(cost=min(trial.loss, worst), status=status)
        config = Configuration(space, values=dict(trial.config))
        facade.tell(TrialInfo(config, seed=0), value, save=False)


def _succeeded(trial: Trial) -> bool:
    return trial.state is State.DONE and math.isfinite(trial.loss)


def _mixed(seed: int, told: int) -> int:
    """A seed for the model of the first `told` trials of a run, in [0, 2**31)."""
    return int(np.random.SeedSequence([seed, told]).generate_state(1)[0]) >> 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back what smac logs below errors."""
    logger = logging.getLogger("smac")
    level = logger.level
    logger.setLevel(max(level, logging.ERROR))
    try:
        yield
    finally:
        logger.setLevel(level)
