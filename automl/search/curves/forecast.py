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
    """(share of a full run, value) points up to the end of a finished trial.

    Networks leave a curve of what they were trained on, the log loss or the squared error, in its own unit. Trials that
    leave none have one point each, of their losses: the trial itself and those that it continues.
    """
    trained = _trained(trial)
    if trained:
        return trained
    points = []
    at: Trial | None = trial
    while at is not None:
        if at.state is State.DONE and math.isfinite(at.loss):
            points.append((at.budget, at.loss))
        at = None if at.proposal.parent is None else history[at.proposal.parent]
    return tuple(reversed(points))


def exchange_rate(history: History) -> float:
    """What losses differ by where curves end one apart: the ratio of the median deviations of the two over all trials.

    1 while they tell nothing: there are fewer than two trials, or all are alike.
    """
    pairs = [(_least(_trained(t)), t.loss) for t in history.done if _trained(t)]
    if not pairs:
        return 1.0
    curves, losses = (float(np.median(np.abs(each - np.median(each)))) for each in np.array(pairs).T)
    return losses / curves if curves > 0 and losses > 0 else 1.0


def least_loss(history: History) -> float:
    """Of the trials that finished, whatever their budget; infinite before there is one."""
    return min((t.loss for t in history.done), default=math.inf)


@dataclass
class Forecast:
    """The least loss until the end of a full run: a function of history and trial, kept for speed only.

    Trials are compared by the metric, not by what networks are trained on. The loss is taken to fall in proportion to
    the curve, so that the curve's least value is the loss that was reached. Where one of the two is not above zero, as
    the negated score of a user's own metric, there are no proportions: the loss then falls at the `exchange_rate`, and
    not below zero while no trial's has.

    Attributes
    ----------
    seed: with the trial's number, of the random numbers; of the run.
    """

    seed: int
    _kept: dict[int, tuple[Result, Extrapolation | None]] = field(default_factory=dict, repr=False, compare=False)
    _exchange: tuple[History, float, float] | None = field(default=None, repr=False, compare=False)

    def __call__(self, history: History, trial: Trial) -> Extrapolation | None:
        """None where the curve is too short to tell."""
        kept = self._kept.get(trial.number)
        if kept is None or kept[0] != trial.result:
            rng = np.random.default_rng([self.seed, trial.number])
            kept = trial.result, extrapolate(curve_of(history, trial), 1.0, rng)
            self._kept[trial.number] = kept
        trained, found = _trained(trial), kept[1]
        if found is None or not trained:
            return found
        least = _least(trained)
        if min(least, trial.loss) > 0:
            return Extrapolation(found.samples * (trial.loss / least))
        if self._exchange is None or self._exchange[0] is not history:  # what it costs grows with the history
            floor = 0.0 if least_loss(history) >= 0 else -math.inf
            self._exchange = history, exchange_rate(history), floor
        _, rate, floor = self._exchange
        return Extrapolation(np.maximum(trial.loss + rate * (found.samples - least), floor))


def _trained(trial: Trial) -> Curve:
    return tuple((share, value) for share, value in trial.result.curve if math.isfinite(value))


def _least(curve: Curve) -> float:
    return min(value for _, value in curve)
