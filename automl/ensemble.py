"""Greedy ensemble selection (Caruana et al. 2004, Ensemble Selection from Libraries of Models)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Predictions = NDArray[Any]


def greedy_weights(
    predictions: Predictions,
    loss: Callable[[Predictions], float],
    *,
    size: int,
    single: Sequence[float] | None = None,
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
    single: losses of the models, if they are known.
    deadline: `time.monotonic` value after which nothing more is tried.

    Returns
    -------
    (models,) non-negative weights that sum to 1.
    """
    losses = list(single) if single is not None else _all(predictions, loss, deadline)
    counts = np.zeros(len(predictions))
    first = int(np.argmin(losses))
    counts[first] = 1
    best_loss, best_counts = losses[first], counts.copy()
    total = predictions[first].copy()
    for chosen in range(2, size + 1):
        losses = _all(((total + p) / chosen for p in predictions), loss, deadline)
        if len(losses) < len(predictions):
            break
        pick = int(np.argmin(losses))
        counts[pick] += 1
        total = total + predictions[pick]
        if losses[pick] < best_loss:
            best_loss, best_counts = losses[pick], counts.copy()
    return best_counts / best_counts.sum()


def _all(predictions: Any, loss: Callable[[Predictions], float], deadline: float | None) -> list[float]:
    """Losses of the predictions, of the first only and those that there is time for."""
    losses: list[float] = []
    for prediction in predictions:
        if losses and deadline is not None and time.monotonic() >= deadline:
            break
        value = loss(prediction)
        losses.append(value if math.isfinite(value) else math.inf)
    return losses
