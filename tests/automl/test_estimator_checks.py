"""scikit-learn's own checks of estimators, without any expected failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from automl import AutoNetClassifier, AutoNetRegressor

# One family with all that lies around it, and few folds: some hundred fits. The slow tests take all families.
QUICK: dict[str, Any] = {
    "n_trials": 2,
    "families": ["linear"],
    "resampling": 2,
    "n_jobs": 1,
    "random_state": 0,
}
WHOLE: dict[str, Any] = {"n_trials": 4, "n_jobs": 1, "random_state": 0}


@parametrize_with_checks([AutoNetClassifier(**QUICK), AutoNetRegressor(**QUICK)])
def test_scikit_learns_checks_hold(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([AutoNetClassifier(**WHOLE), AutoNetRegressor(**WHOLE)])
def test_scikit_learns_checks_hold_with_all_families(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
