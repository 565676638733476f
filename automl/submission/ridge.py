"""Ridge regression with NumPy alone: a first model before any library of learning is imported.

Leave-one-out predictions come with the fit (Allen 1974, PRESS): they choose the penalty and judge the model.
"""

from __future__ import annotations

import numpy as np

from automl.submission.problem import Floats

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of the mean eigenvalue of the rows' products."""
MOST_SIDE, MOST_CELLS = 1500, 20_000_000
"""Rows or columns, whichever are fewer, and cells up to which it takes a fraction of a second."""


def fits(rows: int, columns: int) -> bool:
    return min(rows, columns) <= MOST_SIDE and rows * columns <= MOST_CELLS and rows > 2


def ridge(train: Floats, targets: Floats, tables: list[Floats]) -> tuple[Floats, list[Floats]]:
    """Leave-one-out predictions of the training rows (n, outputs), and predictions of other tables.

    Missing values count as the mean of their column.
    """
    present = np.isfinite(train)
    centre = np.where(present, train, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    spread = _filled(train, centre).std(axis=0)
    kept = spread > 1e-9 * max(float(spread.max(initial=0.0)), 1e-300)

    def standard(table: Floats) -> Floats:
        return np.asarray(_filled(table, centre)[:, kept] / spread[kept])

    X, mean = standard(train), targets.mean(axis=0)
    left, singular, right = _decomposed(X)
    projected, squares = left.T @ (targets - mean), singular**2
    best: tuple[float, Floats, Floats] | None = None
    for penalty in PENALTIES:
        shrunk = squares / (squares + penalty * squares.sum() / len(X))
        leverage = np.minimum((left**2 * shrunk).sum(axis=1) + 1 / len(X), 1 - 1e-6)
        fitted = left @ (shrunk[:, None] * projected)
        alone = targets - (targets - mean - fitted) / (1 - leverage)[:, None]
        error = float(np.square(alone - targets).mean())
        if best is None or error < best[0]:
            best = error, alone, right.T @ ((shrunk / singular)[:, None] * projected)
    assert best is not None
    return best[1], [mean + standard(table) @ best[2] for table in tables]


def _filled(table: Floats, centre: Floats) -> Floats:
    """Distances from the columns' means, 0 where missing."""
    return np.where(np.isfinite(table), table - centre, 0.0)


def _decomposed(X: Floats) -> tuple[Floats, Floats, Floats]:
    """Singular value decomposition by the smaller of the two products; directions without any spread left out."""
    wide = X.shape[1] > X.shape[0]
    squares, vectors = np.linalg.eigh(X @ X.T if wide else X.T @ X)
    kept = squares > 1e-9 * max(float(squares.max(initial=0.0)), 1e-300)
    singular, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    if wide:
        return vectors, singular, (X.T @ vectors / singular).T
    return X @ vectors / singular, singular, vectors.T
