"""Every scorer becomes a loss, and the fast losses equal scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import f1_score, get_scorer, make_scorer, roc_auc_score

from automl.errors import DataError, SettingError
from automl.metrics import FAST, OF_LOGARITHMS, OF_RATIOS, Metric

RNG = np.random.default_rng(0)
CLASSES = np.array(["ant", "bee", "cat"])
Y = RNG.integers(0, 3, 60)
PROBABILITIES = RNG.dirichlet(np.ones(3), 60)
VALUES = RNG.normal(size=(60, 1))
TARGETS = RNG.normal(size=60)
WEIGHT = RNG.uniform(0.1, 2, 60)


class Answers(DummyClassifier):
    """A fitted classifier that answers with the predictions above."""

    def fit(self, X: Any, y: Any) -> Answers:
        self.classes_ = CLASSES
        return self

    def predict_proba(self, X: Any) -> Any:
        return PROBABILITIES

    def predict(self, X: Any) -> Any:
        return CLASSES[PROBABILITIES.argmax(axis=1)]


class ValueAnswers(DummyRegressor):
    """The same for values."""

    def predict(self, X: Any) -> Any:
        return VALUES[:, 0]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("name", sorted(FAST))
def test_fast_losses_equal_scikit_learns_scorers(name: str, weight: Any) -> None:
    args = {} if weight is None else {"sample_weight": weight}
    rows = np.zeros((60, 1))
    if FAST[name][0] == "regression":
        loss = Metric(name).loss(TARGETS, VALUES, weight)
        score = get_scorer(name)(ValueAnswers().fit([[0]], [0]), rows, TARGETS, **args)
    else:
        loss = Metric(name, CLASSES).loss(Y, PROBABILITIES, weight)
        score = get_scorer(name)(Answers().fit([[0]], [0]), rows, CLASSES[Y], **args)
    assert loss == pytest.approx(-score if name.startswith("neg_") else 1 - score, rel=1e-9)


def test_log_loss_of_a_certain_mistake_is_finite() -> None:
    loss = Metric("neg_log_loss", CLASSES[:2]).loss(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert loss == pytest.approx(-np.log(np.finfo(np.float32).eps) / 2)


def test_root_mean_squared_error_of_large_targets_is_exact() -> None:
    y = 1e9 + np.arange(4.0)
    assert Metric("neg_root_mean_squared_error").loss(y, y[:, None] + 3) == 3


@pytest.mark.parametrize("name", ["f1_macro", "balanced_accuracy", "matthews_corrcoef", "roc_auc_ovr", "roc_auc_ovo"])
def test_any_scorer_of_classes_is_one_minus_its_score(name: str) -> None:
    metric = Metric(name, CLASSES)
    metric.check()
    score = get_scorer(name)(Answers().fit([[0]], [0]), np.zeros((60, 1)), CLASSES[Y])
    assert metric.loss(Y, PROBABILITIES) == pytest.approx(1 - score)


@pytest.mark.parametrize("name", ["r2", "neg_median_absolute_error", "neg_max_error", "explained_variance"])
def test_any_scorer_of_values_is_a_loss(name: str) -> None:
    metric = Metric(name)
    metric.check()
    score = get_scorer(name)(ValueAnswers().fit([[0]], [0]), np.zeros((60, 1)), TARGETS)
    assert metric.loss(TARGETS, VALUES) == pytest.approx(-score if name.startswith("neg_") else 1 - score)


@pytest.mark.parametrize("name", [*OF_LOGARITHMS, *OF_RATIOS])
def test_values_that_a_metric_cannot_judge_are_judged_as_the_least_that_it_can(name: str) -> None:
    metric, y = Metric(name), np.array([1.0, 2.0, 3.0])
    least = metric.least(y)
    assert least == (0.0 if name in OF_LOGARITHMS else pytest.approx(2 / 5))
    low, high = np.array([[-2.0], [2.0], [3.0]]), np.array([[least], [2.0], [3.0]])
    assert metric.loss(y, low) == pytest.approx(metric.loss(y, high))
    assert metric.loss(y, high) > 0
    metric.check(y)
    with pytest.raises(DataError, match=rf"metric '{name}' cannot judge these targets, from -2 to 3: .*; choose"):
        metric.check(np.array([-2.0, 0.0, 3.0]))


def test_other_metrics_judge_what_is_answered() -> None:
    assert Metric("r2").least(TARGETS) is None
    assert Metric("accuracy", CLASSES).least(Y) is None


def test_area_under_the_curve_of_two_classes_uses_the_second_one() -> None:
    y = np.array([0, 0, 1, 1])
    outputs = np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
    assert Metric("roc_auc", np.array(["no", "yes"])).loss(y, outputs) == pytest.approx(0.25)  # 3 of 4 pairs in order


def test_scorer_functions_are_negated() -> None:
    made = make_scorer(f1_score, average="macro")
    expected = f1_score(Y, PROBABILITIES.argmax(axis=1), average="macro")
    assert Metric(made, CLASSES).loss(Y, PROBABILITIES) == pytest.approx(-expected)


def test_a_plain_function_is_named_by_itself_and_sees_the_labels() -> None:
    def share_of_ants(estimator: Any, X: Any, y: Any) -> float:
        assert set(y) <= set(CLASSES)
        return float(np.mean(estimator.predict(X) == "ant"))

    metric = Metric(share_of_ants, CLASSES)
    assert metric.name == "share_of_ants"
    assert metric.loss(Y, PROBABILITIES) == -np.mean(PROBABILITIES.argmax(axis=1) == 0)


def test_classes_that_do_not_occur_are_left_out_where_a_scorer_cannot_bear_them() -> None:
    seen = Y < 2
    loss = Metric("roc_auc_ovr", CLASSES).loss(Y[seen], PROBABILITIES[seen])
    two = PROBABILITIES[seen][:, :2]
    assert loss == pytest.approx(1 - roc_auc_score(Y[seen], two[:, 1] / two.sum(axis=1)))


def test_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(SettingError, match=r"unknown metric 'accurracy'; did you mean 'accuracy'\?"):
        Metric("accurracy", CLASSES).check()


@pytest.mark.parametrize(("name", "classes"), [("roc_auc", CLASSES), ("r2", CLASSES), ("roc_auc_ovr", None)])
def test_metric_of_another_kind_of_task_is_refused_with_the_cure(name: str, classes: Any) -> None:
    with pytest.raises(SettingError, match=rf"metric '{name}'.*cannot score a .*; choose another name"):
        Metric(name, classes).check()


def test_metric_without_weights_is_refused_only_where_there_are_weights() -> None:
    Metric("neg_max_error").check()
    with pytest.raises(SettingError, match=r"metric 'neg_max_error'.*takes no sample_weight"):
        Metric("neg_max_error").check(weighted=True)
    Metric("neg_log_loss", CLASSES).check(weighted=True)
