"""TPE: tree-structured Parzen estimators, by optuna.

Bergstra, Bardenet, Bengio & Kégl (2011), "Algorithms for Hyper-Parameter Optimization", NeurIPS. The model is optuna's
`TPESampler` with one joint density for each group of hyperparameters that are active under the same conditions. The
groups are drawn parents first, so that children are drawn only where they are active.

When trials ran at several budgets, the model sees only those of the largest budget with at least ten (the rule of
BOHB; Falkner, Klein & Hutter 2018). Running trials count as bad ones (a constant liar), so that parallel proposals
spread; failed ones count as the worst; pruned ones do not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.draw import choices, decode, sample
from automl.search.trial import State

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

MIN_TRIALS = 10
"""Trials that a budget needs to be modelled (`n_startup_trials` of optuna)."""

TRIES = 16
"""Model draws that a forbidden clause may exclude before a draw from the space takes their place."""


@dataclass
class TPE:
    """TPE as a function of the history.

    The optuna study of the last call is kept and continued where the new history continues the old one; its content,
    and so every draw, equals that of a study built afresh.
    """

    _memo: _Study | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        trials = _lessons(history)
        if sum(t.state not in (State.RUNNING, State.PRUNED) for t in trials) < MIN_TRIALS:
            return sample(space, rng)
        if self._memo is None or not self._memo.continued_by(space, trials):
            self._memo = _Study(space)
        self._memo.update(trials)
        for _ in range(TRIES):
            config = self._memo.draw(rng)
            if config is not None:
                return config
        return sample(space, rng)


def _lessons(history: History) -> list[Trial]:
    """Trials, running ones included, at the largest budget where at least ten have ended and tell something."""
    ended: dict[float, int] = {}
    for trial in history:
        if trial.state not in (State.RUNNING, State.PRUNED):
            ended[trial.budget] = ended.get(trial.budget, 0) + 1
    budget = max((b for b, n in ended.items() if n >= MIN_TRIALS), default=None)
    return [t for t in history if t.budget == budget]


class _Study:
    """An optuna study that holds the trials of a history; optuna numbers them in its own way."""

    def __init__(self, space: ConfigurationSpace) -> None:
        import optuna

        self.space = space
        self.distributions = {name: _distribution(hp) for name, hp in space.items()}
        self.groups = _groups(space)
        self.trials: list[Trial] = []
        self.numbers: list[int] = []
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # creating a study writes a line
        self.study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        optuna.logging.set_verbosity(verbosity)

    def continued_by(self, space: ConfigurationSpace, trials: list[Trial]) -> bool:
        """Whether the trials are those held, with some running ones ended and new ones appended."""
        return (
            self.space is space
            and len(trials) >= len(self.trials)
            and all(
                new is old
                or new == old
                or (old.state is State.RUNNING and new.number == old.number and new.proposal == old.proposal)
                for old, new in zip(self.trials, trials, strict=False)
            )
        )

    def update(self, trials: list[Trial]) -> None:
        """Take over the trials; `continued_by` holds for them."""
        for i, trial in enumerate(trials):
            if i >= len(self.trials):
                self._add(trial)
            elif self.trials[i].state is State.RUNNING and trial.state is not State.RUNNING:
                state, value = _verdict(trial)
                self.study.tell(self.numbers[i], value, state=state)
        self.trials = trials

    def _add(self, trial: Trial) -> None:
        import optuna

        state, value = _verdict(trial)
        params = {name: self._code(name, value) for name, value in trial.config.items()}
        self.study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=value,
                params=params,
                distributions={name: self.distributions[name] for name in params},
            )
        )
        self.numbers.append(len(self.study.get_trials(deepcopy=False)) - 1)

    def _code(self, name: str, value: Any) -> Any:
        hp = self.space[name]
        return choices(hp).index(value) if choices(hp) else value

    def draw(self, rng: np.random.Generator) -> dict[str, Any] | None:
        """A configuration of largest l/g among 24 draws a group; None if it is forbidden."""
        import optuna
        from optuna.trial import TrialState

        sampler = optuna.samplers.TPESampler(
            n_startup_trials=MIN_TRIALS, multivariate=True, constant_liar=True, seed=int(rng.integers(2**32))
        )
        number = self.study.ask().number
        now = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))[-1]
        code = np.full(len(self.space), np.nan)
        for conditions, names in self.groups:
            if all(condition.satisfied_by_vector(code) for condition in conditions):
                group = {name: self.distributions[name] for name in names}
                for name, value in sampler.sample_relative(self.study, now, group).items():
                    hp = self.space[name]
                    value = choices(hp)[value] if choices(hp) else value
                    code[self.space.index_of[name]] = float(hp.to_vector(value))
        self.study.tell(number, state=TrialState.FAIL)  # the model does not see failed trials
        return decode(self.space, code)


def _groups(space: ConfigurationSpace) -> list[tuple[Sequence[Any], list[str]]]:
    """Hyperparameters that are active together, with their conditions; parents before their children."""
    groups: dict[tuple[int, str], tuple[Sequence[Any], list[str]]] = {}
    depth: dict[str, int] = {}
    for name in space:
        conditions = space.parent_conditions_of[name]
        depth[name] = 1 + max((depth[parent.name] for parent in space.parents_of[name]), default=-1)
        rule = " ".join(sorted(str(c).replace(f"{name} | ", "") for c in conditions))
        groups.setdefault((depth[name], rule), (conditions, []))[1].append(name)
    return [groups[key] for key in sorted(groups)]


def _verdict(trial: Trial) -> tuple[Any, float | None]:
    """State and value of a trial for optuna; a failed trial is worse than any other."""
    from optuna.trial import TrialState

    if trial.state is State.RUNNING:
        return TrialState.RUNNING, None
    if trial.state is State.PRUNED:
        return TrialState.FAIL, None
    finite = trial.state is State.DONE and math.isfinite(trial.loss)
    return TrialState.COMPLETE, trial.loss if finite else math.inf


def _distribution(hp: Any) -> Any:
    """The optuna distribution of a hyperparameter; levels are drawn by their place."""
    from ConfigSpace import OrdinalHyperparameter
    from ConfigSpace.hyperparameters import IntegerHyperparameter
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if options := choices(hp):
        if isinstance(hp, OrdinalHyperparameter):
            return IntDistribution(0, len(options) - 1)
        return CategoricalDistribution(tuple(range(len(options))))
    log = bool(getattr(hp, "log", False))
    if isinstance(hp, IntegerHyperparameter):
        return IntDistribution(int(hp.lower), int(hp.upper), log=log)
    return FloatDistribution(float(hp.lower), float(hp.upper), log=log)
