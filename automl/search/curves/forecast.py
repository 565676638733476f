"""What the run of a trial will come to, in the unit of its loss, from the curve that the history holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from automl.search.curves.extrapolate import Extrapolation, extrapolate
from automl.search.trial import State

if TYPE_CHECKING:
    from automl.search.history import History
    from automl.search.trial import Result, Trial

Curve = tuple[tuple[float, float], ...]


def curve_of(history: History, trial: Trial) -> Curve:
    """(share of a full run, loss) points up to the end of a finished trial, in the unit of its loss.

    Networks leave a curve of what they were trained on (the log loss), while trials are compared by the metric: the
    loss is taken to fall in proportion to the curve, so that its least value becomes the loss. Trials that leave no
    curve have one point each: the trial itself and those that it continues.
    """
    trained = [(share, value) for share, value in trial.result.curve if math.isfinite(value)]
    if trained:
        least = min(value for _, value in trained)
        if least > 0 and trial.loss > 0:
            return tuple((share, value * trial.loss / least) for share, value in trained)
        return tuple((share, value + trial.loss - least) for share, value in trained)
    points = []
    at: Trial | None = trial
    while at is not None:
        if at.state is State.DONE and math.isfinite(at.loss):
            points.append((at.budget, at.loss))
        at = None if at.proposal.parent is None else history[at.proposal.parent]
    return tuple(reversed(points))


def least_loss(history: History) -> float:
    """Of the trials that finished, whatever their budget; infinite before there is one."""
    return min((t.loss for t in history.done), default=math.inf)


@dataclass
class Forecast:
    """The least loss until the end of a full run: a function of history and trial, kept for speed only.

    Attributes
    ----------
    seed: with the trial's number, of the random numbers; of the run.
    """

    seed: int
    _kept: dict[int, tuple[Result, Extrapolation | None]] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, history: History, trial: Trial) -> Extrapolation | None:
        """None where the curve is too short to tell."""
        kept = self._kept.get(trial.number)
        if kept is None or kept[0] != trial.result:
            rng = np.random.default_rng([self.seed, trial.number])
            kept = trial.result, extrapolate(curve_of(history, trial), 1.0, rng)
            self._kept[trial.number] = kept
        return kept[1]
