"""Models within seconds: a linear one, then randomised trees, judged by the rows that each has not seen.

Extremely randomised trees (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1) on bootstrap samples take any number of
outputs, missing values and sparse matrices; their out-of-bag predictions (Breiman 1996) need no second fit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from automl.submission.answers import score_of, tuned
from automl.submission.problem import Data, Floats, Predictions, Problem
from automl.submission.ridge import fits, ridge

FIRST_TREES, MOST_TREES = 32, 512
MOST_ROWS = 20_000
"""From which trees are grown; all rows are for the search."""
LEAST = 0.01
"""Probability of a linear model's surest answers."""
PRIOR_ROWS = 1.0
"""Rows of the class frequencies that are added to what a leaf holds, in trees of the forest."""
DENSE_CELLS = 50_000_000
"""Cells of a sparse matrix up to which it is made dense, which trees are several times faster with."""


def quick(problem: Problem, data: Data, until: float) -> Iterator[tuple[Predictions, float]]:
    """Predictions of a ridge regression, then of a growing forest with its out-of-bag scores while there is time.

    Parameters
    ----------
    until: `time.monotonic` value at which no further trees are begun.
    """
    yield from _linear(problem, data)
    tables = _encoded(data)
    forest, truth = _forest(problem), data.targets
    if len(truth) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(truth), MOST_ROWS, replace=False))
        tables[""], truth = tables[""][rows], truth[rows]
    targets = truth[:, 0] if truth.shape[1] == 1 else truth
    codes = targets.argmax(axis=1) if problem.kind == "multiclass" else targets
    trees = FIRST_TREES
    while trees <= MOST_TREES:
        began = time.monotonic()
        forest.set_params(n_estimators=trees)
        forest.fit(tables[""], codes)
        judged = _out_of_bag(problem, forest, trees)
        seen = np.isfinite(judged).all(axis=1)
        correct = tuned(problem, judged[seen], truth[seen])
        score = score_of(problem, correct(judged[seen]), truth[seen])
        predictions = {part: correct(_predicted(problem, forest, tables[part], trees)) for part in data.parts}
        yield predictions, score
        now = time.monotonic()
        if now + 2 * (now - began) > until:
            return
        trees *= 2


def _linear(problem: Problem, data: Data) -> Iterator[tuple[Predictions, float]]:
    """A ridge regression with its leave-one-out score, where the table is one of numbers and small enough."""
    if not isinstance(data.train, np.ndarray) or not fits(*data.train.shape):
        return
    alone, others = ridge(data.train, data.targets, list(data.parts.values()))
    if problem.kind != "regression":
        alone, others = np.clip(alone, LEAST, 1 - LEAST), [np.clip(p, LEAST, 1 - LEAST) for p in others]
    correct = tuned(problem, alone, data.targets)
    score = score_of(problem, correct(alone), data.targets)
    yield dict(zip(data.parts, map(correct, others), strict=True)), score


def _forest(problem: Problem) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    # Several labels are values of 0 and 1: forests of classes want as many classes of each, also of one that never is.
    make = ExtraTreesRegressor if problem.kind in ("regression", "multilabel") else ExtraTreesClassifier
    share = 1.0 if problem.kind == "regression" else "sqrt"
    return make(bootstrap=True, oob_score=True, warm_start=True, min_samples_leaf=2, max_features=share, random_state=0)


def _encoded(data: Data) -> dict[str, Any]:
    """Numbers that trees take, of the training rows ("") and of each part."""
    tables = {"": data.train, **data.parts}
    if hasattr(data.train, "iloc"):
        from automl.preprocessing.columns import TableEncoder

        encoder = TableEncoder().fit(data.train)
        arrays = {part: encoder.transform(table) for part, table in tables.items()}
        return {part: np.hstack([a.numbers, a.codes.astype(np.float32)]) for part, a in arrays.items()}
    if hasattr(data.train, "toarray"):
        cells = sum(table.shape[0] for table in tables.values()) * data.train.shape[1]
        return {k: t.toarray() if cells <= DENSE_CELLS else t.tocsr() for k, t in tables.items()}
    return {part: np.nan_to_num(table, nan=np.nan, posinf=np.nan, neginf=np.nan) for part, table in tables.items()}


def _out_of_bag(problem: Problem, forest: Any, trees: int) -> Floats:
    """(n, outputs) predictions of each row by the trees that had not seen it; NaN where all had."""
    if hasattr(forest, "oob_prediction_"):
        return _answers(problem, forest.oob_prediction_, (), trees / np.e)
    return _answers(problem, forest.oob_decision_function_, forest.classes_, trees / np.e)


def _predicted(problem: Problem, forest: Any, table: Any, trees: int) -> Floats:
    if hasattr(forest, "oob_prediction_"):
        return _answers(problem, forest.predict(table), (), trees)
    return _answers(problem, forest.predict_proba(table), forest.classes_, trees)


def _answers(problem: Problem, found: Any, classes: Any, trees: float) -> Floats:
    """(rows, outputs) of what so many trees say: values, shares of labels, or shares of classes."""
    values = np.asarray(found, dtype=np.float64).reshape(len(found), -1)
    if problem.kind == "regression":
        return values
    return _smoothed(problem, values if problem.kind == "multilabel" else _columns(problem, values, classes), trees)


def _columns(problem: Problem, shares: Floats, classes: Any) -> Floats:
    """Shares in the columns of the problem's outputs; 0 for a class that was not there."""
    if problem.kind == "binary":
        return np.asarray(shares[:, classes == 1].sum(axis=1, keepdims=True))
    whole = np.zeros((len(shares), problem.outputs))
    whole[:, classes.astype(int)] = shares
    return whole


def _smoothed(problem: Problem, shares: Floats, trees: float) -> Floats:
    """Nothing is certain: the frequencies count as one tree more."""
    return (shares * trees + PRIOR_ROWS * np.array(problem.prior)) / (trees + PRIOR_ROWS)
