"""What a learning curve will come to: an ensemble of parametric families, fitted in milliseconds.

Domhan, Springenberg & Hutter (2015), IJCAI. There the weights and parameters are drawn by MCMC; here each family is
fitted by bounded least squares from three starts, weighted by its BIC, and the residual bootstrap gives the spread.

A curve of losses falls, those of the families rise: a loss is mapped linearly so that the worst seen lies at .1 and the
best at .7, where the published start values are at home. What is predicted therefore scales and shifts with the losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.search.curves.families import FAMILIES, Floats
from automl.search.curves.least_squares import Problem, least_squares

LEAST_POINTS = 5
"""Points without which nothing is predicted: one more than a family has parameters."""
MOST_POINTS = 40
"""Points of a longer curve that are kept, evenly spread over it."""
WORST, BEST = 0.1, 0.7
"""Where the worst and the best loss of a curve lie on the scale of the families."""
GAIN = 2.0
"""What a run may still gain at most, as a multiple of what it has gained; no loss falls below zero if all lie above."""
STEEPEST = 20.0
"""What a curve may have fallen at most, as a multiple of its fall in its later half; earlier points are left out.
Beside a start that diverged, what followed would be too small to be seen, and the run would seem to stand still."""
STARTS = (1.0, 3.0, 1 / 3)
"""Factors of the start values, but of levels."""
STEPS, RESAMPLED_STEPS = 20, 3
"""Steps of the fits, and of those to resampled residuals, which start where the fit ended."""
SAMPLES = 100
EVIDENCE = 0.1
"""Of a point in the choice among families: neighbouring epochs err alike, so that ten tell no more than one."""
GAIN_SPREAD = 0.5
"""Standard deviation of the logarithm of the gain that is left, beside what the families disagree about: learning rates
fall, and no family knows. With `EVIDENCE` it was chosen so that intervals hold what they say on recorded curves
(tests/benchmarks/curves.py, by others than those that its table is about)."""
RECENT = 10.0
"""Weight of the last point in multiples of that of the first (Domhan et al., their code)."""


@dataclass(frozen=True)
class Extrapolation:
    """The distribution of the loss at a later time.

    Attributes
    ----------
    samples: (s,) equally likely losses, sorted.
    """

    samples: Floats

    @property
    def mean(self) -> float:
        return float(self.samples.mean())

    @property
    def median(self) -> float:
        return float(np.median(self.samples))

    def interval(self, share: float) -> tuple[float, float]:
        """The central interval that holds this share of the distribution."""
        low, high = np.quantile(self.samples, [(1 - share) / 2, (1 + share) / 2])
        return float(low), float(high)

    def below(self, loss: float) -> float:
        """Probability of a loss below this one."""
        return float(np.mean(self.samples < loss))

    def improvement(self, loss: float) -> float:
        """Expected improvement on this loss."""
        return float(np.maximum(loss - self.samples, 0.0).mean())


def extrapolate(curve: Sequence[tuple[float, float]], at: float, rng: np.random.Generator) -> Extrapolation | None:
    """The distribution of the least loss until a later time; None where there are too few points to tell.

    Parameters
    ----------
    curve: (time > 0, loss) in the order of time, in any units.
    at: the later time, in the same unit.
    """
    times, losses = np.array([point for point in curve if np.isfinite(point[1])]).reshape(-1, 2).T
    if len(times) < LEAST_POINTS:
        return None
    losses = np.minimum.accumulate(losses)
    late = losses[len(losses) // 2] - losses[-1]
    if late > 0:
        first = min(int(np.argmax(losses - losses[-1] <= STEEPEST * late)), len(losses) - LEAST_POINTS)
        times, losses = times[first:], losses[first:]
    if losses[0] == losses[-1]:
        return Extrapolation(np.full(SAMPLES, losses[-1]))
    if len(times) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(times) - 1, MOST_POINTS).round().astype(int))
        times, losses = times[kept], losses[kept]
    units = (BEST - WORST) / (losses[0] - losses[-1])
    values = WORST + units * (losses[0] - losses)
    top = BEST + GAIN * (BEST - WORST)
    if losses[-1] >= 0:
        top = min(top, WORST + units * losses[0])
    unit = times[0]
    top = max(top, BEST)
    gains = np.maximum(_sampled(times / unit, values, at / unit, top, rng) - BEST, 0.0)
    gains = np.minimum(gains * np.exp(GAIN_SPREAD * rng.normal(size=len(gains))), top - BEST)
    return Extrapolation(np.sort(losses[-1] - gains / units))


def _sampled(times: Floats, values: Floats, at: float, top: float, rng: np.random.Generator) -> Floats:
    """(s,) values at a later time, on the scale of the families."""
    weights = RECENT ** (np.arange(1, len(times) + 1) / len(times))
    weights /= weights.mean()
    problems = [_problem(k, values, top) for k in range(len(FAMILIES))]
    fits = least_squares(problems, times, weights, STEPS)
    best = [theta[int(np.argmin(costs))] for theta, costs in fits]
    errors = np.array([costs.min() for _, costs in fits])
    shares = _weights(errors, np.array([theta.shape[1] for theta, _ in fits]), len(times))
    counts = _counts(shares)
    later = np.array([at])
    resampled, found = [], []
    for k in np.flatnonzero(counts):
        centre = FAMILIES[k](best[k][None], times)
        # Residuals grow by what a fit of so many parameters takes from them.
        residuals = (values - centre[0]) * np.sqrt(weights)
        residuals *= np.sqrt(len(times) / max(len(times) - len(best[k]), 1))
        drawn = rng.choice(residuals, size=(counts[k], len(times))) / np.sqrt(weights)
        start = np.tile(best[k], (counts[k], 1))
        resampled.append(Problem(FAMILIES[k], start, problems[k].low, problems[k].high, centre + drawn))
        found.append(rng.choice(residuals, size=counts[k]) / np.sqrt(weights[-1]))
    refitted = least_squares(resampled, times, weights, RESAMPLED_STEPS)
    ends = [
        p.family(theta, later)[:, 0] + noise for p, (theta, _), noise in zip(resampled, refitted, found, strict=True)
    ]
    return np.minimum(np.concatenate(ends), top)


def _problem(number: int, values: Floats, top: float) -> Problem:
    family = FAMILIES[number]
    low, high, start = (np.array(each) for each in (family.low, family.high, family.start))
    factors = np.array(STARTS)[:, None] * np.ones(len(start))
    if family.level >= 0:
        low[family.level], high[family.level] = BEST - 0.05, top
        factors[:, family.level] = 1.0
    starts = np.clip(start * factors, low, high)
    return Problem(family, starts, low, high, np.tile(values, (len(starts), 1)))


def _weights(errors: Floats, parameters: Floats, points: int) -> Floats:
    """Shares of the families by their BIC."""
    bic = points * np.log(np.maximum(errors / points, 1e-10)) + parameters * np.log(points)
    shares: Floats = np.exp(-0.5 * EVIDENCE * (bic - bic.min()))
    return shares / shares.sum()


def _counts(shares: Floats) -> np.ndarray:
    """Samples of each family: in proportion to its share, the largest remainders rounded up."""
    exact = SAMPLES * shares
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: SAMPLES - counts.sum()]] += 1
    return counts
