"""Greedy ensemble selection (Caruana et al. 2004, Ensemble Selection from Libraries of Models)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Predictions = NDArray[Any]
WORK_SHARES = (1.0, 0.4, 0.15)
"""Of the most work, that a single model may take."""


def greedy_weights(
    predictions: Predictions,
    loss: Callable[[Predictions], float],
    *,
    size: int,
    single: Sequence[float] | None = None,
    work: Sequence[float] | None = None,
    most_work: float = math.inf,
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
    work: of predicting with each model, in any unit; all chosen models but the first one take `most_work` together.
    deadline: `time.monotonic` value after which nothing more is tried.

    Returns
    -------
    (models,) non-negative weights that sum to 1.
    """
    each = np.zeros(len(predictions)) if work is None else np.asarray(work, dtype=np.float64)
    losses = list(single) if single is not None else _all(predictions, loss, deadline)
    counts = np.zeros(len(predictions))
    first = int(np.argmin(losses))
    counts[first] = 1
    best_loss, best_counts = losses[first], counts.copy()
    total = predictions[first].copy()
    for chosen in range(2, size + 1):
        allowed = np.flatnonzero((counts > 0) | (each[counts > 0].sum() + each <= most_work))
        losses = _all(((total + predictions[k]) / chosen for k in allowed), loss, deadline)
        if len(losses) < len(allowed):
            break
        pick = int(allowed[np.argmin(losses)])
        counts[pick] += 1
        total = total + predictions[pick]
        if min(losses) < best_loss:
            best_loss, best_counts = min(losses), counts.copy()
    return best_counts / best_counts.sum()


def affordable_weights(
    predictions: Predictions,
    loss: Callable[[Predictions], float],
    *,
    size: int,
    single: Sequence[float] | None,
    work: Sequence[float],
    most_work: float,
    deadline: float | None = None,
) -> NDArray[np.float64]:
    """The best of several greedy ensembles, from all models and from cheaper and cheaper ones.

    One costly model, chosen first because it is the best one, may leave no room for several cheap ones that are better
    together. Parameters are those of `greedy_weights`.
    """
    each = np.asarray(work, dtype=np.float64)
    everything = np.arange(len(predictions))
    found = []
    for share in WORK_SHARES:
        light = everything if share == 1.0 else np.flatnonzero(each <= share * most_work)
        if share < 1.0 and not 1 < len(light) < len(predictions):
            continue
        weights = np.zeros(len(predictions))
        weights[light] = greedy_weights(
            predictions[light],
            loss,
            size=size,
            single=None if single is None else np.asarray(single)[light].tolist(),
            work=each[light].tolist(),
            most_work=most_work,
            deadline=deadline,
        )
        found.append((loss(np.tensordot(weights, predictions, axes=1)), weights))
    return min(found, key=lambda pair: pair[0])[1]


def pruned(
    predictions: Predictions,
    weights: NDArray[np.float64],
    loss: Callable[[Predictions], float],
    *,
    tolerance: float,
    deadline: float | None = None,
) -> NDArray[np.float64]:
    """The weights without those models that hardly lower the loss: what predicts slowly must pay for it.

    Models are left out one by one, each time the one without which the loss is least, while it is at most
    `tolerance` times its size above the loss of all.

    Parameters
    ----------
    predictions: (models, rows, outputs).
    weights: (models,) non-negative, summing to 1.

    Returns
    -------
    (models,) weights that sum to 1, the rest in the same proportions.
    """
    whole = loss(np.tensordot(weights, predictions, axes=1))
    while (kept := np.flatnonzero(weights)).size > 1:
        tried = [_without(weights, int(k)) for k in kept]
        losses = _all((np.tensordot(w, predictions, axes=1) for w in tried), loss, deadline)
        if len(losses) < len(tried) or not min(losses) <= whole + tolerance * abs(whole):
            break
        weights = tried[int(np.argmin(losses))]
    return weights


def _without(weights: NDArray[np.float64], model: int) -> NDArray[np.float64]:
    left = weights.copy()
    left[model] = 0.0
    result: NDArray[np.float64] = left / left.sum()
    return result


def _all(predictions: Any, loss: Callable[[Predictions], float], deadline: float | None) -> list[float]:
    """Losses of the predictions, of the first only and those that there is time for."""
    losses: list[float] = []
    for prediction in predictions:
        if losses and deadline is not None and time.monotonic() >= deadline:
            break
        value = loss(prediction)
        losses.append(value if math.isfinite(value) else math.inf)
    return losses
