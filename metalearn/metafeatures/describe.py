"""A task → its metafeatures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metalearn.metafeatures import landmarks, simple
from metalearn.metafeatures.sample import Sample

_SUMMARIES = ("Min", "Max", "Mean", "STD")
_COMMON = (
    "NumberOfInstances",
    "LogNumberOfInstances",
    "NumberOfFeatures",
    "LogNumberOfFeatures",
    "NumberOfInstancesWithMissingValues",
    "PercentageOfInstancesWithMissingValues",
    "NumberOfFeaturesWithMissingValues",
    "PercentageOfFeaturesWithMissingValues",
    "NumberOfMissingValues",
    "PercentageOfMissingValues",
    "NumberOfNumericFeatures",
    "NumberOfCategoricalFeatures",
    "RatioNumericalToNominal",
    "RatioNominalToNumerical",
    "DatasetRatio",
    "LogDatasetRatio",
    "InverseDatasetRatio",
    "LogInverseDatasetRatio",
    *(f"Symbols{way}" for way in (*_SUMMARIES, "Sum")),
    *(f"{moment}{way}" for moment in ("Kurtosis", "Skewness") for way in _SUMMARIES),
    "PCAFractionOfComponentsFor95PercentVariance",
    "PCAKurtosisFirstPC",
    "PCASkewnessFirstPC",
)
METAFEATURES = {
    "classification": (
        *_COMMON,
        "NumberOfClasses",
        *(f"ClassProbability{way}" for way in _SUMMARIES),
        "ClassEntropy",
        *("LandmarkLDA", "LandmarkNaiveBayes", "LandmarkDecisionTree", "LandmarkDecisionNodeLearner"),
        *("LandmarkRandomNodeLearner", "Landmark1NN"),
    ),
    "regression": (
        *_COMMON,
        *("TargetSkewness", "TargetKurtosis", "CorrelationMax", "CorrelationMean"),
        *("LandmarkRidge", "LandmarkDecisionNodeLearner", "Landmark1NN"),
    ),
}
"""Names by kind of task: auto-sklearn's 46 for classes; for values those that need no classes, and our own."""


def describe(
    numbers: NDArray[np.float64],
    categories: NDArray[np.int64],
    y: NDArray[np.float64],
    *,
    classes: int,
    seed: int = 0,
) -> dict[str, float]:
    """The metafeatures of a task, all finite.

    Sizes, levels and classes are counted on all rows; moments, components and landmarks on at most 10,000 rows of 500
    columns. The result does not depend on what the classes are called, and on the order of
    rows and columns only where several are equal.

    Parameters
    ----------
    numbers: (n, p), NaN where missing.
    categories: (n, q) whole numbers, 0 where missing, else the code of a level.
    y: (n,) codes of classes from 0, or values.
    classes: number of classes; 0 for regression.
    seed: of the sample.

    Examples
    --------
    >>> import numpy as np
    >>> found = describe(np.arange(6.0)[:, None], np.ones((6, 1), int), np.array([0.0, 0, 0, 1, 1, 1]), classes=2)
    >>> found["NumberOfFeatures"], found["ClassEntropy"], found["SymbolsSum"]
    (2.0, 1.0, 1.0)
    """
    numbers, categories = np.asarray(numbers, dtype=np.float64), np.asarray(categories, dtype=np.int64)
    y = np.asarray(y, dtype=np.float64)
    found = simple.sizes(numbers, categories, classes) | simple.symbols(categories)
    sample = Sample.of(numbers, categories, y, classes=classes, seed=seed)
    found |= simple.moments(sample.numbers) | landmarks.principal_components(sample)
    if classes:
        found |= simple.class_shares(y) | landmarks.class_landmarks(sample)
    else:
        found |= simple.target_moments(y) | simple.correlations(sample.numbers, sample.y)
        found |= landmarks.value_landmarks(sample)
    return {name: found[name] for name in METAFEATURES["classification" if classes else "regression"]}
