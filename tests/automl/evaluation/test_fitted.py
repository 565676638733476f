"""Fitted models: they predict the same bits after they were taken apart, and each row alone as among others."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss
from small_tasks import KINDS, LEVELS, TABLES, make_task, make_trial, run, whole

from automl.architectures.catalogue import family
from automl.architectures.family import is_network
from automl.artefact import pack, unpack
from automl.calibration import Calibration
from automl.errors import ArtefactError
from automl.evaluation import estimators
from automl.evaluation import fitted as fitted_module
from automl.evaluation.estimators import Rows
from automl.evaluation.evaluator import read_model
from automl.evaluation.fidelity import Resources
from automl.evaluation.fit_estimators import fit_estimators
from automl.evaluation.fit_networks import fit_networks
from automl.evaluation.fitted import (
    DENSE_LEVELS,
    EnsembleModel,
    EstimatorModel,
    Fitted,
    Target,
    TrialModel,
    estimator_inputs,
)
from automl.preprocessing.columns import Arrays
from automl.preprocessing.dense import DensePreparer

KNOWN = {name: family(name) for name in TABLES}


def fitted(name: str, kind: str) -> Fitted:
    task, trial, resources = make_task(kind), make_trial(name), Resources()
    if is_network(KNOWN[name]):
        return fit_networks(task, KNOWN[name], trial, resources, epochs=3, checkpoint=None, deadline=None, device="cpu")
    return fit_estimators(task, KNOWN[name], trial, resources, None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TABLES)
def test_state_gives_the_same_bits_back(name: str, kind: str) -> None:
    model = fitted(name, kind).model
    arrays = make_task(kind, rows=200).arrays
    again = TrialModel.from_state(unpack(pack(model.state())), KNOWN)
    assert np.array_equal(again.predict(arrays), model.predict(arrays))
    assert (again.family, dict(again.config), again.effort) == (model.family, dict(model.config), model.effort)


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_ensemble_is_saved_and_loaded_whole(kind: str) -> None:
    cycles = {"train:schedule": "restarts", "train:restarts_first": 5, "train:restarts_factor": 1.0}
    trial = make_trial("mlp", **cycles, **{"train:restarts_snapshots": 3})
    task = make_task(kind)
    task = replace(task, folds=whole(task))  # where none is held out, all snapshots join
    fit = fit_networks(task, KNOWN["mlp"], trial, Resources(), epochs=12, checkpoint=None, deadline=None, device="cpu")
    assert [fold.blueprint.snapshots for fold in fit.model.folds] == [3]  # type: ignore[attr-defined]
    again = TrialModel.from_state(unpack(pack(fit.model.state())), KNOWN)
    arrays = make_task(kind, rows=200).arrays
    assert np.array_equal(again.predict(arrays), fit.model.predict(arrays))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TABLES)
def test_a_row_is_predicted_alone_as_among_others(name: str, kind: str) -> None:
    model, arrays = fitted(name, kind).model, make_task(kind).arrays
    alone = np.concatenate([model.predict(arrays.take(slice(k, k + 1))) for k in range(10)])
    assert alone == pytest.approx(model.predict(arrays)[:10], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_predictions_of_large_targets_keep_their_decimals(name: str) -> None:
    predicted = fitted(name, "regression").model.predict(make_task("regression").arrays)
    assert predicted.dtype == np.float64
    assert predicted.mean() == pytest.approx(1e6, abs=2)
    assert len(np.unique(predicted)) > 10


def test_codes_that_were_never_seen_are_predicted(tmp_path: Path) -> None:
    task = make_task()
    unseen = Arrays(task.arrays.numbers, np.zeros_like(task.arrays.codes))
    for number, name in enumerate(TABLES):
        run(task, tmp_path, make_trial(name, number))
        assert np.isfinite(read_model(tmp_path / str(number), KNOWN).predict(unseen)).all()


def test_a_model_that_was_read_is_built_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, model = make_task().arrays, fitted("linear", "classification").model
    with monkeypatch.context() as patch:
        patch.setattr(fitted_module, "_fold_model", None)
        read = TrialModel.from_state(model.state(), KNOWN)
    assert len(read.folds) == 3
    assert np.array_equal(read.predict(arrays), model.predict(arrays))
    assert [type(fold) for fold in pickle.loads(pickle.dumps(read)).folds] == [EstimatorModel] * 3


def test_unknown_family_is_named_with_the_cure() -> None:
    state = fitted("linear", "regression").model.state()
    with pytest.raises(ArtefactError, match=r"'linear', which is not known here \(mlp\).*families="):
        TrialModel.from_state(state, {"mlp": KNOWN["mlp"]})


def test_a_trial_is_the_mean_of_its_folds_and_an_ensemble_the_weighted_mean_of_its_trials() -> None:
    arrays = make_task().arrays
    one, other = fitted("linear", "classification").model, fitted("gradient_boosting", "classification").model
    parts = [fold.predict(arrays) for fold in one.folds]
    assert one.predict(arrays) == pytest.approx(np.mean(parts, axis=0))
    ensemble = EnsembleModel([one, other], [0.25, 0.75], [3, 5], Calibration())
    expected = 0.25 * one.predict(arrays) + 0.75 * other.predict(arrays)
    assert ensemble.predict(arrays) == pytest.approx(expected)


def test_targets_are_standardised_for_values_and_left_alone_for_classes() -> None:
    y = np.array([1.0, 3.0, 5.0])
    target = Target.of(y, 1)
    assert target.encode(y).std() == pytest.approx(1)
    assert target.decode(target.encode(y)[:, None])[:, 0] == pytest.approx(y)
    assert Target.of(np.array([4.0, 4.0]), 1).encode(np.array([4.0])).tolist() == [0]
    assert Target.of(np.array([0, 2]), 3).encode(np.array([0, 2])).tolist() == [0, 2]


def test_many_levels_are_kept_sparse_and_mean_the_same() -> None:
    arrays = make_task().arrays
    preparer = DensePreparer.fit(arrays)
    dense = estimator_inputs(arrays, preparer, LEVELS)
    levels = (LEVELS[0], DENSE_LEVELS)
    wide = estimator_inputs(arrays, preparer, levels)
    assert isinstance(dense, np.ndarray)
    assert wide.shape[0] == 90
    assert np.array_equal(wide.toarray()[:, : dense.shape[1]], dense)


def boosting_rows(rows: int = 200) -> tuple[Rows, Rows]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * rows, 3))
    y = (X[:, 0] + rng.normal(size=2 * rows) > 0).astype(np.int64)
    return Rows(X[:rows], y[:rows], None), Rows(X[rows:], y[rows:], None)


def boosting(**config: Any) -> Any:
    from automl.architectures.family import Shape

    return KNOWN["gradient_boosting"].build(Shape(3, 2, 200), **{"max_iter": 60, "learning_rate": 0.3, **config})


def test_boosting_keeps_the_iterations_up_to_the_best_one() -> None:
    train, valid = boosting_rows()
    model = estimators.fit(boosting(), train, valid, share=1.0, seed=0, deadline=None)
    whole = boosting(random_state=0).set_params(early_stopping=False, max_iter=30).fit(train.X, train.y)
    losses = [log_loss(valid.y, p) for p in whole.staged_predict_proba(valid.X)]
    best = int(np.argmin(losses)) + 1
    assert len(model._predictors) == best < 30
    assert log_loss(valid.y, model.predict_proba(valid.X)) == pytest.approx(min(losses))
    assert estimators.effort(model) == best / 60


def test_boosting_without_rows_to_judge_by_keeps_all_it_was_given() -> None:
    train, valid = boosting_rows()
    none = Rows(valid.X[:0], valid.y[:0], None)
    model = estimators.fit(boosting(), train, none, share=0.5, seed=0, deadline=None)
    assert len(model._predictors) == 30


def test_boosting_stops_at_a_deadline_with_the_trees_it_has() -> None:
    train, valid = boosting_rows()
    model = estimators.fit(boosting(), train, valid, share=1.0, seed=0, deadline=0.0)
    assert 1 <= len(model._predictors) <= 10
    assert model.predict_proba(valid.X).shape == (200, 2)


def test_estimators_without_iterations_are_fitted_whole_with_their_weights() -> None:
    X, y = np.array([[0.0], [1.0], [1.0]]), np.array([0.0, 1.0, 3.0])
    rows = Rows(X, y, np.array([1.0, 1.0, 0.0]))
    model = estimators.fit(Ridge(alpha=1e-9), rows, rows, share=0.1, seed=0, deadline=None)
    assert model.predict([[1.0]])[0] == pytest.approx(1, abs=1e-6)
    assert estimators.effort(model) == 1
