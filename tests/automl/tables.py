"""Tables and quick estimators that the tests of the estimators share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from automl import AutoNetClassifier, AutoNetRegressor

QUICK: dict[str, Any] = {"n_trials": 2, "families": ["linear"], "resampling": 2, "n_jobs": 1, "random_state": 0}
"""About a fifth of a second a fit."""


def classifier(**changes: Any) -> AutoNetClassifier:
    return AutoNetClassifier(**{**QUICK, **changes})


def regressor(**changes: Any) -> AutoNetRegressor:
    return AutoNetRegressor(**{**QUICK, **changes})


def numbers(rows: int = 80) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """X (rows, 3), labels "no"/"yes" and values that follow from it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 3))
    values = X[:, 0] - 2 * X[:, 1] + 0.1 * rng.normal(size=rows)
    return X, np.where(values > 0, "yes", "no"), values


def messy(rows: int = 80, seed: int = 0) -> pd.DataFrame:
    """Every kind of column that a frame may have."""
    rng = np.random.default_rng(seed)
    price = rng.normal(size=rows)
    price[:4] = [np.nan, np.inf, -np.inf, 1e30]
    return pd.DataFrame(
        {
            "price": price,
            "count": pd.array(rng.integers(0, 9, rows), dtype="Int64"),
            "flag": rng.random(rows) > 0.5,
            "maybe": pd.array([None, True, False, None] * (rows // 4), dtype="boolean"),
            "city": rng.choice(["Oslo", "Rome", None], rows),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], rows), ["S", "M", "L"], ordered=True),
            "when": pd.date_range("2024-01-01", periods=rows, freq="D"),
            "text": pd.array(rng.choice(["a b", "c"], rows), dtype="string"),
            "empty": [None] * rows,
            "same": 1,
        }
    )
