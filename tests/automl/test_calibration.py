"""What is done to an ensemble's probabilities: only what helps on rows that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import make_classification
from sklearn.metrics import f1_score, mean_poisson_deviance

from automl import AutoNetClassifier, AutoNetRegressor, load
from automl.calibration import Calibration, at_temperature, fit_factors, fit_floor, fit_temperature, floored
from automl.metrics import Metric, error_rate, log_loss


def drawn(rows: int, classes: int = 3, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Calibrated probabilities and labels that are drawn by them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), rows)
    return p, (p.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)


def test_the_temperature_that_spoilt_probabilities_is_found() -> None:
    p, y = drawn(20_000)
    for spoilt_by in (0.5, 2.0):
        assert fit_temperature(at_temperature(p, spoilt_by), y) == pytest.approx(1 / spoilt_by, rel=0.05)


def test_calibrated_probabilities_are_left_alone() -> None:
    # A useless parameter raises the log-likelihood by half a chi-squared: by more than 1 in 16 of 100 cases.
    changed = [fit_temperature(*drawn(500, seed=seed)) != 1.0 for seed in range(100)]
    assert sum(changed) < 16 + 3 * np.sqrt(100 * 0.16 * 0.84)


def test_a_temperature_keeps_the_order_of_classes_and_the_sum_of_one() -> None:
    p, _ = drawn(100)
    warmer = Calibration(temperature=1.7).corrected(p)
    assert np.array_equal(warmer.argsort(axis=1), p.argsort(axis=1))
    assert warmer.sum(axis=1) == pytest.approx(1.0)
    assert Calibration().corrected(p) is p


def test_a_floor_is_found_for_certain_mistakes_and_is_small_without_any() -> None:
    _, y = drawn(2000)
    certain = np.eye(3)[np.where(np.arange(2000) % 10 == 0, (y + 1) % 3, y)]
    # One in ten is wrong, half as often for each of the other classes: the best share puts .05 on both of them.
    assert fit_floor(certain, y) == pytest.approx(0.15, rel=0.02)
    assert fit_floor(np.eye(3)[y], y) == pytest.approx(1 / 2002, rel=0.01)
    assert Calibration(floor=0.3).corrected(np.eye(3)) == pytest.approx(floored(np.eye(3), 0.3))


def test_values_are_shifted_to_the_median_where_absolute_errors_count() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), rng.exponential(size=300) ** 2
    model = AutoNetRegressor(metric="a_metric", n_trials=1, random_state=0, families=["linear"]).fit(X, y)
    assert model.ensemble_.calibration.shift < 0  # the median of such values is far below their mean
    plain = model.predict(X) - model.ensemble_.calibration.shift
    assert np.abs(y - model.predict(X)).mean() < np.abs(y - plain).mean()


def test_counts_are_predicted_above_zero_where_their_deviance_is_the_metric() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = rng.poisson(np.exp(X[:, 0] - 1)).astype(float)
    model = AutoNetRegressor(metric="neg_mean_poisson_deviance", n_trials=1, random_state=0, families=["linear"])
    predicted = model.fit(X, y).predict(X)  # a line goes below zero on many rows
    assert predicted.min() == model.ensemble_.calibration.least == pytest.approx(y.mean() / 302)
    assert model.history_.done
    assert model.validation_loss_ == pytest.approx(mean_poisson_deviance(y, predicted), rel=0.1)


def balanced_error(y: NDArray[np.int64], p: NDArray[np.float64]) -> float:
    return 1 - float(np.mean([(p.argmax(axis=1)[y == k] == k).mean() for k in np.unique(y)]))


def test_factors_find_the_threshold_of_a_rare_class() -> None:
    # Balanced error is least where the ratio of the probabilities equals that of the classes: factors 1 : 9.
    rng = np.random.default_rng(0)
    y = (rng.random(20_000) < 0.1).astype(np.int64)
    x = rng.normal(size=len(y)) + 1.5 * y
    odds = np.exp(1.5 * x - 1.5**2 / 2) / 9
    p = np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)
    factors = fit_factors(p, y, lambda rows, q: balanced_error(y[rows], q), seed=0)
    assert factors[1] / factors[0] == pytest.approx(9, rel=0.3)


def test_factors_are_refused_where_they_only_fit_noise() -> None:
    found = []
    for seed in range(20):
        p, y = drawn(150, classes=2, seed=seed)  # calibrated: accuracy is best without factors
        found.append(bool(fit_factors(p, y, lambda rows, q, y=y: error_rate(y[rows], q, None), seed=seed)))  # type: ignore[misc]
    assert sum(found) <= 5


def test_no_time_means_no_factors() -> None:
    p, y = drawn(100, classes=2)
    assert fit_factors(p, y, lambda rows, q: error_rate(y[rows], q, None), seed=0, deadline=0.0) == ()


@pytest.mark.parametrize(
    ("name", "proper", "labels"),
    [("neg_log_loss", True, False), ("accuracy", False, True), ("f1", False, True), ("roc_auc", False, False)],
)
def test_metrics_say_what_may_be_corrected(name: str, proper: bool, labels: bool) -> None:
    metric = Metric(name, np.array([0, 1]))
    assert (metric.proper, metric.judges_labels) == (proper, labels)
    regression = Metric("neg_mean_squared_error")
    assert not regression.proper
    assert not regression.judges_labels


@pytest.mark.slow
def test_a_classifier_decides_by_the_metric_and_keeps_it_when_saved(tmp_path: object) -> None:
    X, y = make_classification(4000, 10, weights=[0.93], class_sep=0.6, flip_y=0.05, random_state=0)
    model = AutoNetClassifier(metric="f1", n_trials=4, random_state=0, families=["linear", "gradient_boosting"])
    model.fit(X[:2000], y[:2000])
    assert model.ensemble_.calibration.factors
    most_probable = model.classes_[model.predict_proba(X[2000:]).argmax(axis=1)]
    assert f1_score(y[2000:], model.predict(X[2000:])) > f1_score(y[2000:], most_probable)
    path = f"{tmp_path}/model.autonet"
    model.save(path)
    assert np.array_equal(load(path).predict(X[2000:]), model.predict(X[2000:]))


def test_log_loss_of_an_overconfident_ensemble_falls() -> None:
    p, y = drawn(5000)
    sharp = at_temperature(p, 0.4)
    temperature = fit_temperature(sharp[:2500], y[:2500])
    assert log_loss(y[2500:], at_temperature(sharp[2500:], temperature), None) < log_loss(y[2500:], sharp[2500:], None)
