"""Bounded least squares of many small curves at once: Levenberg & Marquardt's method, projected onto the bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.search.curves.families import MOST, CurveFamily, Floats, bounded

STEP = 1e-6
"""Of the forward differences, relative to a parameter (absolute below .01)."""
UNITS = np.concatenate([np.zeros((1, MOST)), np.eye(MOST)])
"""The parameters as they are, and each moved in turn."""
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-9, 1e9


@dataclass(frozen=True)
class Problem:
    """Curves of one family to be fitted at the same times.

    Attributes
    ----------
    start: (b, p) parameters within the bounds.
    low, high: (p,) bounds.
    targets: (b, n) values to be met.
    """

    family: CurveFamily
    start: Floats
    low: Floats
    high: Floats
    targets: Floats


def least_squares(
    problems: Sequence[Problem], times: Floats, weights: Floats, steps: int
) -> list[tuple[Floats, Floats]]:
    """(b, p) parameters and (b,) weighted sums of squared residuals of each problem, after this many steps.

    All problems advance in one batch, padded to the most parameters: a fit of one curve takes a few operations of NumPy
    a step rather than some for each family and start.

    Parameters
    ----------
    times: (n,), at least 1. weights: (n,) of the squared residuals.
    """
    batch = _Batch(problems, times)
    theta = batch.start
    damping = np.full(len(theta), FIRST_DAMPING)
    residuals, jacobian = batch.linearised(theta)
    costs = residuals**2 @ weights
    diagonal = np.arange(MOST)
    for _ in range(steps):
        weighted = jacobian * weights
        normal = weighted @ jacobian.transpose(0, 2, 1)
        downhill = (weighted @ residuals[:, :, None])[:, :, 0]
        # A parameter at a bound that would leave it is held, so that the others see the right step.
        held = batch.absent | ((theta <= batch.low) & (downhill < 0)) | ((theta >= batch.high) & (downhill > 0))
        free = ~held
        normal *= free[:, :, None] & free[:, None, :]
        scale = normal[:, diagonal, diagonal]
        normal[:, diagonal, diagonal] += np.where(held, 1.0, damping[:, None] * scale + 1e-12)
        step = np.linalg.solve(normal, (downhill * free)[:, :, None])[:, :, 0]
        tried = np.clip(theta + step, batch.low, batch.high)
        tried_residuals, tried_jacobian = batch.linearised(tried)
        tried_costs = tried_residuals**2 @ weights
        better = tried_costs < costs
        theta, costs = np.where(better[:, None], tried, theta), np.where(better, tried_costs, costs)
        residuals = np.where(better[:, None], tried_residuals, residuals)
        jacobian = np.where(better[:, None, None], tried_jacobian, jacobian)
        damping = np.clip(damping * np.where(better, 0.2, 5.0), LEAST_DAMPING, MOST_DAMPING)
    return [(theta[at, : p.start.shape[1]], costs[at]) for p, at in zip(batch.problems, batch.places, strict=True)]


class _Batch:
    """The problems as one, and where each stands in it."""

    def __init__(self, problems: Sequence[Problem], times: Floats) -> None:
        self.problems, self.times, self.log = problems, times, np.log(times)
        ends = np.cumsum([len(p.start) for p in problems])
        self.places = [slice(end - len(p.start), end) for p, end in zip(problems, ends, strict=True)]
        self.start, self.low, self.high = (np.zeros((ends[-1], MOST)) for _ in range(3))
        self.absent = np.ones((ends[-1], MOST), dtype=bool)
        for problem, at in zip(problems, self.places, strict=True):
            count = problem.start.shape[1]
            self.start[at, :count], self.absent[at, :count] = problem.start, False
            self.low[at, :count], self.high[at, :count] = problem.low, problem.high
        self.targets = np.concatenate([p.targets for p in problems])

    def linearised(self, theta: Floats) -> tuple[Floats, Floats]:
        """(b, n) residuals, and (b, MOST, n) derivatives of the curves by their parameters."""
        moves = STEP * np.maximum(np.abs(theta), 1e-2)
        moves = np.where(theta + moves > self.high, -moves, moves)
        near = theta[:, None, :] + UNITS * moves[:, None, :]
        found = np.zeros((len(theta), MOST + 1, len(self.times)))
        with np.errstate(all="ignore"):
            for problem, at in zip(self.problems, self.places, strict=True):
                count = problem.start.shape[1]
                columns = near[at, : count + 1, :count].reshape(-1, count).T[:, :, None]
                values = problem.family.value(*columns, self.times, self.log)
                found[at, : count + 1] = values.reshape(-1, count + 1, len(self.times))
        found = bounded(found)
        slopes = (found[:, 1:] - found[:, :1]) / moves[:, :, None]
        slopes[self.absent] = 0.0
        return self.targets - found[:, 0], slopes
