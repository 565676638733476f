"""The estimators as their user sees them: fit, predict, determinism, scikit-learn's tools, limits and errors."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace, Constant
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import classifier, numbers, regressor

from automl import AutoNetClassifier, AutoNetRegressor
from automl.errors import DataError, SearchFailed, SettingError
from automl.search.trial import State
from automl.settings import space_settings

X, LABELS, VALUES = numbers()
FAMILIES = ["gradient_boosting", "mlp", "linear"]


@pytest.fixture(scope="module")
def fitted() -> AutoNetClassifier:
    return classifier(n_trials=3, families=FAMILIES).fit(X, LABELS)


@pytest.fixture(scope="module")
def fitted_regressor() -> AutoNetRegressor:
    return regressor(n_trials=3, families=FAMILIES).fit(X, VALUES)


def test_a_classifier_predicts_labels_and_their_probabilities(fitted: AutoNetClassifier) -> None:
    assert fitted.classes_.tolist() == ["no", "yes"]
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (80, 2)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(80))
    assert np.array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(axis=1)])
    assert fitted.score(X, LABELS) > 0.9


def test_a_regressor_predicts_values(fitted_regressor: AutoNetRegressor) -> None:
    predicted = fitted_regressor.predict(X)
    assert (predicted.shape, predicted.dtype) == ((80,), np.float64)
    assert fitted_regressor.score(X, VALUES) > 0.9


def test_targets_with_a_large_offset_are_predicted_as_well_as_those_without() -> None:
    near = regressor().fit(X, VALUES).predict(X)
    far = regressor().fit(X, VALUES + 1e9).predict(X) - 1e9
    assert r2_score(VALUES, far) > r2_score(VALUES, near) - 0.05


def test_leaderboard_lists_every_trial_best_first(fitted: AutoNetClassifier) -> None:
    table = fitted.leaderboard()
    assert table["rank"].tolist() == [1, 2, 3]
    assert set(table["family"]) <= set(FAMILIES)
    assert table["loss"].is_monotonic_increasing
    assert table["weight"].sum() == pytest.approx(1)
    assert set(table["state"]) == {"done"}


def test_ensemble_is_no_worse_than_the_best_trial(fitted: AutoNetClassifier) -> None:
    assert fitted.validation_loss_ <= min(trial.loss for trial in fitted.history_) + 1e-6


def test_same_seed_and_trials_give_the_same_predictions(fitted: AutoNetClassifier) -> None:
    again = clone(fitted).fit(X, LABELS)
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert [t.loss for t in again.history_] == [t.loss for t in fitted.history_]


def test_order_of_the_rows_does_not_matter(fitted: AutoNetClassifier) -> None:
    mixed = np.random.default_rng(1).permutation(80)
    again = clone(fitted).fit(X[mixed], LABELS[mixed])
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_refit_trains_every_member_on_all_rows(kind: str) -> None:
    y = LABELS if kind == "classification" else VALUES
    make = classifier if kind == "classification" else regressor
    model = make(n_trials=3, families=FAMILIES).fit(X, y)
    weights = model.ensemble_.weights
    assert all(len(member.folds) == 2 for member in model.ensemble_.members)
    assert model.refit(X, y) is model
    assert all(len(member.folds) == 1 for member in model.ensemble_.members)
    assert model.ensemble_.weights == weights
    assert model.score(X, y) > 0.9


def test_refit_refuses_other_labels() -> None:
    model = classifier().fit(X, LABELS)
    with pytest.raises(DataError, match="where fit saw"):
        model.refit(X, np.where(LABELS == "yes", "maybe", "no"))
    assert model.classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    "labels",
    [np.array(["a", "b"]), np.array([False, True]), np.array([-5, -2]), np.array([0.0, 1.0])],
    ids=["str", "bool", "negative", "float"],
)
def test_labels_come_back_as_they_were(labels: Any) -> None:
    y = labels[(LABELS == "yes").astype(int)]
    predicted = classifier().fit(X, y).predict(X)
    assert predicted.dtype == labels.dtype
    assert set(predicted) == set(labels)


def test_a_class_with_one_member_is_one_of_the_classes() -> None:
    y = LABELS.copy().astype("<U4")
    y[5] = "lone"
    model = classifier(metric="roc_auc_ovr").fit(X, y)
    assert model.classes_.tolist() == ["lone", "no", "yes"]
    assert model.predict_proba(X).shape == (80, 3)


def test_scikit_learns_tools_take_the_estimators() -> None:
    pipeline = make_pipeline(StandardScaler(), classifier())
    assert cross_val_score(pipeline, X, LABELS, cv=2).mean() > 0.8
    search = GridSearchCV(regressor(), {"ensemble_size": [1, 5]}, cv=2).fit(X, VALUES)
    assert search.best_params_["ensemble_size"] in (1, 5)
    assert clone(classifier(n_trials=7)).get_params()["n_trials"] == 7


def test_sample_weights_decide_between_contradicting_rows() -> None:
    rows, y = np.vstack([X, X]), np.repeat(["no", "yes"], 80)
    favoured = classifier().fit(rows, y, sample_weight=np.repeat([1.0, 9.0], 80))
    assert favoured.predict_proba(X)[:, 1].mean() == pytest.approx(0.9, abs=0.03)


def test_metric_without_weights_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(SettingError, match="takes no sample_weight"):
        regressor(metric="neg_max_error").fit(X, VALUES, sample_weight=np.linspace(1, 2, 80))


def test_groups_are_kept_together() -> None:
    groups = np.arange(80) // 2
    twins = np.repeat(np.random.default_rng(0).normal(size=(40, 3)), 2, axis=0)
    y = np.repeat(np.random.default_rng(1).permutation(40) % 2, 2)
    # Each row has a twin of the same label and nothing else to learn from: with the twins apart, trees know it all.
    model = classifier(families=["gradient_boosting"], n_trials=1, resampling=4).fit(twins, y, groups=groups)
    assert model.validation_loss_ > 0.5


def test_a_splitter_sees_the_rows_in_their_own_order() -> None:
    trend = np.arange(80.0)
    # Trees cannot say of the future what lies outside what was seen.
    model = regressor(families=["gradient_boosting"], resampling=TimeSeriesSplit(2)).fit(trend[:, None], trend)
    assert model.validation_loss_ > 1


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        (["linear"], {"linear"}),
        ("linear", {"linear"}),
        ({"include": ["linear", "gradient_boosting"], "exclude": ["gradient_boosting"]}, {"linear"}),
        ({"exclude": sorted({*space_settings("default").families} - {"linear", "mlp"})}, {"linear", "mlp"}),
    ],
    ids=["list", "name", "include", "exclude"],
)
def test_families_can_be_chosen(families: Any, expected: set[str]) -> None:
    model = classifier(families=families, n_trials=2).fit(X, LABELS)
    assert {trial.config["family"] for trial in model.history_} == expected


class Nearest:
    """A user's own family."""

    name = "nearest"
    inputs = "one-hot"
    trusted = ("sklearn.neighbors._kd_tree.KDTree", "sklearn.metrics._dist_metrics.EuclideanDistance64")

    def space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"n_neighbors": (1, 9)})

    def build(self, shape: Any, *, n_neighbors: int) -> Any:
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(n_neighbors)


class OneLayer:
    """A user's own network."""

    name = "one_layer"

    def space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"bias": [True, False]})

    def build(self, shape: Any, *, bias: bool) -> Any:
        from torch import nn

        return nn.Linear(shape.inputs, shape.outputs, bias=bias)


@pytest.mark.parametrize("own", [Nearest(), OneLayer()], ids=["estimator", "network"])
def test_a_family_of_ones_own_takes_twenty_lines(own: Any) -> None:
    model = classifier(families=["linear", own]).fit(X, LABELS)
    assert {trial.config["family"] for trial in model.history_} == {"linear", own.name}
    assert all(trial.state is State.DONE for trial in model.history_)


def test_a_family_whose_models_could_not_be_loaded_fails_with_the_cure() -> None:
    class Careless(Nearest):
        name = "careless"
        trusted = ()

    model = classifier(families=["linear", Careless()]).fit(X, LABELS)
    (failed,) = (trial for trial in model.history_ if trial.state is State.CRASHED)
    assert "KDTree, which are not loaded unasked" in failed.result.error


def test_search_space_updates_hold_in_every_trial() -> None:
    update = ConfigurationSpace()
    update.add(Constant("linear:strength", 0.5))
    model = classifier(n_trials=3, search_space=update).fit(X, LABELS)
    assert {trial.config["linear:strength"] for trial in model.history_} == {0.5}


def test_warm_start_is_tried_first() -> None:
    first = {"family": "linear", "linear:strength": 3.0}
    model = classifier(warm_start=[first]).fit(X, LABELS)
    assert model.history_[0].config["linear:strength"] == 3.0
    again = classifier(warm_start=model.history_).fit(X, LABELS)
    assert again.history_[0].config == min(model.history_.done, key=lambda t: t.loss).config


def test_a_metric_may_be_a_function() -> None:
    def hits(estimator: Any, rows: Any, y: Any) -> float:
        return float(np.mean(estimator.predict(rows) == y))

    model = classifier(metric=hits).fit(X, LABELS)
    assert (model.metric_name_, model.validation_loss_ < -0.8) == ("hits", True)


def test_time_limit_holds_for_all_of_fit() -> None:
    began = time.monotonic()
    model = classifier(n_trials=None, time_limit=4.0).fit(X, LABELS)
    assert time.monotonic() - began < 4 + 2
    assert len(model.history_.done) >= 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_trials": 0}, r"n_trials 0 must be a whole number of at least 1"),
        ({"time_limit": -1}, r"time_limit -1 must be a number of seconds above 0"),
        ({"optimizer": "bobh"}, r"unknown optimizer 'bobh'; did you mean 'bohb'\?"),
        ({"fidelities": "epoch"}, r"unknown fidelity 'epoch'; did you mean 'epochs'\?"),
        ({"search_space": "defualt"}, r"unknown search space 'defualt'; did you mean 'default'\?"),
        ({"families": ["mpl"]}, r"unknown family 'mpl'; did you mean 'mlp'\?"),
        ({"families": [object()]}, r"is no family: it needs"),
        ({"families": {"exclude": ["x"]}}, r"unknown family to exclude 'x'"),
        ({"families": {"without": ["x"]}}, r"unknown key of families 'without'"),
        ({"metric": "acuracy"}, r"unknown metric 'acuracy'; did you mean 'accuracy'\?"),
        ({"metric": "neg_root_mean_squared_error"}, r"cannot score a classification"),
        ({"resampling": 1}, r"resampling 1: a number of folds is a whole number >= 2"),
        ({"resampling": "kfold"}, r"resampling 'kfold' is neither a share"),
        ({"ensemble_size": 1.5}, r"ensemble_size 1.5 must be a whole number"),
        ({"n_jobs": 0}, r"n_jobs 0 must be a whole number other than 0"),
        ({"memory_limit": "1G"}, r"memory_limit '1G' must be a number of MiB above 0"),
        ({"trial_time_limit": float("inf")}, r"trial_time_limit inf must be a number of seconds"),
        ({"device": "gpu"}, r"unknown device 'gpu'"),
        ({"warm_start": "yes"}, r"unknown warm start 'yes'"),
        ({"warm_start": [{"linear:strenght": 1.0}]}, r"unknown hyperparameter 'linear:strenght'; did you mean"),
        ({"preset": "medum"}, r"unknown preset 'medum'; did you mean 'medium'\?"),
        ({"random_state": "x"}, r"random_state 'x'"),
        ({"random_state": -1}, r"random_state -1 is outside \[0, 2\*\*32\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_parameters_are_named_with_the_rule_and_leave_nothing_fitted(wrong: Any, message: str) -> None:
    model = classifier(**wrong)
    with pytest.raises(SettingError, match=message):
        model.fit(X, LABELS)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert not hasattr(model, "classes_")


class Broken:
    name = "broken"
    inputs = "one-hot"

    def space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"k": (1, 9)})

    def build(self, shape: Any, *, k: int) -> Any:
        raise RuntimeError("the well is dry")


def test_a_search_in_which_all_trials_fail_names_the_causes() -> None:
    model = classifier(families={"include": ["linear", Broken()], "exclude": ["linear"]}, n_trials=2)
    with pytest.raises(SearchFailed, match=r"(?s)none of 2 trials succeeded.*2 × crashed.*the well is dry"):
        model.fit(X, LABELS)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_one_family_that_fails_does_not_spoil_the_search() -> None:
    model = classifier(families=["linear", Broken()]).fit(X, LABELS)
    assert {t.config["family"]: t.state for t in model.history_} == {"linear": State.DONE, "broken": State.CRASHED}
    assert model.leaderboard()["state"].tolist() == ["done", "crashed"]


@pytest.mark.parametrize(
    ("rows", "y", "message"),
    [
        (X, None, "requires y to be passed"),
        (X, LABELS[:-1], "inconsistent numbers of samples"),
        (X, np.full(80, "yes"), "1 class only"),
        (X[:, 0], LABELS, "Reshape your data"),
        (X[:2], ["no", "yes"], "n_samples=2 is too few"),
        (X[:0], LABELS[:0], "0 samples"),
    ],
    ids=["no y", "short y", "one class", "one axis", "two rows", "no rows"],
)
def test_data_that_cannot_be_learned_from_are_refused(rows: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(rows, y)
