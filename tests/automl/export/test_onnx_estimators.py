"""Estimators in a graph: no branch flips, whatever is missing, new, or exactly at a threshold."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sessions import computed
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from automl.architectures.catalogue import family
from automl.architectures.family import Shape, native
from automl.architectures.learner import Rows
from automl.errors import ExportError
from automl.evaluation.fitted import EstimatorModel, estimator_inputs
from automl.evaluation.target import Target
from automl.export.estimators import convert_estimator
from automl.preprocessing.columns import Arrays
from automl.preprocessing.dense import DensePreparer

EXACT = 1e-12
LEVELS = (6, 60, 200)
NONE = np.empty((0, 0), dtype=np.int32)


def table(rows: int = 400, seed: int = 0, coded: bool = True) -> Arrays:
    """Numbers of single precision, some large and close together, some missing; codes, 0 among them."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 4))
    numbers[:, 1] = 2.0**23 + rng.integers(0, 300, rows)
    numbers[:, 2] = rng.choice([0.1, 0.2, 0.3], rows)
    numbers[rng.random((rows, 4)) < 0.1] = np.nan
    codes = np.column_stack([rng.integers(0, size, rows) for size in LEVELS])
    return Arrays(numbers.astype(np.float32), codes[:, : len(LEVELS) if coded else 0].astype(np.int32))


def target(arrays: Arrays, classes: int) -> Any:
    """Values that follow from numbers, missing ones and codes; or their quantiles as classes."""
    numbers = np.nan_to_num(arrays.numbers - np.float32([0, 2.0**23, 0, 0]), nan=1.5).astype(np.float64)
    values = numbers[:, 0] + numbers[:, 1] / 100 + numbers[:, 2] * 5
    for j in range(arrays.codes.shape[1]):
        values = values + np.sin(arrays.codes[:, j] * 7)
    if classes == 1:
        return values
    return np.searchsorted(np.quantile(values, np.arange(1, classes) / classes), values)


def fitted(estimator: Any, arrays: Arrays, y: Any, preparer: DensePreparer | None = None) -> EstimatorModel:
    levels = LEVELS if arrays.codes.shape[1] else ()
    if "categorical_features" in estimator.get_params():
        estimator.set_params(categorical_features=[j >= 4 for j in range(4 + len(levels))])
    outputs = 1 if np.asarray(y).dtype.kind == "f" else int(np.max(y)) + 1
    estimator.fit(estimator_inputs(arrays, preparer, levels), y)
    return EstimatorModel(estimator, preparer, levels, Target(outputs))


def assert_same(model: EstimatorModel, *tables: Arrays, close: float = EXACT) -> None:
    for arrays in tables:
        found = computed(lambda graph, encoded: convert_estimator(graph, model, encoded), arrays, model.levels)
        np.testing.assert_allclose(found, model.predict(arrays), rtol=close, atol=close)


def around(thresholds: Any, arrays: Arrays) -> Arrays:
    """Rows whose numbers are thresholds in single precision, rounded up and down, and their neighbours."""
    near = np.unique(np.asarray(thresholds)[np.isfinite(thresholds)].astype(np.float32))
    near = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    rows = np.random.default_rng(0).integers(len(arrays), size=len(near))
    return Arrays(np.repeat(near[:, None], arrays.numbers.shape[1], axis=1), arrays.codes[rows])


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("coded", [True, False], ids=["categories", "numbers"])
def test_boosting_takes_the_same_branches(classes: int, coded: bool) -> None:
    kind = HistGradientBoostingRegressor if classes == 1 else HistGradientBoostingClassifier
    train = table(coded=coded)
    model = fitted(kind(max_iter=40, min_samples_leaf=2, random_state=0), train, target(train, classes))
    nodes = np.concatenate([tree.nodes for grown in model.estimator._predictors for tree in grown])
    assert nodes["is_categorical"].any() == coded
    assert nodes["missing_go_to_left"].any()
    thresholds = nodes["num_threshold"][(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
    other = table(seed=1, coded=coded)
    assert_same(model, train, other, other.take(slice(1)), around(thresholds, train))
    nothing = Arrays(np.full((3, 4), np.nan, dtype=np.float32), np.zeros((3, train.codes.shape[1]), dtype=np.int32))
    assert_same(model, nothing)


def test_boosting_knows_codes_that_its_rows_do_not_have() -> None:
    train = table()
    few = train.take(train.codes[:, 0] < 3)
    model = fitted(HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=2), few, target(few, 3))
    assert_same(model, train, Arrays(train.numbers, train.codes * 0))


@pytest.mark.parametrize("loss", ["poisson", "gamma", "absolute_error"])
def test_boosting_of_another_loss_is_inverted(loss: str) -> None:
    train = table(coded=False)
    model = fitted(HistGradientBoostingRegressor(loss=loss, max_iter=10), train, np.exp(target(train, 1) / 4))
    assert_same(model, train)


def test_boosting_without_a_split_is_a_constant() -> None:
    train = table(coded=False)
    model = fitted(HistGradientBoostingRegressor(min_samples_leaf=10_000), train, target(train, 1))
    assert_same(model, train)


FORESTS = [
    *(DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreesClassifier, ExtraTreesRegressor),
    *(RandomForestClassifier, RandomForestRegressor),
]


@pytest.mark.parametrize("kind", FORESTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("depth", [None, 1, 4])
def test_forests_take_the_same_branches(kind: Any, depth: int | None) -> None:
    train, y = table(), target(table(), 1 if kind.__name__.endswith("Regressor") else 3)
    size = {} if kind.__name__.startswith("Decision") else {"n_estimators": 7}
    model = fitted(kind(max_depth=depth, random_state=0, **size), train, y)
    trees = getattr(model.estimator, "estimators_", [model.estimator])
    thresholds = np.concatenate([tree.tree_.threshold[tree.tree_.children_left >= 0] for tree in trees])
    assert_same(model, train, table(seed=1), table(1), around(thresholds, train))


def test_a_forest_of_leaves_is_a_constant() -> None:
    train = table(coded=False)
    model = fitted(RandomForestClassifier(n_estimators=3, min_samples_leaf=10_000), train, target(train, 3))
    assert_same(model, train)


def test_random_trees_are_the_same() -> None:
    """Trees of all shapes: a root with a leaf and a node that have one number is not taken for a leaf."""
    rng = np.random.default_rng(0)
    for seed in range(25):
        train = table(rows=int(rng.integers(5, 60)), seed=seed)
        leaves = int(rng.integers(2, 9))
        model = fitted(
            RandomForestRegressor(n_estimators=5, max_leaf_nodes=leaves, random_state=seed), train, target(train, 1)
        )
        assert_same(model, train)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_linear_models_are_the_same(classes: int) -> None:
    train = table()
    preparer = DensePreparer.fit(train, levels=LEVELS)
    estimator = Ridge() if classes == 1 else LogisticRegression(C=10)
    model = fitted(estimator, train, target(train, classes), preparer)
    assert_same(model, train, table(seed=1), table(1))


def test_a_class_that_was_absent_has_a_small_probability() -> None:
    train = table(coded=False)
    y = np.where(target(train, 2) == 1, 3, 0)
    model = fitted(HistGradientBoostingClassifier(max_iter=5), train, y)
    assert model.target.outputs == 4
    assert_same(model, train, table(seed=1, coded=False))


def test_a_fold_of_one_class_is_a_constant() -> None:
    train = table()
    model = fitted(DummyClassifier(), train, np.full(400, 2))
    assert_same(model, train, table(1))


def learned(name: str, arrays: Arrays, classes: int, preparer: DensePreparer | None = None, **changes: Any) -> Any:
    """A learner of a family, by the family's defaults but for the changes."""
    levels, made = LEVELS if arrays.codes.shape[1] else (), family(name)
    X, y = estimator_inputs(arrays, preparer, levels), target(arrays, classes)
    codes = tuple(n - 1 for n in levels) if preparer is None else ()
    shape = Shape(X.shape[1], classes, len(arrays), numbers=X.shape[1] - len(codes), levels=codes)
    learner = made.build(shape, **{**native(dict(made.space().get_default_configuration())), **changes})
    learner.fit_within(Rows(X, y, None), Rows(X[::3], y[::3], None), share=0.03, seed=0, deadline=None)
    return EstimatorModel(learner, preparer, levels, Target(classes))


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("coded", [True, False], ids=["categories", "numbers"])
@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "lightgbm"])
def test_learners_of_trees_take_the_same_branches(name: str, coded: bool, classes: int) -> None:
    train = table(coded=coded)
    model = learned(name, train, classes)
    _, arrays = model.estimator.state()
    if "threshold" in arrays:
        thresholds = arrays["threshold"]
    else:
        found = re.findall(r"^threshold=(.*)$", arrays["model"].tobytes().decode(), re.MULTILINE)
        thresholds = np.array(" ".join(found).split(), dtype=np.float64)
    nothing = Arrays(np.full((3, 4), np.nan, dtype=np.float32), np.zeros((3, train.codes.shape[1]), dtype=np.int32))
    assert_same(model, train, table(seed=1, coded=coded), train.take(slice(1)), around(thresholds, train), nothing)


@pytest.mark.parametrize("name", ["random_forest", "lightgbm"])
def test_learners_of_trees_know_where_to_go_with_what_training_never_missed(name: str) -> None:
    train = table(coded=False)
    train = train.take(~np.isnan(train.numbers).any(axis=1))
    assert_same(learned(name, train, 3), train, table(seed=1, coded=False))


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("weights", ["inverse", "bell"])
@pytest.mark.parametrize("n_neighbors", [1, 20, 1000])
def test_nearest_neighbours_are_the_same_also_among_equal_rows(n_neighbors: int, weights: str, classes: int) -> None:
    once = table(rows=60)
    train = once.take(np.arange(180) % 60)
    preparer = DensePreparer.fit(train, levels=LEVELS, encoding="ordinal")
    model = learned("nearest_neighbors", train, classes, preparer, n_neighbors=n_neighbors, weights=weights)
    assert_same(model, once, table(seed=1), table(1), close=1e-5)


def test_nearest_neighbours_of_one_row_are_its_value() -> None:
    train = table(rows=1)
    preparer = DensePreparer.fit(train, levels=LEVELS)
    assert_same(learned("nearest_neighbors", train, 1, preparer), table(seed=1), close=1e-6)


def test_nearest_neighbours_of_many_one_hot_columns_are_the_same() -> None:
    train = table(rows=100)
    many = (*LEVELS[:2], 400)
    preparer = DensePreparer.fit(train, levels=many)
    X = estimator_inputs(train, preparer, many)
    assert not isinstance(X, np.ndarray)
    learner = family("nearest_neighbors").build(Shape(X.shape[1], 3, 100), n_neighbors=7, weights="bell", smoothing=0.3)
    y = target(train, 3)
    learner.fit_within(Rows(X, y, None), Rows(X, y, None), share=1.0, seed=0, deadline=None)
    assert_same(EstimatorModel(learner, preparer, many, Target(3)), train, table(seed=1), close=1e-5)


OTHERS = [
    *(GaussianNB(), MLPClassifier((5,), max_iter=20, random_state=0), LinearDiscriminantAnalysis()),
    *(SVR(), KNeighborsClassifier(), KNeighborsRegressor()),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", OTHERS, ids=str)
def test_other_estimators_go_through_skl2onnx(estimator: Any) -> None:
    train = table(rows=80)
    preparer = DensePreparer.fit(train, levels=LEVELS, reduction="pca", encoding="ordinal", components=4)
    classes = 3 if hasattr(estimator, "predict_proba") else 1
    model = fitted(estimator, train, target(train, classes), preparer)
    assert_same(model, train, table(seed=1), table(1), close=1e-5)


def test_what_skl2onnx_cannot_convert_is_refused() -> None:
    class Own(DecisionTreeClassifier):
        pass

    train = table(coded=False)
    with pytest.raises(ExportError, match="Own has no ONNX form in skl2onnx"):
        assert_same(fitted(Own(), train, target(train, 3)), train)


def test_operators_that_onnx_gave_up_are_refused() -> None:
    train = table(coded=False)
    preparer = DensePreparer.fit(train)
    model = fitted(GradientBoostingClassifier(n_estimators=3), train, target(train, 3), preparer)
    with pytest.raises(ExportError, match="GradientBoostingClassifier needs the operator TreeEnsemble"):
        assert_same(model, train)


def test_a_conversion_that_predicts_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    train = table(coded=False)
    model = fitted(GaussianNB(), train, target(train, 3), DensePreparer.fit(train))
    monkeypatch.setattr(GaussianNB, "predict_proba", lambda self, X: np.full((len(X), 3), 1 / 3))
    with pytest.raises(ExportError, match=r"GaussianNB as converted by skl2onnx predicts otherwise \(by up to 0"):
        assert_same(model, train)
