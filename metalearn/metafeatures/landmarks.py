"""Metafeatures that are learned: principal components, and what quick models reach (Pfahringer et al. 2000)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from metalearn.metafeatures.sample import Sample

Floats = NDArray[np.float64]
FOLDS = 5
LANDMARK_ROWS = 2_000
"""Rows that landmarks learn from and are judged on, at most: all of them together take a second then."""
LANDMARK_CELLS = 250_000
"""And values of the dense matrix: a tree on 2,000 rows of 500 columns takes half a second a fit."""
VARIANCE = 0.95


def principal_components(sample: Sample) -> dict[str, float]:
    """Share of the components that hold 95 % of the variance, and the moments of the first one."""
    dense = sample.dense - sample.dense.mean(axis=0)
    if not dense.size or not dense.any():
        return dict.fromkeys((_FRACTION, "PCAKurtosisFirstPC", "PCASkewnessFirstPC"), 0.0)
    variances, directions = np.linalg.eigh(dense.T @ dense)
    shares = variances[::-1].clip(0) / variances.clip(0).sum()
    needed = int(np.searchsorted(np.cumsum(shares), VARIANCE - 1e-12)) + 1
    first = dense @ directions[:, -1]
    first *= np.sign(stats.skew(first)) or 1.0  # a component points either way
    return {
        _FRACTION: needed / dense.shape[1],
        "PCAKurtosisFirstPC": float(stats.kurtosis(first)),
        "PCASkewnessFirstPC": float(stats.skew(first)),
    }


_FRACTION = "PCAFractionOfComponentsFor95PercentVariance"


def class_landmarks(sample: Sample) -> dict[str, float]:
    """Mean accuracy of six quick classifiers over five folds."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    return _landmarks(
        sample,
        {
            "LandmarkLDA": LinearDiscriminantAnalysis,
            "LandmarkNaiveBayes": GaussianNB,
            "LandmarkDecisionTree": lambda: DecisionTreeClassifier(random_state=0),
            "LandmarkDecisionNodeLearner": lambda: _node(DecisionTreeClassifier, criterion="entropy"),
            "LandmarkRandomNodeLearner": lambda: _node(DecisionTreeClassifier, criterion="entropy", max_features=1),
            "Landmark1NN": lambda: KNeighborsClassifier(n_neighbors=1),
        },
    )


def value_landmarks(sample: Sample) -> dict[str, float]:
    """Mean R² of three quick regressors over five folds, not below -1."""
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.tree import DecisionTreeRegressor

    found = _landmarks(
        sample,
        {
            "LandmarkRidge": Ridge,
            "LandmarkDecisionNodeLearner": lambda: _node(DecisionTreeRegressor),
            "Landmark1NN": lambda: KNeighborsRegressor(n_neighbors=1),
        },
    )
    return {name: max(-1.0, value) for name, value in found.items()}


def _node(tree: Any, **more: Any) -> Any:
    return tree(max_depth=1, random_state=0, **more)


def _landmarks(sample: Sample, models: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Mean score of each model; 0 for one that cannot be fitted."""
    X, y = sample.dense, sample.y
    rows = np.random.default_rng(0).permutation(len(y))[: min(LANDMARK_ROWS, LANDMARK_CELLS // max(1, X.shape[1]))]
    parts = np.array_split(rows, min(FOLDS, len(rows)))
    found = {}
    for name, make in models.items():
        scores = []
        for k, judged in enumerate(parts):
            learned = np.concatenate([part for j, part in enumerate(parts) if j != k] or [judged])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of collinear columns, and of classes that a fold lacks
                try:
                    scores.append(float(make().fit(X[learned], y[learned]).score(X[judged], y[judged])))
                except (ValueError, IndexError, np.linalg.LinAlgError):  # of one class only, say
                    scores.append(0.0)
        found[name] = float(np.nan_to_num(np.mean(scores)))
    return found
