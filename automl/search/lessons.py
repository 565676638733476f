"""What a method may learn from a history, and how it folds it into a state without keeping one of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from automl.search.trial import State

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

S = TypeVar("S")


def lessons(history: History, least: int = 1) -> tuple[Trial, ...]:
    """Trials that have ended, failed ones included, at the largest budget where at least so many have a loss.

    Pruned trials do not count: they were cut off or never run.
    """
    counts: dict[float, int] = {}
    for trial in history.done:
        counts[trial.budget] = counts.get(trial.budget, 0) + 1
    budget = max((b for b, n in counts.items() if n >= least), default=None)
    return tuple(t for t in history if t.budget == budget and t.state not in (State.RUNNING, State.PRUNED))


def losses(trials: Sequence[Trial]) -> np.ndarray:
    """(n,) losses; those of failed trials are the worst finite one. At least one must be finite."""
    values = np.array([t.loss if t.state is State.DONE else math.inf for t in trials])
    return np.where(np.isfinite(values), values, values[np.isfinite(values)].max())


def log_scaled(values: np.ndarray) -> np.ndarray:
    """(n,) losses on a logarithmic scale above their least, so that models tell good ones apart rather than bad ones.

    The least lies a fifth of the way to the median below itself (compare the log-scaled costs of SMAC3).
    """
    above = values - values.min()
    reach = float(np.median(above)) or float(above.max()) or 1.0
    return np.log(above / reach + 0.2)


def standardised(values: np.ndarray) -> np.ndarray:
    """(n,) values with mean 0 and standard deviation 1; all 0 where they are equal."""
    spread = values.std()
    return (values - values.mean()) / (spread if spread > 0 else 1.0)


@dataclass
class Replay(Generic[S]):
    """The state of a method after batches of trials, computed from the history and kept for speed only.

    Attributes
    ----------
    start: the state before any trial, called with the space and random numbers.
    step: the state after one more batch; must not change the state that it is given.
    batch: trials a step; a batch that is not full waits.
    """

    start: Callable[[ConfigurationSpace, np.random.Generator], S]
    step: Callable[[ConfigurationSpace, S, Sequence[Trial], np.random.Generator], S]
    batch: int = 1
    _space: ConfigurationSpace | None = field(default=None, init=False, repr=False, compare=False)
    _seed: int = field(default=0, init=False, repr=False, compare=False)
    _trials: tuple[Trial, ...] = field(default=(), init=False, repr=False, compare=False)
    _state: S | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, space: ConfigurationSpace, trials: Sequence[Trial], seed: int) -> S:
        """The state after the full batches of `trials`.

        Parameters
        ----------
        seed: with the number of a batch, of the random numbers of its step.
        """
        used = tuple(trials[: len(trials) // self.batch * self.batch])
        known = len(self._trials)
        continued = self._space is space and self._seed == seed and known <= len(used) and used[:known] == self._trials
        state, first = (self._state, known) if continued else (None, 0)
        if state is None:
            state = self.start(space, np.random.default_rng([seed, 0]))
        for at in range(first, len(used), self.batch):
            state = self.step(space, state, used[at : at + self.batch], np.random.default_rng([seed, 1 + at]))
        self._space, self._seed, self._trials, self._state = space, seed, used, state
        return state


def run_seed(history: History) -> int:
    """A seed that belongs to the run: that of its first trial; 0 before there is one."""
    return history[0].seed if len(history) else 0
