"""Weighted nearest neighbours (Hechenbichler & Schliep 2004, doi:10.5282/ubm/epub.1769), searched by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from automl.architectures.learner import Rows

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Shape
    from automl.artefact import State

MOST_ROWS, MOST_STEPS = 20_000, 15_000_000_000
"""Of the training rows that are kept, and kept rows × validation rows × (columns + 60), at most: less than a second.
Picking the nearest takes as long as comparing 60 columns."""
NEAR = 0.01
"""Of the distance to the edge: rows that are nearer weigh the same, so that a row does not outvote all by itself."""


class NearestNeighbors:
    """The first training rows, which are a stratified sample, stand for all where there are too many."""

    name = "nearest_neighbors"
    inputs = "one-hot"
    budgeted = False

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Integer("n_neighbors", (1, 200), default=20, log=True),
            Categorical("weights", ["inverse", "bell"], default="inverse"),
            Float("smoothing", (0.03, 10.0), default=0.3, log=True),
        )
        return space

    def build(self, shape: Shape, *, n_neighbors: int, weights: str, smoothing: float) -> Neighbors:
        return Neighbors(n_neighbors, weights, smoothing, values=shape.outputs == 1)

    def restore(self, state: State) -> Neighbors:
        values, arrays = state
        restored = Neighbors(**values)
        y = arrays["y"]
        X: Any = arrays["X"]
        if "places" in arrays:
            X = sparse.csr_array((X, arrays["places"], arrays["ends"]), shape=(len(y), *arrays["columns"]))
        restored._set(X, y, arrays["weight"], arrays["classes"])
        return restored


class Neighbors:
    """The mean of the nearest rows, weighted by w(u), u = distance / distance of the first row that no longer counts.

    w falls to 0 at u = 1, so that it does not matter which of equally distant rows is the last to count.

    Parameters
    ----------
    n_neighbors: rows that count, ≥ 1.
    weights: "inverse" for 1 / u − 1, "bell" for 1 − u² (Epanechnikov).
    smoothing: weight of the mean of all rows beside the neighbours, > 0, so that no class is without probability.
    values: whether targets are values rather than classes.
    """

    effort = 1.0
    converged = True
    losses = ()

    def __init__(self, n_neighbors: int, weights: str, smoothing: float, values: bool) -> None:
        self.n_neighbors, self.weights, self.smoothing, self.values = n_neighbors, weights, smoothing, values

    def fit_within(self, train: Rows, valid: Rows, *, share: float, seed: int, deadline: float | None) -> None:
        """Keep the training rows, as many as may be; this takes no time worth sharing."""
        asked = max(len(valid.y), len(train.y) // 4, 1)
        kept = slice(min(MOST_ROWS, self.n_neighbors + MOST_STEPS // (asked * (train.X.shape[1] + 60))))
        weight = np.ones(len(train.y)) if train.weight is None else train.weight
        classes = np.empty(0) if self.values else np.unique(train.y[kept])
        self._set(train.X[kept], train.y[kept], weight[kept], classes)

    def _set(self, X: Any, y: NDArray[Any], weight: NDArray[np.float64], classes: NDArray[Any]) -> None:
        from sklearn import neighbors

        self.classes_, self._X, self._y, self._weight = classes, X, y, weight
        self._targets = y[:, None] if self.values else (y[:, None] == classes).astype(np.float64)
        self._mean = np.average(self._targets, axis=0, weights=weight)
        # A tree of regions gains nothing beyond a few columns, and is several times slower at ten.
        self._index = neighbors.NearestNeighbors(n_neighbors=min(self.n_neighbors + 1, X.shape[0]), algorithm="brute")
        self._index.fit(X)

    @property
    def work(self) -> float:
        # Compared with all kept rows (measured, as MOST_STEPS); then the neighbours are counted.
        return float(5e-5 * self._X.shape[0] * (self._X.shape[1] + 60) + 0.05 * self.n_neighbors)

    def predict(self, X: Any) -> NDArray[np.float64]:
        return self._means(X)[:, 0]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        return self._means(X)

    def _means(self, X: Any) -> NDArray[np.float64]:
        distance, rows = self._index.kneighbors(X)
        edge = distance[:, -1:]
        u = np.divide(distance[:, :-1], edge, out=np.zeros_like(distance[:, :-1]), where=edge > 0)
        near = 1 / np.maximum(u, NEAR) - 1 if self.weights == "inverse" else 1 - u**2
        votes = near * self._weight[rows[:, :-1]]
        total = np.tile(self.smoothing * self._mean, (len(rows), 1))
        for vote, row in zip(votes.T, rows.T, strict=False):  # the last of the rows is the edge
            total += vote[:, None] * self._targets[row]
        return total / (votes.sum(axis=1) + self.smoothing)[:, None]

    def state(self) -> State:
        values = {
            "n_neighbors": self.n_neighbors,
            "weights": self.weights,
            "smoothing": self.smoothing,
            "values": self.values,
        }
        arrays = {"y": self._y, "weight": self._weight, "classes": self.classes_}
        if not isinstance(self._X, sparse.csr_array):
            return values, {"X": self._X, **arrays}
        places = {"places": self._X.indices, "ends": self._X.indptr, "columns": np.array(self._X.shape[1:])}
        return values, {"X": self._X.data, **places, **arrays}
