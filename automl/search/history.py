"""The history: all trials so far. Every optimizer is a function of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from automl.errors import AutoNetError
from automl.search.rank_correlation import RankCorrelation, rank_correlations
from automl.search.trial import RUNNING, State, Trial

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class History:
    """Trials in the order of their numbers; `trials[i].number == i`.

    Attributes
    ----------
    trials: all trials asked so far, running ones included.
    max_budget: what a share of 1 means in the user's unit (epochs, rows, …).
    """

    trials: tuple[Trial, ...] = ()
    max_budget: float = 1.0

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __getitem__(self, number: int) -> Trial:
        return self.trials[number]

    @cached_property
    def done(self) -> tuple[Trial, ...]:
        """Trials that finished with a finite loss."""
        return tuple(t for t in self.trials if t.state is State.DONE and math.isfinite(t.loss))

    @cached_property
    def running(self) -> tuple[Trial, ...]:
        return tuple(t for t in self.trials if t.state is State.RUNNING)

    @cached_property
    def best(self) -> Trial:
        """Trial of least loss among those at the largest budget that has any; the earliest on ties."""
        if not self.done:
            raise AutoNetError(f"no trial of {len(self)} has finished: there is no best one yet")
        top = max(t.budget for t in self.done)
        return min((t for t in self.done if t.budget == top), key=lambda t: (t.loss, t.number))

    def at_budget(self, budget: float) -> tuple[Trial, ...]:
        """Finished trials (also failed ones) at exactly this share."""
        return tuple(t for t in self.trials if t.budget == budget and t.state is not State.RUNNING)

    def put(self, *trials: Trial) -> History:
        """A history with these trials added, or replaced where their number is present."""
        new = list(self.trials)
        for trial in trials:
            if trial.number == len(new):
                new.append(trial)
            else:
                new[trial.number] = trial
        return replace(self, trials=tuple(new))

    def as_of(self, number: int, lag: int) -> History:
        """What trial `number` may know: the trials before it, the last `lag` of them shown as running.

        This makes a parallel search a function of its seed: results count in the order of the numbers,
        not in the order in which they happened to arrive.
        """
        known = number - lag
        trials = (t if t.number < known else replace(t, result=RUNNING) for t in self.trials[:number])
        return replace(self, trials=tuple(trials))

    def rank_correlations(self) -> tuple[RankCorrelation, ...]:
        """How well each rung has foretold full training, the smallest budget first."""
        return rank_correlations(self.trials)

    def frame(self) -> pd.DataFrame:
        """One row a trial: number, state, budget (in the user's unit), loss, cost (s), bracket, rung, config…"""
        import pandas as pd

        rows: Iterable[dict[str, object]] = (
            {
                "number": t.number,
                "state": t.state.value,
                "budget": t.budget * self.max_budget,
                "loss": t.loss,
                "cost": t.cost,
                "bracket": t.proposal.bracket,
                "rung": t.proposal.rung,
                **t.config,
            }
            for t in self.trials
        )
        return pd.DataFrame(list(rows))
