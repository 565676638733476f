"""Runs that are ended early: a wrapper of any schedule that follows their learning curves.

Domhan, Springenberg & Hutter (2015), "Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by
Extrapolation of Learning Curves", IJCAI, section 4: a run ends when, after at least 30 % of it, the probability that it
will beat the best is below 5 %. There the optimizer is told the loss that is expected at the end; here it is told the
one that was reached, so that nothing that was only foretold is ever compared or recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from automl.search.curves.extrapolate import LEAST_POINTS
from automl.search.curves.forecast import Forecast, least_loss
from automl.search.history import History
from automl.search.trial import INITIAL_BRACKET, State, Trial

if TYPE_CHECKING:
    from automl.search.protocols import Optimizer
    from automl.search.trial import Proposal

LOOKS = (0.3, 0.4, 0.5, 0.7)
"""Shares of a full run after which a run is looked at. Each costs the loading and saving of a network."""
LEAST_CHANCE = 0.05
"""Chance to beat the best below which a run ends."""
CLOSE = 0.8
"""Ratio of two shares above which a step from one to the other is not worth its cost."""


@dataclass(frozen=True)
class Run:
    """A trial of the schedule, which the search ran in one step or several.

    Attributes
    ----------
    steps: trials of one configuration at one place of the schedule, each the parent of the next.
    share: of a full run, that the schedule asked for.
    """

    steps: tuple[Trial, ...]
    share: float

    @property
    def last(self) -> Trial:
        return self.steps[-1]

    @property
    def waits(self) -> bool:
        """Whether the last step has ended well and there are more to come."""
        return self.last.state is State.DONE and math.isfinite(self.last.loss) and self.last.budget < self.share


@dataclass(frozen=True)
class CurveStopping:
    """Cuts the runs of an optimizer into steps, and ends those that will hardly beat the best.

    The optimizer sees its own trials, whole: those under way as running, those ended early with the loss that they had
    reached, as finished. So brackets fill as ever, and a run that was ended climbs only where the others are worse.
    Rungs below 30 % of a full run are cheap, and compare by themselves: they are left as they are, as are initial
    configurations, which set the standard. What has been ended stays so, since the best only gets better; but where
    losses are below zero, later trials tell more of what a curve is worth (`Forecast`), and a run may be resumed.

    Attributes
    ----------
    share: (bracket, rung) -> share of a full run that the optimizer asks for there.
    seed: of the run.
    """

    optimizer: Optimizer
    share: Callable[[int, int], float]
    seed: int
    _forecast: Forecast = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_forecast", Forecast(self.seed))

    def ask(self, history: History) -> Proposal | None:
        runs, best = self._runs(history), least_loss(history)
        for run in runs:
            if run.waits and not self._hopeless(history, run, best):
                return replace(run.last.proposal, budget=self._after(history, run), parent=run.last.number)
        proposal = self.optimizer.ask(_seen(runs, history))
        if proposal is None or proposal.bracket == INITIAL_BRACKET:
            return proposal
        parent = None if proposal.parent is None else runs[proposal.parent].last
        budget = self._next(0.0 if parent is None else parent.budget, proposal.budget)
        return replace(proposal, budget=budget, parent=None if parent is None else parent.number)

    def _runs(self, history: History) -> list[Run]:
        """In the order of their first steps."""
        place: dict[int, int] = {}
        steps: list[list[Trial]] = []
        for trial in history:
            parent = None if trial.proposal.parent is None else history[trial.proposal.parent]
            if parent is not None and _place(parent) == _place(trial):
                place[trial.number] = place[parent.number]
                steps[place[trial.number]].append(trial)
            else:
                place[trial.number] = len(steps)
                steps.append([trial])
        return [Run(tuple(each), self._asked(each[0])) for each in steps]

    def _asked(self, first: Trial) -> float:
        bracket, rung = _place(first)
        return first.budget if bracket == INITIAL_BRACKET else self.share(bracket, rung)

    def _after(self, history: History, run: Run) -> float:
        """The share until which a run goes on: to the next look by which its curve can tell something."""
        if self._forecast(history, run.last) is not None:
            return self._next(run.last.budget, run.share)
        curve = run.last.result.curve
        return self._next(run.last.budget, run.share, LEAST_POINTS * curve[0][0] if curve else math.inf)

    def _next(self, done: float, share: float, least: float = 0.0) -> float:
        """The share until which a run is trained next, at least this one or the whole."""
        looks = (look for look in LOOKS if done <= CLOSE * look and look <= CLOSE * share and look >= least - 1e-9)
        return next(looks, share)

    def _hopeless(self, history: History, run: Run, best: float) -> bool:
        if any(step.loss <= best for step in run.steps):
            return False
        forecast = self._forecast(history, run.last)
        return forecast is not None and forecast.below(best) < LEAST_CHANCE


def _place(trial: Trial) -> tuple[int, int]:
    return trial.proposal.bracket, trial.proposal.rung


def _seen(runs: list[Run], history: History) -> History:
    """What the optimizer knows: a trial a run, at the share that it asked for."""
    number = {step.number: k for k, run in enumerate(runs) for step in run.steps}
    trials = []
    for k, run in enumerate(runs):
        first, last = run.steps[0], run.last
        parent = first.proposal.parent
        proposal = replace(first.proposal, budget=run.share, parent=None if parent is None else number[parent])
        cost = sum(step.cost for step in run.steps)
        trials.append(Trial(k, proposal, first.seed, replace(last.result, cost=cost)))
    return replace(history, trials=tuple(trials))
