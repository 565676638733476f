"""`fit` and `predict` for programs that know no more: they return in time, and never fail once there are targets."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np

from automl.submission.anytime import LEAST_SEARCH, SEARCH_ENDS
from automl.submission.guess import trivial_guess
from automl.submission.problem import Problem


class FitPredict:
    """A model whose `fit` takes about 0.8 of the seconds given.

    Attributes
    ----------
    seconds, metric: of a whole run; None for the metric that is usual.
    """

    seconds: float = 600.0
    metric: str | None = None

    def __init__(self, *_: Any, **__: Any) -> None:
        self._estimator: Any = None
        self._guess = np.zeros(1)
        self._labels: np.ndarray | None = None
        self._one_hot = False

    def fit(self, X: Any, y: Any, *_: Any, **__: Any) -> Self:
        """Learn from (n, d) X and y: (n,), one-hot, or several labels a row; whole numbers and text are labels."""
        began = time.monotonic()
        y = np.asarray(y)
        self._one_hot = y.ndim == 2 and y.shape[1] > 1
        if self._one_hot and not (y.sum(axis=1) == 1).all():
            self._labels, self._guess = np.arange(y.shape[1]), y.mean(axis=0)
            return self._fitted(X, y.astype(np.int64), began)
        flat = y.argmax(axis=1) if self._one_hot else y.ravel()
        labelled = self._one_hot or flat.dtype.kind in "biUSO" or bool((flat % 1 == 0).all() and len(set(flat)) <= 20)
        self._labels = np.unique(flat) if labelled else None
        self._guess = _guess(flat, self._labels, self.metric)
        return self._fitted(X, flat, began)

    def _fitted(self, X: Any, y: np.ndarray, began: float) -> Self:
        for attempt in (self._search, self._forest):
            try:
                self._estimator = attempt(X, y, began)
                break
            except Exception:
                traceback.print_exc(file=sys.stderr)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(n,) labels or values; one-hot (n, classes) probabilities where the targets were one-hot."""
        if self._one_hot:
            return self.predict_proba(X)
        return self._asked("predict", X, lambda: np.full(np.shape(X)[0], self._guess[0]))

    def predict_proba(self, X: Any) -> np.ndarray:
        """(n, classes) probabilities in the order of the sorted labels, or (n, labels) of several."""
        assert self._labels is not None
        shares = np.full((np.shape(X)[0], len(self._labels)), 1 / len(self._labels))
        return self._asked("predict_proba", X, lambda: shares)

    def save(self, path: str | Path) -> None:
        """Keep the model where the program says; of a forest that stood in, its guess alone."""
        model, about = Path(path).with_suffix(".autonet"), Path(path).with_suffix(".json")
        model.unlink(missing_ok=True)
        if hasattr(self._estimator, "save"):
            self._estimator.save(model)
        labels = None if self._labels is None else self._labels.tolist()
        kept = {"labels": labels, "guess": self._guess.tolist(), "one_hot": self._one_hot}
        about.write_text(json.dumps(kept), encoding="utf-8")

    def load(self, path: str | Path) -> Self:
        """Take back what `save` kept."""
        from automl.saving import load

        model, about = Path(path).with_suffix(".autonet"), Path(path).with_suffix(".json")
        kept = json.loads(about.read_text(encoding="utf-8"))
        self._labels = None if kept["labels"] is None else np.array(kept["labels"])
        self._guess, self._one_hot = np.array(kept["guess"]), kept["one_hot"]
        self._estimator = load(model) if model.exists() else None
        return self

    def _asked(self, method: str, X: Any, otherwise: Callable[[], np.ndarray]) -> np.ndarray:
        if self._estimator is not None:
            try:
                found = getattr(self._estimator, method)(X)
                # A forest gives a list of two columns for each of several labels.
                return np.stack([p[:, -1] for p in found], axis=1) if isinstance(found, list) else np.asarray(found)
            except Exception:
                traceback.print_exc(file=sys.stderr)
        return otherwise()

    def _search(self, X: Any, y: np.ndarray, began: float) -> Any:
        from automl.estimator import AutoNetClassifier, AutoNetRegressor

        make = AutoNetRegressor if self._labels is None else AutoNetClassifier
        seconds = SEARCH_ENDS * self.seconds - (time.monotonic() - began)
        if seconds < LEAST_SEARCH:
            raise TimeoutError(f"{seconds:.1f} s are left for a search; a forest stands in")
        return make(time_limit=seconds, metric=self.metric, random_state=0).fit(X, y)

    def _forest(self, X: Any, y: np.ndarray, began: float) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        make = ExtraTreesRegressor if self._labels is None else ExtraTreesClassifier
        return make(min_samples_leaf=2, random_state=0).fit(X, y)


def _guess(y: np.ndarray, labels: np.ndarray | None, metric: str | None) -> np.ndarray:
    """(1,) the best constant answer."""
    if labels is not None:
        counts = (y[:, None] == labels).sum(axis=0)
        return labels[[int(counts.argmax())]]
    problem = Problem.of("", "regression", metric or "r2_metric", y[:, None].astype(np.float64), rows={"": 1})
    return np.asarray(trivial_guess(problem)[""][0])
