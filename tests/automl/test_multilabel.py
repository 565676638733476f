"""Several labels of a row go through the whole system, in scikit-learn's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score

from automl import AutoNetClassifier, load
from automl.calibration import Calibration
from automl.challenge_metrics import challenge_score
from automl.errors import ExportError, SettingError
from automl.metrics import Metric
from automl.resampling import make_folds

X, Y = make_multilabel_classification(240, 10, n_classes=3, random_state=1)
Y = Y.astype(np.int64)


@pytest.fixture(scope="module")
def model() -> AutoNetClassifier:
    families = ["linear", "gradient_boosting"]
    return AutoNetClassifier(n_trials=3, metric="f1_metric", families=families, random_state=0).fit(X[:160], Y[:160])


def test_probabilities_and_labels_have_a_column_for_each_label(model: AutoNetClassifier) -> None:
    shares, labels = model.predict_proba(X[160:]), model.predict(X[160:])
    assert shares.shape == labels.shape == (80, 3)
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert set(np.unique(labels)) == {0, 1}
    assert model.classes_.tolist() == [0, 1, 2]
    everything = np.ones_like(labels)
    assert f1_score(Y[160:], labels, average="macro") > f1_score(Y[160:], everything, average="macro")


def test_thresholds_of_their_own_are_learned_and_kept_when_saved(model: AutoNetClassifier, tmp_path: Path) -> None:
    assert model.ensemble_.calibration.apart
    model.save(tmp_path / "m.autonet")
    loaded = load(tmp_path / "m.autonet")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_model_of_several_labels_has_no_onnx_form(model: AutoNetClassifier, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="fit and export one for each label"):
        model.export_onnx(tmp_path / "m.onnx")


def test_rows_may_be_refitted_and_weighted() -> None:
    weight = np.linspace(0.5, 2, 160)
    model = AutoNetClassifier(n_trials=1, families=["linear"], random_state=0).fit(X[:160], Y[:160], weight)
    assert model.refit(X[:160], Y[:160], weight).predict_proba(X[160:]).shape == (80, 3)


@pytest.mark.slow
def test_networks_learn_labels_too() -> None:
    model = AutoNetClassifier(n_trials=2, families=["mlp"], random_state=0).fit(X[:160], Y[:160])
    assert model.predict(X[160:]).shape == (80, 3)


def test_the_loss_is_the_challenges_or_the_mean_of_the_labels() -> None:
    shares, labels = np.random.default_rng(0).random(Y.shape), np.arange(3)
    expected = 1 - challenge_score("bac_metric", Y, shares, "multilabel")
    assert Metric("bac_metric", labels, several=True).loss(Y, shares) == pytest.approx(expected)
    each = [Metric("neg_log_loss", np.arange(2)).loss(y, np.stack([1 - p, p], 1)) for y, p in zip(Y.T, shares.T)]  # noqa: B905
    assert Metric("neg_log_loss", labels, several=True).loss(Y, shares) == pytest.approx(np.mean(each))


def test_a_label_that_no_row_has_does_not_stop_an_area_under_curves() -> None:
    y = Y * [1, 1, 0]
    assert np.isfinite(Metric("roc_auc", np.arange(3), several=True).loss(y, np.random.default_rng(0).random(Y.shape)))


def test_a_metric_for_values_is_refused() -> None:
    with pytest.raises(SettingError, match="is for values"):
        Metric("r2_metric", np.arange(3), several=True).check()


def test_folds_spread_the_combinations_of_labels() -> None:
    y = np.repeat([[0, 0], [0, 1], [1, 1]], [50, 30, 20], axis=0)
    for fold in make_folds(5, y, classification=True):
        assert y[fold.valid].mean(axis=0) == pytest.approx([0.2, 0.5])


def test_a_factor_of_a_labels_odds_moves_its_threshold_to_one_half() -> None:
    calibration = Calibration(factors=(3.0, 1.0), apart=True)
    np.testing.assert_allclose(calibration.decided(np.array([[0.25, 0.25]])), [[0.5, 0.25]])
    warmer = Calibration(temperature=2.0, apart=True).corrected(np.array([[0.8, 0.5]]))
    np.testing.assert_allclose(warmer, [[2 / 3, 0.5]])
