"""A few configurations that together do well on all past tasks (Xu, Hoos & Leyton-Brown 2010; auto-sklearn 2.0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def standings(losses: Floats) -> Floats:
    """Losses (configurations, tasks) as the share of a task's measured configurations that are better, in [0, 1].

    Ranks, since a share of the way from the best to the worst loss says little where one configuration failed badly: on
    tables left out, portfolios of ranks were better. What was not measured (NaN) or did not succeed (infinite) has 1.
    """
    measured = np.isfinite(losses)
    finite = np.where(measured, losses, np.inf)
    better = rankdata(finite, method="min", axis=0) - 1
    return np.where(measured, better / np.maximum(measured.sum(axis=0), 1), 1.0)


def greedy_portfolio(losses: Floats, size: int) -> list[int]:
    """Rows of the configurations that improve the standing of the best one on each task most, one after another.

    The sum over tasks of the best standing is submodular in the portfolio, so that its decrease is at least 63 % of
    what the best portfolio of that size reaches (Nemhauser, Wolsey & Fisher 1978). Of equal ones the first is taken.

    Parameters
    ----------
    losses: (configurations, tasks), NaN where not measured.
    size: entries at most; fewer where nothing more can be gained.

    Examples
    --------
    >>> greedy_portfolio(np.array([[0.0, 9.0], [8.0, 0.0], [1.0, 1.0]]), 2)
    [0, 1]
    """
    standing = standings(losses)
    best, chosen = np.ones(standing.shape[1]), list[int]()
    for _ in range(min(size, len(standing))):
        sums = np.minimum(best, standing).sum(axis=1)
        pick = int(np.argmin(sums))
        if sums[pick] >= best.sum() - 1e-12:
            break
        chosen.append(pick)
        best = np.minimum(best, standing[pick])
    return chosen
