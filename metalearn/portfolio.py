"""A few configurations that together do well on all past tasks (Xu, Hoos & Leyton-Brown 2010; auto-sklearn 2.0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
OVERHEAD, DEAREST = 0.3, 10.0
"""What a trial costs beside its training, and what it counts as costing at most, in median trials of its task."""


def standings(losses: Floats) -> Floats:
    """Losses (configurations, tasks) as the share of a task's measured configurations that are better, in [0, 1].

    Ranks, since a share of the way from the best to the worst loss says little where one configuration failed badly: on
    tables left out, portfolios of ranks were better. What was not measured (NaN) or did not succeed (infinite) has 1.
    """
    measured = np.isfinite(losses)
    finite = np.where(measured, losses, np.inf)
    better = rankdata(finite, method="min", axis=0) - 1
    return np.where(measured, better / np.maximum(measured.sum(axis=0), 1), 1.0)


def relative_costs(costs: Floats) -> Floats:
    """(configurations,) mean cost of each in median trials of its task; that of a median one where not measured."""
    medians = np.array([np.median(c[c > 0]) if (c > 0).any() else np.nan for c in costs.T])
    with np.errstate(invalid="ignore"):
        shares = np.minimum(costs / medians, DEAREST)
    measured = np.isfinite(shares)
    return np.where(measured.any(axis=1), np.where(measured, shares, 0).sum(axis=1) / measured.sum(axis=1).clip(1), 1.0)


def greedy_portfolio(losses: Floats, size: int, costs: Floats | None = None) -> list[int]:
    """Rows of the configurations that improve the standing of the best one on each task most, one after another.

    With `costs`, those that improve it most for their cost. Where trials are paid by the second this is within a
    factor of four of the order with the least sum over time of what is still to gain (Feige, Lovász & Tetali 2004;
    Streeter & Golovin 2008); where they are counted, the order without costs is better.

    The sum over tasks of the best standing is submodular in the portfolio, so that its decrease is at least 63 % of
    what the best portfolio of that size reaches (Nemhauser, Wolsey & Fisher 1978). Of equal ones the first is taken.

    Parameters
    ----------
    losses: (configurations, tasks), NaN where not measured.
    size: entries at most; fewer where nothing more can be gained.
    costs: (configurations, tasks) seconds, NaN where not measured.

    Examples
    --------
    >>> greedy_portfolio(np.array([[0.0, 9.0], [8.0, 0.0], [1.0, 1.0]]), 2)
    [0, 1]
    """
    standing = standings(losses)
    price = np.ones(len(standing)) if costs is None else OVERHEAD + relative_costs(costs)
    best, chosen = np.ones(standing.shape[1]), list[int]()
    for _ in range(min(size, len(standing))):
        gains = best.sum() - np.minimum(best, standing).sum(axis=1)
        pick = int(np.argmax(gains / price))
        if gains[pick] <= 1e-12:
            break
        chosen.append(pick)
        best = np.minimum(best, standing[pick])
    return chosen
