"""Greedy ensemble selection (Caruana et al. 2004, Ensemble Selection from Libraries of Models)."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Predictions = NDArray[np.floating]


def greedy_weights(
    predictions: Predictions,
    loss: Callable[[Predictions], float],
    *,
    size: int,
    deadline: float | None = None,
) -> NDArray[np.float64]:
    """Weights of the models whose weighted mean has least loss, chosen one by one with replacement.

    The first choice is the best single model and the best prefix is returned, so that the result is never worse than
    the best single model on the rows given.

    Parameters
    ----------
    predictions: (models, rows, outputs).
    loss: of a (rows, outputs) prediction.
    size: choices, at least 1.
    deadline: `time.monotonic` value after which no further choice is begun; the best single model is always found.

    Returns
    -------
    (models,) non-negative weights that sum to 1.
    """
    models = len(predictions)
    single = np.array([loss(p) for p in predictions])
    counts = np.zeros(models)
    counts[int(single.argmin())] = 1
    best_loss, best_counts = float(single.min()), counts.copy()
    total = predictions[int(single.argmin())].copy()
    for chosen in range(2, size + 1):
        if deadline is not None and time.monotonic() >= deadline:
            break
        losses = [loss((total + p) / chosen) for p in predictions]
        pick = int(np.argmin(losses))
        counts[pick] += 1
        total = total + predictions[pick]
        if losses[pick] < best_loss:
            best_loss, best_counts = losses[pick], counts.copy()
    return best_counts / best_counts.sum()
