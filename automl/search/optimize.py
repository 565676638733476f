"""`optimize`: any method of the catalogue on anyone's own objective."""

from __future__ import annotations

import inspect
import math
import os
import secrets
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from ConfigSpace import ConfigurationSpace

from automl.errors import SearchFailed, SettingError
from automl.search.catalogue import STOPPING, build, method_named
from automl.search.draw import check_config, check_space
from automl.search.history import History
from automl.search.journal import Journal, fingerprint, opened, qualified_name, space_text
from automl.search.loop import Search
from automl.search.report import failure_report
from automl.search.trial import Configuration, Lineage, Proposal, Result, State, Trial

if TYPE_CHECKING:
    from automl.runners.inline import InlineRunner
    from automl.runners.processes import ProcessRunner
    from metalearn import Store

Objective = Callable[..., float]
"""(configuration, budget in the user's unit, seed) -> loss, lower is better."""


def optimize(
    objective: Objective,
    space: ConfigurationSpace,
    *,
    method: str = "bohb",
    n_trials: int | None = None,
    total_budget: float | None = None,
    time_limit: float | None = None,
    min_budget: float = 1,
    max_budget: float = 1,
    eta: int = 3,
    seed: int | None = None,
    n_jobs: int = 1,
    initial: Sequence[Configuration] = (),
    store: str | Store | None = None,
) -> History:
    """Minimise an objective over a space; every trial made is in the history returned.

    Parameters
    ----------
    objective: called as `objective(config, budget, seed)`, returns the loss. `config` holds the active
        hyperparameters as native values, `budget` is in [min_budget, max_budget]. One that raises, or returns
        anything but a finite or infinite number, makes a CRASHED trial; the search goes on. One that has a parameter
        `lineage` is also given `lineage=Lineage(number, parent)`: the trial's number, under which it may keep what it
        has trained, and that of the trial whose weights it may begin with, or None. Methods that inherit name one.
    method: a name of `automl.search.catalogue.METHODS`.
    n_trials: trials in all, >= 1.
    total_budget: sum of the budgets of all trials, in the unit of `max_budget` (10 full runs of 27 epochs are 270).
    time_limit: seconds for the whole call. Trials that still run then are cut off; with n_jobs=1 the objective,
        which cannot be killed, runs to its end in the background. At least one of the three limits is needed.
    min_budget, max_budget: least and full budget, in the user's unit (epochs, rows, …), 0 < min <= max.
    eta: factor between the budgets of multi-fidelity methods, a whole number >= 2.
    seed: with `n_trials` or `total_budget`, the same seed and n_jobs give the same trials, bit for bit. None draws
        one; with a store, it takes one that is fixed by the other settings, so that the same call resumes.
    n_jobs: trials at once, >= 1. One runs in a thread of this process, more run in processes of their own.
    initial: configurations to try first, at the full budget.
    store: a `metalearn.Store` or the URL of one. There the run is kept, and a call that was killed or interrupted
        is resumed by the same call; limits may differ.

    Returns
    -------
    The history; `history.best` is the best trial, `history.frame()` a table. After Ctrl-C, the trials so far.

    Raises
    ------
    SettingError: a value breaks a rule; nothing has run.
    SearchFailed: no trial succeeded; holds the causes by number and the first traceback.
    """
    limits = (n_trials, total_budget, time_limit)
    return _Call(objective, space, method, *limits, min_budget, max_budget, eta, seed, n_jobs, tuple(initial)).run(
        store
    )


@dataclass(frozen=True)
class _Call:
    """The arguments of `optimize`, checked when `run` begins."""

    objective: Objective
    space: ConfigurationSpace
    method: str
    n_trials: int | None
    total_budget: float | None
    time_limit: float | None
    min_budget: float
    max_budget: float
    eta: int
    seed: int | None
    n_jobs: int
    initial: tuple[Configuration, ...]

    def run(self, store: str | Store | None) -> History:
        start = time.monotonic()
        self.check()
        identity = self.identity()
        seed = self.seed
        if seed is None:
            seed = secrets.randbits(32) if store is None else int(identity[:8], 16)
        share = self.min_budget / self.max_budget
        optimizer = build(self.method, self.space, seed=seed, min_share=share, eta=self.eta, initial=self.initial)
        with ExitStack() as stack:
            held = stack.enter_context(opened(store))
            journal = None
            if held is not None:
                journal = self._journal(held, identity, seed)
                stack.enter_context(held.sole(journal.run_id))
            runner = _runner(_Target(self.objective, self.max_budget, _takes_lineage(self.objective)), self.n_jobs)
            stack.callback(runner.close)
            search = Search(
                optimizer,
                runner,
                seed=seed,
                history=History(max_budget=self.max_budget) if journal is None else journal.history(self.max_budget),
                n_trials=self.n_trials,
                total_budget=None if self.total_budget is None else self.total_budget / self.max_budget,
                deadline=None if self.time_limit is None else start + self.time_limit,
                ordered=self.n_trials is not None or self.total_budget is not None,
                lookahead=method_named(self.method).lookahead,
                record=_ignore if journal is None else journal.record,
                predict=expected_seconds,
            )
            history = search.run()
            if journal is not None and not search.interrupted:
                journal.finish()
        if not history.done and not search.interrupted:
            raise SearchFailed(failure_report(history))
        return history

    def check(self) -> None:
        """SettingError for the first argument that breaks its rule."""
        if not callable(self.objective):
            raise SettingError(
                f"objective is {self.objective!r}; it must be callable as objective(config, budget, seed)"
            )
        if not isinstance(self.space, ConfigurationSpace):
            raise SettingError(f"space is {self.space!r}; it must be a ConfigSpace.ConfigurationSpace")
        check_space(self.space)
        if method_named(self.method).stops:
            raise SettingError(
                f"method {self.method!r} needs learning curves, which an objective leaves none of; "
                f"take {self.method.removesuffix(STOPPING)!r}"
            )
        if self.n_trials is None and self.total_budget is None and self.time_limit is None:
            raise SettingError(
                "n_trials, total_budget and time_limit are all None, so the search would never end; give at least one"
            )
        for name, count in {"n_trials": self.n_trials, "n_jobs": self.n_jobs}.items():
            if count is not None and (not _whole(count) or count < 1):
                raise SettingError(f"{name} is {count!r}; it must be a whole number of at least 1")
        for name in ("total_budget", "time_limit", "min_budget", "max_budget"):
            amount = getattr(self, name)
            optional = name in ("total_budget", "time_limit")
            if not (amount is None and optional) and not (_number(amount) and 0 < amount < math.inf):
                raise SettingError(f"{name} is {amount!r}; it must be a finite number above 0")
        if self.min_budget > self.max_budget:
            raise SettingError(f"min_budget {self.min_budget!r} is above max_budget {self.max_budget!r}; swap them")
        if self.seed is not None and (not _whole(self.seed) or not 0 <= self.seed < 2**63):
            raise SettingError(f"seed is {self.seed!r}; it must be a whole number in [0, 2**63), or None to draw one")

    def identity(self) -> str:
        """Equal for the calls that may resume each other: limits may differ."""
        return fingerprint(
            {
                "objective": qualified_name(self.objective),
                "space": space_text(self.space),
                "method": self.method,
                "budgets": [self.min_budget, self.max_budget, self.eta],
                "seed": self.seed,
                "initial": [check_config(self.space, config) for config in self.initial],
            }
        )

    def _journal(self, store: Store, identity: str, seed: int) -> Journal:
        settings = {"min_budget": self.min_budget, "max_budget": self.max_budget, "eta": self.eta}
        text = space_text(self.space)
        return Journal(store, identity, space=text, method=self.method, seed=seed, settings=settings)


@dataclass(frozen=True)
class _Target:
    """An objective as what a runner runs."""

    objective: Objective
    max_budget: float
    tells: bool = False

    def __call__(self, trial: Trial) -> Result:
        start = time.perf_counter()
        told = {"lineage": Lineage(trial.number, trial.proposal.parent)} if self.tells else {}
        budget = budget_in_units(self.max_budget, trial.budget)
        loss: Any = self.objective(dict(trial.config), budget, trial.seed, **told)
        if not _number(loss) or math.isnan(loss):
            raise ValueError(f"the objective returned {loss!r}; it must return the loss as a number that is not NaN")
        return Result(State.DONE, float(loss), time.perf_counter() - start)


def _takes_lineage(objective: Objective) -> bool:
    try:
        return "lineage" in inspect.signature(objective).parameters
    except ValueError:  # of a built-in function without a signature
        return False


def budget_in_units(max_budget: float, share: float) -> float:
    """A share 1/k of the full budget in the user's unit, rounded once: 1/81 of 729 is exactly 9."""
    inverse = round(1 / share)
    exact = math.isclose(share * inverse, 1, rel_tol=1e-12)
    return max_budget / inverse if exact else max_budget * share


def expected_seconds(history: History, proposal: Proposal) -> float | None:
    """Median cost of the finished trials at the budget of the proposal; None before there is one."""
    costs = [t.cost for t in history.done if t.budget == proposal.budget]
    return statistics.median(costs) if costs else None


def _ignore(trial: Trial) -> None:
    """Record nothing."""


def _runner(target: _Target, n_jobs: int) -> InlineRunner | ProcessRunner:
    if n_jobs == 1:
        from automl.runners.inline import InlineRunner

        return InlineRunner(target)
    from automl.runners.processes import ProcessRunner

    return ProcessRunner(target, n_jobs=n_jobs, threads=max(1, (os.cpu_count() or 1) // n_jobs))


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
