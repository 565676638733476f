"""The scores of the ChaLearn AutoML challenges and the area under the learning curve of AutoDL; higher is better.

Chance scores 0 and perfection 1 (Guyon et al. 2015, Design of the 2015 ChaLearn AutoML Challenge,
doi:10.1109/IJCNN.2015.7280767; Liu et al. 2021, Winning Solutions and Post-Challenge Analyses of the ChaLearn AutoDL
Challenge 2019, doi:10.1109/TPAMI.2021.3075372, section 3). Needs NumPy alone: whoever predicts within the first second
cannot wait for more. `automl.metrics` turns these scores into losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from automl.errors import unknown

Kind = Literal["binary", "multiclass", "multilabel", "regression"]
Floats = NDArray[np.float64]
EPS = 1e-15
ALC_SECONDS = 60.0
"""t₀ of AutoDL: up to about here time counts nearly linearly, beyond it by its logarithm."""


def challenge_score(metric: str, solution: NDArray[Any], prediction: NDArray[Any], kind: Kind) -> float:
    """Score of a prediction as the organisers compute it.

    Parameters
    ----------
    metric: a name of `CHALLENGE_METRICS`, or "abs_metric", which the organisers call "a_metric".
    solution: (n, outputs) true values; one column of 0/1 for two classes, one-hot for more, 0/1 for several labels.
    prediction: (n, outputs) probabilities or values.

    Returns
    -------
    At most 1; NaN where the score is undefined, as for a class that does not occur under `auc_metric`.

    Examples
    --------
    >>> y = np.array([[1], [0], [0]])
    >>> challenge_score("bac_metric", y, np.array([[0.7], [0.4], [0.6]]), "binary")
    0.5
    """
    name = ALIASES.get(metric, metric)
    if name not in CHALLENGE_METRICS:
        raise unknown("metric of the challenges", metric, CHALLENGE_METRICS)
    y, p = _columns(solution), _columns(prediction)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "regression":
            return float(CHALLENGE_METRICS[name](y, _finite(p), kind))
        return float(CHALLENGE_METRICS[name](*_normalised(y, p), kind))


def present_auc(solution: NDArray[Any], prediction: NDArray[Any]) -> float:
    """2 AUC − 1, the mean over the columns (n, outputs) in which both classes occur; NaN where there is none."""
    y, p = _normalised(_columns(solution), _columns(prediction))
    both = (y.min(axis=0) < 0.5) & (y.max(axis=0) > 0.5)
    return _auc(y[:, both], p[:, both], "multilabel") if both.any() else float("nan")


def learning_curve_area(seconds: Sequence[float], scores: Sequence[float], budget: float) -> float:
    """ALC of AutoDL: the area under the step function of scores over log(1 + t/60) / log(1 + budget/60).

    The score is 0 before the first prediction. What comes after the budget counts against, as in the organisers'
    program: its share of the axis is negative.

    Examples
    --------
    >>> round(learning_curve_area([0.0, 60.0], [0.5, 1.0], 180.0), 6)
    0.75
    """
    place = np.log1p(np.asarray(seconds, dtype=np.float64) / ALC_SECONDS) / np.log1p(budget / ALC_SECONDS)
    ends = np.append(place[1:], 1.0)
    return float(np.sum((ends - place) * np.asarray(scores, dtype=np.float64)))


def _columns(values: NDArray[Any]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def _normalised(solution: Floats, prediction: Floats) -> tuple[Floats, Floats]:
    """Solution as 0/1 and predictions clipped to [0, 1], both by the range of the solution."""
    low, high = float(solution.min()), float(solution.max())
    if low == high:
        return solution, prediction
    return (solution >= (low + high) / 2).astype(np.float64), np.clip((prediction - low) / (high - low), 0.0, 1.0)


def _finite(prediction: Floats) -> Floats:
    """Infinite values as the largest and smallest finite ones, NaN as the middle of these."""
    known = prediction[np.isfinite(prediction)]
    if not len(known):
        return np.full_like(prediction, np.nan)
    return np.nan_to_num(prediction, nan=(known.max() + known.min()) / 2, posinf=known.max(), neginf=known.min())


def _decided(prediction: Floats, kind: Kind) -> Floats:
    """1 where a label is predicted: at the first largest one of several classes, else from one half on."""
    if kind == "multiclass" and prediction.shape[1] > 1:
        return np.asarray(np.arange(prediction.shape[1]) == prediction.argmax(axis=1)[:, None], dtype=np.float64)
    return (prediction >= 0.5).astype(np.float64)


def _shares(solution: Floats, prediction: Floats, kind: Kind) -> tuple[Floats, Floats, Floats]:
    """Per column: share of the positives that are found, of the negatives, and of what is found that is positive."""
    found = _decided(prediction, kind)
    tp, fp = (found * solution).sum(axis=0), (found * (1 - solution)).sum(axis=0)
    fn, tn = ((1 - found) * solution).sum(axis=0), ((1 - found) * (1 - solution)).sum(axis=0)
    caught = np.maximum(EPS, tp)
    return (
        caught / np.maximum(EPS, tp + fn),
        np.maximum(EPS, tn) / np.maximum(EPS, tn + fp),
        caught / np.maximum(EPS, tp + fp),
    )


def _above_chance(score: float, chance: float) -> float:
    return (score - chance) / max(EPS, 1 - chance)


def _chance(kind: Kind, columns: int) -> float:
    return 1 / columns if kind == "multiclass" and columns > 1 else 0.5


def _bac(y: Floats, p: Floats, kind: Kind) -> float:
    recall, specificity, _ = _shares(y, p, kind)
    several = kind == "multiclass" and y.shape[1] > 1
    each = recall if several else (recall + specificity) / 2
    return _above_chance(float(each.mean()), _chance(kind, y.shape[1]))


def _f1(y: Floats, p: Floats, kind: Kind) -> float:
    recall, _, precision = _shares(y, p, kind)
    each = recall * precision / (0.5 * np.maximum(EPS, recall + precision))
    return _above_chance(float(each.mean()), _chance(kind, y.shape[1]))


def _auc(y: Floats, p: Floats, kind: Kind) -> float:
    positives = y.sum(axis=0)
    ranks = np.stack([_ranks(column) for column in p.T], axis=1)
    pairs = positives * (len(y) - positives)
    area = ((ranks * y).sum(axis=0) - positives * (positives + 1) / 2) / np.where(pairs > 0, pairs, np.nan)
    return float(2 * area.mean() - 1)


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, the mean of their places for equal values; NaN comes last."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], dtype=np.float64)


def _pac(y: Floats, p: Floats, kind: Kind) -> float:
    """exp(−cross-entropy) above that of the class frequencies, which are those of the scored rows."""
    if kind == "multiclass" and y.shape[1] > 1:
        p = np.clip(p / np.maximum(p.sum(axis=1, keepdims=True), EPS), EPS, 1 - EPS)
        y = _decided(y, kind)
        prior = np.maximum(EPS, y.mean(axis=0))
        entropy = np.array([-(y * np.log(p)).mean(axis=0).sum()])
        base = np.array([-(y.mean(axis=0) * np.log(prior / prior.sum())).sum()])
    else:
        p = np.clip(p, EPS, 1 - EPS)
        share = y.mean(axis=0)
        entropy = -(y * np.log(p)).mean(axis=0) - ((1 - y) * np.log(1 - p)).mean(axis=0)
        base = -share * np.log(np.maximum(EPS, share)) - (1 - share) * np.log(np.maximum(EPS, 1 - share))
    return _above_chance(float(np.exp(-entropy).mean()), float(np.exp(-base).mean()))


def _r2(y: Floats, p: Floats, kind: Kind) -> float:
    return float(1 - np.divide(((y - p) ** 2).mean(), ((y - y.mean(axis=0)) ** 2).mean()))


def _a(y: Floats, p: Floats, kind: Kind) -> float:
    return float(1 - np.divide(np.abs(y - p).mean(), np.abs(y - y.mean(axis=0)).mean()))


CHALLENGE_METRICS: Mapping[str, Callable[[Floats, Floats, Kind], float]] = MappingProxyType(
    {
        "a_metric": _a,
        "auc_metric": _auc,
        "bac_metric": _bac,
        "f1_metric": _f1,
        "pac_metric": _pac,
        "r2_metric": _r2,
    }
)
"""The organisers' name → score of normalised solution and prediction."""
ALIASES: Mapping[str, str] = MappingProxyType({"abs_metric": "a_metric"})
REGRESSION = ("a_metric", "r2_metric")
"""Those for values; the others are for labels."""
