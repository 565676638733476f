"""Bounded least squares of many small curves at once: Levenberg & Marquardt's method, projected onto the bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.search.curves.families import MOST, CurveFamily, Floats

STEP = 1e-6
"""Of the forward differences, relative to a parameter (absolute below .01)."""
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
    times: (n,), at least 1. weights: (n,) of the squared residuals, or one row a problem's curve (b, n).
    """
    sizes = [len(p.start) for p in problems]
    cuts = np.cumsum(sizes)[:-1]
    theta, low, high = (np.concatenate([_padded(part(p)) for p in problems]) for part in (_start, _low, _high))
    targets = np.concatenate([p.targets for p in problems])
    absent = np.concatenate([np.tile(np.arange(MOST) >= p.start.shape[1], (len(p.start), 1)) for p in problems])
    damping = np.full(len(theta), FIRST_DAMPING)
    residuals, jacobian = _linearised(problems, theta, cuts, high, times, targets)
    costs = (weights * residuals**2).sum(axis=1)
    diagonal = np.arange(MOST)
    for _ in range(steps):
        weighted = jacobian * weights[..., None, :]
        normal = weighted @ jacobian.transpose(0, 2, 1)
        downhill = (weighted @ residuals[..., None])[..., 0]
        # A parameter at a bound that would leave it is held, so that the others see the right step.
        held = absent | ((theta <= low) & (downhill < 0)) | ((theta >= high) & (downhill > 0))
        normal = np.where(held[:, :, None] | held[:, None, :], 0.0, normal)
        scale = normal[:, diagonal, diagonal]
        normal[:, diagonal, diagonal] += np.where(held, 1.0, damping[:, None] * scale + 1e-12)
        step = np.linalg.solve(normal, np.where(held, 0.0, downhill)[..., None])[..., 0]
        tried = np.clip(theta + step, low, high)
        tried_residuals, tried_jacobian = _linearised(problems, tried, cuts, high, times, targets)
        tried_costs = (weights * tried_residuals**2).sum(axis=1)
        better = tried_costs < costs
        theta, costs = np.where(better[:, None], tried, theta), np.where(better, tried_costs, costs)
        residuals = np.where(better[:, None], tried_residuals, residuals)
        jacobian = np.where(better[:, None, None], tried_jacobian, jacobian)
        damping = np.clip(damping * np.where(better, 0.2, 5.0), LEAST_DAMPING, MOST_DAMPING)
    return [
        (each[:, : p.start.shape[1]], cost)
        for p, each, cost in zip(problems, np.split(theta, cuts), np.split(costs, cuts), strict=True)
    ]


def _linearised(
    problems: Sequence[Problem], theta: Floats, cuts: Floats, high: Floats, times: Floats, targets: Floats
) -> tuple[Floats, Floats]:
    """(b, n) residuals, and (b, MOST, n) derivatives of the curves by their parameters, of all problems."""
    moves = STEP * np.maximum(np.abs(theta), 1e-2)
    moves = np.where(theta + moves > high, -moves, moves)
    values, derivatives = [], []
    for problem, at, move in zip(problems, np.split(theta, cuts), np.split(moves, cuts), strict=True):
        count = problem.start.shape[1]
        at, move = at[:, :count], move[:, :count]
        near = at[:, None, :] + np.concatenate([np.zeros((1, count)), np.eye(count)]) * move[:, None, :]
        found = problem.family(near.reshape(-1, count), times).reshape(len(at), count + 1, -1)
        slopes = np.zeros((len(at), MOST, len(times)))
        slopes[:, :count] = (found[:, 1:] - found[:, :1]) / move[:, :, None]
        values.append(found[:, 0])
        derivatives.append(slopes)
    return targets - np.concatenate(values), np.concatenate(derivatives)


def _padded(rows: Floats) -> Floats:
    return np.pad(rows, ((0, 0), (0, MOST - rows.shape[1])))


def _start(problem: Problem) -> Floats:
    return problem.start


def _low(problem: Problem) -> Floats:
    return np.tile(problem.low, (len(problem.start), 1))


def _high(problem: Problem) -> Floats:
    return np.tile(problem.high, (len(problem.start), 1))
