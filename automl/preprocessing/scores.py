"""How much each column tells of the target, by four measures; bounded in cost by a sample of the rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats

BINS = 10
TREES = 50
FITTED_CELLS = 500_000
"""Rows times columns that a model is fitted on to score the columns."""
FEWEST_ROWS = 200


def anova_f(rows: Floats, labels: Labels) -> Floats:
    """(k,) F statistics: of the classes' means, or of the slope against a value; 0 for constant columns."""
    from sklearn.feature_selection import f_classif, f_regression

    if len(np.unique(labels.y)) < 2 or len(rows) < 3:
        return np.zeros(rows.shape[1])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # constant columns: they get no score
        score = (f_classif if labels.classification else f_regression)(rows, labels.y)[0]
    return np.nan_to_num(score, nan=0.0, posinf=np.finfo(np.float64).max)


def mutual_information(rows: Floats, labels: Labels) -> Floats:
    """(k,) mutual information, in nats, of each column's tenth and the class or the tenth of the value."""
    goal = labels.y if labels.classification else _bins(labels.y[:, None])[:, 0]
    goals = labels.outputs if labels.classification else BINS
    cells = _bins(rows) * goals + goal[:, None] + np.arange(rows.shape[1]) * BINS * goals
    joint = np.bincount(cells.ravel(), minlength=rows.shape[1] * BINS * goals).reshape(-1, BINS, goals) / len(rows)
    apart = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
    return (joint * np.log(np.divide(joint, apart, out=np.ones_like(joint), where=joint > 0))).sum(axis=(1, 2))


def _bins(rows: Floats) -> npt.NDArray[np.intp]:
    """(n, k) tenth of its column that a value lies in, 0 to 9; equal values are in one."""
    inner = np.quantile(rows, np.linspace(0, 1, BINS + 1)[1:-1], axis=0, method="lower")
    return np.stack([np.searchsorted(edges, column) for column, edges in zip(rows.T, inner.T, strict=True)], axis=1)


def extra_trees(rows: Floats, labels: Labels) -> Floats:
    """(k,) importances in extremely randomised trees (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1)."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    kind = ExtraTreesClassifier if labels.classification else ExtraTreesRegressor
    rows, labels = _sampled(rows, labels)
    return kind(TREES, min_samples_leaf=2, max_features="sqrt", random_state=0).fit(rows, labels.y).feature_importances_


def l1(rows: Floats, labels: Labels) -> Floats:
    """(k,) largest absolute coefficients of a linear model with an L1 penalty; columns have a spread of one in it."""
    from sklearn.linear_model import Lasso
    from sklearn.svm import LinearSVC

    rows, labels = _sampled(rows, labels)
    spread = rows.std(axis=0)
    even = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if labels.classification:
        model: Any = LinearSVC(penalty="l1", dual=False, C=0.1, tol=1e-2, max_iter=50, random_state=0)
        goal = labels.y
    else:
        model, goal = Lasso(alpha=0.01, tol=1e-2, max_iter=200), labels.columns(1)[:, 0]
        goal = goal / (goal.std() or 1.0)
    if len(np.unique(goal)) < 2:
        return np.zeros(rows.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an early end still ranks the columns
        return np.abs(np.atleast_2d(model.fit(even, goal).coef_)).max(axis=0)


def _sampled(rows: Floats, labels: Labels) -> tuple[Floats, Labels]:
    most = max(FEWEST_ROWS, FITTED_CELLS // rows.shape[1])
    if len(rows) <= most:
        return rows, labels
    chosen = np.sort(np.random.default_rng(0).choice(len(rows), most, replace=False))
    return rows[chosen], labels.take(chosen)


SCORES: dict[str, Callable[[Floats, Labels], Floats]] = {
    "anova_f": anova_f,
    "mutual_information": mutual_information,
    "extra_trees": extra_trees,
    "l1": l1,
}
