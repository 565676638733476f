"""Freeze-thaw: the run that promises most for its next step goes on, or a new one begins.

Swersky, Snoek & Adams (2014), "Freeze-Thaw Bayesian Optimization", arXiv:1406.3896. There a Gaussian process over
configurations and time predicts where runs lead, and entropy search chooses; here an ensemble of parametric curves
predicts, and the expected improvement on the best loss is compared, divided by the steps that are left until then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from automl.search.curves.forecast import Forecast, least_loss
from automl.search.draw import fresh
from automl.search.trial import Proposal

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.protocols import Sampler
    from automl.search.trial import Trial

MOST_STEPS = 9
"""Steps of a full run at most."""
BEGUN = 4
"""Runs that begin before any goes on."""


@dataclass(frozen=True)
class FreezeThaw:
    """A basket of runs, each frozen after every step.

    Attributes
    ----------
    min_share: least share of a full run that a trial may get, in (0, 1].
    """

    space: ConfigurationSpace
    sampler: Sampler
    seed: int
    min_share: float
    _forecast: Forecast = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_forecast", Forecast(self.seed))

    def ask(self, history: History) -> Proposal:
        steps = max(1, min(MOST_STEPS, int(1 / self.min_share + 1e-9)))
        continued = {t.proposal.parent for t in history}
        ends = [t for t in history.done if t.number not in continued]
        frozen = [t for t in ends if t.budget < 1]
        begun = sum(t.proposal.parent is None for t in history)
        if frozen and begun >= BEGUN:
            best = least_loss(history)
            new = self._new(history, ends, best) / steps
            promises = [self._promise(history, t, best, new * steps) / _left(t, steps) for t in frozen]
            first = int(np.argmax(promises))
            if promises[first] > new:
                trial = frozen[first]
                return Proposal(trial.config, _next_share(trial, steps), parent=trial.number)
        rng = np.random.default_rng([self.seed, len(history)])
        return Proposal(fresh(self.sampler, self.space, history, rng), 1 / steps)

    def _promise(self, history: History, trial: Trial, best: float, new: float) -> float:
        """Expected improvement on the best loss by a frozen run that goes on to its end.

        One of which nothing can be told yet promises what a new one does, if it is in the better half of its age.
        """
        forecast = self._forecast(history, trial)
        if forecast is not None:
            return forecast.improvement(best)
        peers = [t.loss for t in history.done if t.budget == trial.budget]
        return new if trial.loss <= float(np.median(peers)) else 0.0

    def _new(self, history: History, ends: list[Trial], best: float) -> float:
        """Expected improvement on the best loss by a new run, by where the others lead.

        Their median and how far the better half lies below it make a normal distribution; the worse half may be as bad
        as it likes.
        """
        from scipy.special import ndtr

        forecasts = [self._forecast(history, t) for t in ends]
        finals = np.array([t.loss if f is None else f.median for t, f in zip(ends, forecasts, strict=True)])
        middle = float(np.median(finals))
        spread = math.sqrt(float(np.mean((finals[finals <= middle] - middle) ** 2)))
        if spread == 0:
            return 0.0
        z = (best - middle) / spread
        return spread * (z * float(ndtr(z)) + math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi))


def _next_share(trial: Trial, steps: int) -> float:
    """The end of the next step, or of a later one if this would not train the network for an epoch more."""
    step, curve = steps - _left(trial, steps) + 1, trial.result.curve
    if curve:
        step = max(step, math.ceil(steps * (curve[-1][0] + curve[0][0]) - 1e-9))
    return min(step, steps) / steps


def _left(trial: Trial, steps: int) -> int:
    """Steps until the run of a trial is through."""
    return max(1, steps - round(trial.budget * steps))
