"""Metafeatures that are counted: sizes, gaps, classes, levels and moments (auto-sklearn's formulas)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


def sizes(numbers: Floats, categories: NDArray[np.int64], classes: int) -> dict[str, float]:
    """Of the whole table: rows n, columns d, gaps and their shares and ratios."""
    n, numeric, nominal = len(numbers), numbers.shape[1], categories.shape[1]
    d = numeric + nominal
    rows_with, columns_with, gaps = np.zeros(n, dtype=bool), 0, 0
    for column in (*numbers.T, *categories.T):
        missing = np.isnan(column) if column.dtype.kind == "f" else column == 0
        rows_with |= missing
        columns_with += bool(missing.any())
        gaps += int(missing.sum())
    found = {
        "NumberOfInstances": n,
        "LogNumberOfInstances": np.log(n),
        "NumberOfFeatures": d,
        "LogNumberOfFeatures": np.log(d),
        "NumberOfInstancesWithMissingValues": rows_with.sum(),
        "PercentageOfInstancesWithMissingValues": rows_with.sum() / n,
        "NumberOfFeaturesWithMissingValues": columns_with,
        "PercentageOfFeaturesWithMissingValues": columns_with / d,
        "NumberOfMissingValues": gaps,
        "PercentageOfMissingValues": gaps / (n * d),
        "NumberOfNumericFeatures": numeric,
        "NumberOfCategoricalFeatures": nominal,
        "RatioNumericalToNominal": numeric / nominal if nominal else 0,
        "RatioNominalToNumerical": nominal / numeric if numeric else 0,
        "DatasetRatio": d / n,
        "LogDatasetRatio": np.log(d / n),
        "InverseDatasetRatio": n / d,
        "LogInverseDatasetRatio": np.log(n / d),
    }
    return {name: float(value) for name, value in found.items()} | (
        {"NumberOfClasses": float(classes)} if classes else {}
    )


def class_shares(y: Floats) -> dict[str, float]:
    """Least, greatest, mean and spread of the classes' shares, and their entropy in bits."""
    shares = np.unique(y, return_counts=True)[1] / len(y)
    return {
        "ClassProbabilityMin": float(shares.min()),
        "ClassProbabilityMax": float(shares.max()),
        "ClassProbabilityMean": float(shares.mean()),
        "ClassProbabilitySTD": float(shares.std()),
        "ClassEntropy": float(-(shares * np.log2(shares)).sum()),
    }


def symbols(categories: NDArray[np.int64]) -> dict[str, float]:
    """Of the numbers of levels of the categorical columns, those without any level left out."""
    counts = np.array([len(np.unique(column[column > 0])) for column in categories.T], dtype=np.float64)
    return _summary("Symbols", counts[counts > 0]) | {"SymbolsSum": float(counts.sum())}


def moments(numbers: Floats) -> dict[str, float]:
    """Of the kurtosis (0 for a normal distribution) and skewness of the numeric columns, over what is there."""
    kurtosis, skewness = [], []
    for column in numbers.T:
        there = column[~np.isnan(column)]
        flat = _flat(there)
        with warnings.catch_warnings():  # of nearly equal values, whose moments are imprecise
            warnings.simplefilter("ignore", RuntimeWarning)
            kurtosis.append(0.0 if flat else float(stats.kurtosis(there)))
            skewness.append(0.0 if flat else float(stats.skew(there)))
    return _summary("Kurtosis", kurtosis) | _summary("Skewness", skewness)


def target_moments(y: Floats) -> dict[str, float]:
    """Of the target of a regression."""
    flat = _flat(y)
    return {
        "TargetSkewness": 0.0 if flat else float(stats.skew(y)),
        "TargetKurtosis": 0.0 if flat else float(stats.kurtosis(y)),
    }


def correlations(numbers: Floats, y: Floats) -> dict[str, float]:
    """Greatest and mean |Pearson correlation| of the numeric columns with the target, over the rows that have both."""
    found = []
    for column in numbers.T:
        there = ~np.isnan(column)
        varied = there.sum() > 2 and column[there].std() > 0 and y[there].std() > 0
        found.append(abs(float(np.corrcoef(column[there], y[there])[0, 1])) if varied else 0.0)
    return {"CorrelationMax": max(found, default=0.0), "CorrelationMean": float(np.mean(found)) if found else 0.0}


def _flat(values: Floats) -> bool:
    """Whether values hardly differ, for their size."""
    return len(values) == 0 or bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _summary(name: str, values: Iterable[float]) -> dict[str, float]:
    there = np.array([value for value in values if np.isfinite(value)], dtype=np.float64)
    ways: dict[str, Callable[[Floats], Any]] = {"Min": np.min, "Max": np.max, "Mean": np.mean, "STD": np.std}
    return {f"{name}{way}": float(of(there)) if len(there) else 0.0 for way, of in ways.items()}
