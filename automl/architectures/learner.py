"""A model that brings its own fitting and its own saved form, beside scikit-learn's estimators and networks."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from automl.artefact import State


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
