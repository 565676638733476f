"""Metafeatures: by hand on six rows, the same however the table is ordered, quick, and finite whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from metalearn.metafeatures import METAFEATURES, describe

NAN = float("nan")
NUMBERS = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, NAN], [4.0, 0.0], [5.0, 1.0], [9.0, 0.0]])
CATEGORIES = np.array([[1, 0], [1, 2], [2, 1], [3, 1], [3, 1], [0, 1]])
LABELS = np.array([0.0, 0, 0, 0, 1, 1])


@pytest.fixture(scope="module")
def six() -> dict[str, float]:
    return describe(NUMBERS, CATEGORIES, LABELS, classes=2)


BY_HAND = {
    "NumberOfInstances": 6,
    "LogNumberOfInstances": np.log(6),
    "NumberOfFeatures": 4,
    "LogNumberOfFeatures": np.log(4),
    "NumberOfInstancesWithMissingValues": 3,
    "PercentageOfInstancesWithMissingValues": 0.5,
    "NumberOfFeaturesWithMissingValues": 3,
    "PercentageOfFeaturesWithMissingValues": 0.75,
    "NumberOfMissingValues": 3,
    "PercentageOfMissingValues": 3 / 24,
    "NumberOfNumericFeatures": 2,
    "NumberOfCategoricalFeatures": 2,
    "RatioNumericalToNominal": 1,
    "RatioNominalToNumerical": 1,
    "DatasetRatio": 4 / 6,
    "LogDatasetRatio": np.log(4 / 6),
    "InverseDatasetRatio": 1.5,
    "LogInverseDatasetRatio": np.log(1.5),
    "NumberOfClasses": 2,
    "ClassProbabilityMin": 1 / 3,
    "ClassProbabilityMax": 2 / 3,
    "ClassProbabilityMean": 0.5,
    "ClassProbabilitySTD": 1 / 6,
    "ClassEntropy": np.log2(3) - 2 / 3,
    "SymbolsMin": 2,
    "SymbolsMax": 3,
    "SymbolsMean": 2.5,
    "SymbolsSTD": 0.5,
    "SymbolsSum": 5,
    # Column 1, about its mean 4: squares sum to 40, cubes to 90, fourth powers to 724.
    # Column 2 holds 0, 0, 0, 1, 0: variance .16, third moment .096, fourth .0832.
    "KurtosisMin": 6 * 724 / 40**2 - 3,
    "KurtosisMax": 0.0832 / 0.16**2 - 3,
    "SkewnessMin": (90 / 6) / (40 / 6) ** 1.5,
    "SkewnessMax": 0.096 / 0.16**1.5,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_six_rows_by_hand(name: str, six: dict[str, float]) -> None:
    assert six[name] == pytest.approx(BY_HAND[name], rel=1e-12)


def test_there_are_auto_sklearns_46_for_classes_and_as_many_names_as_values() -> None:
    assert len(METAFEATURES["classification"]) == len(set(METAFEATURES["classification"])) == 46
    found = describe(NUMBERS, CATEGORIES, NUMBERS[:, 0], classes=0)
    assert tuple(found) == METAFEATURES["regression"]
    assert "NumberOfClasses" not in found


def test_wine_has_the_values_that_pymfe_gives_it() -> None:
    X, y = load_wine(return_X_y=True)
    theirs = {  # pymfe 0.4.4, kurtosis and skewness by its method 1
        "DatasetRatio": 0.07303370786516854,
        "InverseDatasetRatio": 13.692307692307692,
        "ClassEntropy": 1.5668222768551812,
        "ClassProbabilityMin": 0.2696629213483146,
        "ClassProbabilityMax": 0.398876404494382,
        "KurtosisMin": -1.0896753288585044,
        "KurtosisMax": 2.0128060084773907,
        "KurtosisMean": -0.026964671560117504,
        "SkewnessMin": -0.30468992894361013,
        "SkewnessMax": 1.088914887210701,
        "SkewnessMean": 0.3472107055606966,
    }
    found = describe(X, np.zeros((len(X), 0)), y, classes=3)
    assert {name: found[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)


def test_components_are_those_of_scikit_learn() -> None:
    from scipy.stats import kurtosis
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    X, y = load_wine(return_X_y=True)
    found = describe(X, np.zeros((len(X), 0)), y, classes=3)
    pca = PCA().fit(scaled := StandardScaler().fit_transform(X))
    needed = np.searchsorted(np.cumsum(pca.explained_variance_ratio_), 0.95) + 1
    assert found["PCAFractionOfComponentsFor95PercentVariance"] == needed / 13
    assert found["PCAKurtosisFirstPC"] == pytest.approx(kurtosis(pca.transform(scaled)[:, 0]))


def test_landmarks_tell_what_is_learned_easily() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    found = describe(X, np.zeros((len(X), 0)), y, classes=2)
    assert found["LandmarkLDA"] > 0.93
    assert 0.6 < found["LandmarkRandomNodeLearner"] < found["LandmarkLDA"]
    noise = describe(X, np.zeros((len(X), 0)), np.random.default_rng(0).permutation(y), classes=2)
    assert noise["LandmarkLDA"] < 0.68  # 63 % are of one class
    X, y = load_diabetes(return_X_y=True)
    ridge = describe(X, np.zeros((len(X), 0)), y, classes=0)
    assert 0.3 < ridge["LandmarkRidge"] < 0.6
    assert ridge["CorrelationMax"] == pytest.approx(max(abs(np.corrcoef(X[:, j], y)[0, 1]) for j in range(10)))


@pytest.mark.parametrize(("rows", "distinct"), [(300, None), (300, 2), (12_000, None)])
def test_order_and_names_of_classes_do_not_matter(rows: int, distinct: int | None) -> None:
    rng = np.random.default_rng(0)
    numbers, categories = rng.normal(size=(rows, 4)), rng.integers(0, 5, (rows, 3))
    if distinct is not None:  # many rows are equal up to the order of their values, and some altogether
        numbers, categories = rng.integers(0, distinct, (rows, 12)).astype(float), rng.integers(1, 3, (rows, 3))
    numbers[rng.random(numbers.shape) < 0.1] = NAN
    y = (np.nan_to_num(numbers[:, 0]) > 0.3).astype(float) + (categories[:, 0] == 2)
    plain = describe(numbers, categories, y, classes=3)
    order, renamed = rng.permutation(rows), np.array([2.0, 0.0, 1.0])[y.astype(int)]
    other = describe(
        numbers[order][:, rng.permutation(numbers.shape[1])], categories[order][:, [1, 2, 0]], renamed[order], classes=3
    )
    assert other == pytest.approx(plain, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("classes", [0, 1, 2])
def test_all_are_finite_whatever_is_missing(classes: int) -> None:
    y = np.arange(5.0) % max(classes, 1)
    nothing = np.full((5, 2), NAN)
    assert all(np.isfinite(list(describe(nothing, np.zeros((5, 1)), y, classes=classes).values())))
    one = describe(np.ones((1, 1)), np.zeros((1, 0)), np.zeros(1), classes=classes)
    assert all(np.isfinite(list(one.values())))
