"""A model that brings its own fitting and its own saved form, beside scikit-learn's estimators and networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from automl.artefact import State

VISIT = 0.012
"""Microseconds that a row spends at a node of a tree (measured: 0.008 to 0.015)."""


class Rows(NamedTuple):
    """Inputs (n, d), targets (n,) and weights (n,) or None."""

    X: Any
    y: NDArray[Any]
    weight: NDArray[np.float64] | None

    def counting(self) -> Rows:
        """The rows whose weight is above 0: the others have nothing to teach, and their class may count as absent."""
        if self.weight is None or (self.weight > 0).all():
            return self
        kept = np.flatnonzero(self.weight > 0)
        return Rows(self.X[kept], self.y[kept], self.weight[kept])

    def of_classes(self, classes: NDArray[Any]) -> Rows:
        """The rows of these classes, with the class's position as target: a fold may lack a class."""
        known = np.flatnonzero(np.isin(self.y, classes))
        weight = None if self.weight is None else self.weight[known]
        return Rows(self.X[known], np.searchsorted(classes, self.y[known]), weight)


def by_position(train: Rows, valid: Rows, *, values: bool) -> tuple[NDArray[Any], Rows, Rows]:
    """Classes of the training rows, and both parts with the positions of these as targets; values stay as they are."""
    if values:
        return np.empty(0), train, valid
    classes = np.unique(train.y)
    return classes, train.of_classes(classes), valid.of_classes(classes)


class Learner(Protocol):
    """What `build` of a scikit-learn family may return in place of an estimator.

    It is given the inputs as they are, float32, and is kept by its own `state()`, which the method `restore(state)` of
    its family takes back: the restored one predicts the same bits.
    """

    @property
    def classes_(self) -> NDArray[Any]:
        """Classes in the training rows, ascending; empty for regression."""
        ...

    @property
    def effort(self) -> float:
        """Share of a full run that the fitted model kept, in (0, 1]."""
        ...

    @property
    def converged(self) -> bool:
        """Whether the fit ended by itself, so that a larger share would have given the same model."""
        ...

    @property
    def losses(self) -> Sequence[float]:
        """Validation loss after each round of the last fit, to which `keep` refers; empty where there are no rounds."""
        ...

    def keep(self, rounds: int) -> None:
        """Predict with the first rounds of the last fit from now on, with all where it has fewer."""
        ...

    @property
    def work(self) -> float:
        """Microseconds that a CPU core needs to predict a row, about; counted, so that it is the same every time."""
        ...

    def fit_within(self, train: Rows, valid: Rows, *, share: float, seed: int, deadline: float | None) -> None:
        """Learn from `train`, at most `share` of a full run; `valid`, which may be empty, may say when to stop.

        Parameters
        ----------
        deadline: `time.monotonic` value, or None; the fit ends about then with what it has.
        """
        ...

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) values."""
        ...

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """(n, classes) probabilities, in the order of `classes_`."""
        ...

    def state(self) -> State: ...


def is_learner(estimator: Any) -> TypeGuard[Learner]:
    """Whether it is a learner, fitted or not, rather than an estimator of scikit-learn."""
    return hasattr(estimator, "fit_within")


class Clock:
    """Says after each step of a fit whether another one as long as the last would pass the deadline.

    Parameters
    ----------
    deadline: `time.monotonic` value, or None for as long as it takes.
    prepares: whether the first step holds preparations, so that the next will be shorter.
    """

    def __init__(self, deadline: float | None, *, prepares: bool = False) -> None:
        self._deadline, self._prepares, self._last = deadline, prepares, time.monotonic()

    def over(self) -> bool:
        now = time.monotonic()
        took = 0.0 if self._prepares else now - self._last
        self._prepares, self._last = False, now
        return self._deadline is not None and now + took > self._deadline
