"""A few configurations that together do well on all past tasks (Xu, Hoos & Leyton-Brown 2010; auto-sklearn 2.0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def regrets(losses: Floats) -> Floats:
    """Losses (configurations, tasks) as shares of the way from a task's best to its worst one, in [0, 1].

    What was not measured (NaN) or did not succeed (infinite) counts as the worst; so does all of a task without a loss.
    """
    finite = np.where(np.isfinite(losses), losses, np.nan)
    measured = ~np.isnan(finite).all(axis=0)
    least, most = np.zeros(losses.shape[1]), np.zeros(losses.shape[1])
    least[measured], most[measured] = np.nanmin(finite[:, measured], axis=0), np.nanmax(finite[:, measured], axis=0)
    spread = np.where(most > least, most - least, 1.0)
    return np.where(np.isnan(finite), 1.0, (finite - least) / spread)


def greedy_portfolio(losses: Floats, size: int) -> list[int]:
    """Rows of the configurations that lower the regret of the best one on each task most, one after another.

    The sum over tasks of the best regret is submodular in the portfolio, so that its decrease is at least 63 % of what
    the best portfolio of that size reaches (Nemhauser, Wolsey & Fisher 1978). Of equal ones the first is taken.

    Parameters
    ----------
    losses: (configurations, tasks), NaN where not measured.
    size: entries at most; fewer where nothing more can be gained.

    Examples
    --------
    >>> greedy_portfolio(np.array([[0.0, 9.0], [8.0, 0.0], [1.0, 1.0]]), 2)
    [2, 0]
    """
    regret = regrets(losses)
    best, chosen = np.ones(regret.shape[1]), list[int]()
    for _ in range(min(size, len(regret))):
        sums = np.minimum(best, regret).sum(axis=1)
        pick = int(np.argmin(sums))
        if sums[pick] >= best.sum() - 1e-12:
            break
        chosen.append(pick)
        best = np.minimum(best, regret[pick])
    return chosen
