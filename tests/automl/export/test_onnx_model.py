"""Whole estimators as ONNX models: equal predictions for every family and kind of target, and errors that help."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from ConfigSpace import ConfigurationSpace
from sessions import assert_predicts_alike, feeds, mixed, session, strange
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, nn

from automl import AutoNetClassifier, AutoNetRegressor, load
from automl.architectures.catalogue import FAMILIES, family
from automl.architectures.family import Shape, is_network, takes_images
from automl.calibration import Calibration
from automl.errors import AutoNetError, ExportError
from automl.evaluation.fitted import EnsembleModel, EstimatorModel, NetworkModel, TrialModel
from automl.evaluation.target import Target
from automl.export.model import build

KINDS = ("regression", "binary", "multiclass")
NETWORKS = [name for name in FAMILIES if is_network(family(name)) and not takes_images(family(name))]
WITHOUT = ["catboost"]
"""Families that have no ONNX form yet."""
OTHERS = [name for name in FAMILIES if not is_network(family(name)) and name not in WITHOUT]
X = mixed()
VALUES = X["age"] / 20 + 2 * (X["city"] == "Rome") + np.random.default_rng(1).normal(size=len(X)) * 0.3 + 1e4
LABELS = {
    "regression": VALUES,
    "binary": np.where(VALUES.median() < VALUES, "yes", "no"),
    "multiclass": pd.qcut(VALUES, 4, labels=False).to_numpy() * 10 - 7,
}


def fitted(kind: str, *families: Any, **parameters: Any) -> Any:
    """A quick estimator; one trial a family."""
    make = AutoNetRegressor if kind == "regression" else AutoNetClassifier
    shared = {"families": list(families), "n_trials": len(families), "resampling": 2, "n_jobs": 1, "random_state": 0}
    return make(**{**shared, **parameters}).fit(X, LABELS[kind])


def together(estimators: list[Any]) -> Any:
    """The first estimator with the members of all as its ensemble, with unequal weights."""
    members = [member for estimator in estimators for member in estimator.ensemble_.members]
    weights = np.arange(1, len(members) + 1) / sum(range(1, len(members) + 1))
    estimators[0].ensemble_ = EnsembleModel(
        members, weights.tolist(), list(range(len(members))), estimators[0].ensemble_.calibration
    )
    return estimators[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OTHERS)
def test_a_family_of_estimators_predicts_alike(name: str, kind: str) -> None:
    assert_predicts_alike(fitted(kind, name), X, strange())


def test_values_are_shifted_and_bounded_alike() -> None:
    estimator = fitted("regression", "linear")
    estimator.ensemble_ = replace(estimator.ensemble_, calibration=Calibration(shift=0.5, least=float(VALUES.median())))
    assert (estimator.predict(X) == VALUES.median()).any()
    assert_predicts_alike(estimator, X, strange())


@pytest.mark.parametrize("name", WITHOUT)
def test_a_family_without_an_onnx_form_is_named(name: str) -> None:
    with pytest.raises(ExportError, match=rf"family '{name}'.* has no ONNX form .*'exclude': \['{name}'\]"):
        build(fitted("binary", name))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_all_families_predict_alike_in_one_ensemble(kind: str) -> None:
    # Two trials each: the first draw of a published space may diverge, which is a crashed trial and no model.
    assert_predicts_alike(together([fitted(kind, name, n_trials=2) for name in NETWORKS]), X, strange())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_searches_predict_alike(seed: int) -> None:
    estimator = fitted(KINDS[seed % 3], *NETWORKS, *OTHERS, n_trials=9, random_state=seed, resampling=0.3)
    assert_predicts_alike(estimator, X, strange())


def test_a_saved_and_a_refitted_model_can_be_exported(tmp_path: Path) -> None:
    estimator = fitted("multiclass", "linear", "gradient_boosting").refit(X, LABELS["multiclass"])
    assert [len(member.folds) for member in estimator.ensemble_.members] == [1] * len(estimator.ensemble_.members)
    estimator.save(tmp_path / "model.autonet")
    assert_predicts_alike(load(tmp_path / "model.autonet"), X, strange())


@pytest.mark.parametrize("labels", [[True, False], [3, -1], ["ä", "b"], [2.0, 1.0]], ids=str)
def test_labels_keep_their_kind(labels: list[Any]) -> None:
    y = np.array(labels)[(LABELS["binary"] == "yes").astype(int)]
    estimator = AutoNetClassifier(families=["linear"], n_trials=1, resampling=2, n_jobs=1, random_state=0).fit(X, y)
    opened = assert_predicts_alike(estimator, X)
    (found,) = opened.run(["label"], feeds(opened, X))
    assert found.dtype.kind == (y.dtype.kind if y.dtype.kind != "U" else "O")


@pytest.mark.parametrize("calibration", [Calibration(2.5), Calibration(0.4), Calibration(1.0, (0.2, 1.0, 0.1, 0.3))])
def test_calibration_is_part_of_the_model(calibration: Calibration) -> None:
    estimator = fitted("multiclass", "linear")
    before = estimator.predict(X)
    estimator.ensemble_ = replace(estimator.ensemble_, calibration=calibration)
    assert_predicts_alike(estimator, X, strange())
    assert (estimator.predict(X) != before).any() == bool(calibration.factors)


def test_arrays_without_names_are_columns_x0_to_xn(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(60, 3))
    estimator = AutoNetRegressor(families=["linear"], n_trials=1, n_jobs=1).fit(numbers, numbers[:, 0])
    estimator.export_onnx(str(tmp_path / "model.onnx"))
    opened = session(onnx.load(tmp_path / "model.onnx"))
    assert [put.name for put in opened.get_inputs()] == ["x0", "x1", "x2"]
    given = {f"x{j}": numbers[:, j : j + 1] for j in range(3)}
    np.testing.assert_allclose(opened.run(["prediction"], given)[0], estimator.predict(numbers), atol=1e-9)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_the_file_is_checked_and_says_what_it_is() -> None:
    model = build(fitted("binary", "linear"))
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.doc_string.startswith("AutoNetClassifier of AutoNet ")
    shapes = {put.name: put.type.tensor_type.shape.dim for put in [*model.graph.input, *model.graph.output]}
    assert {dims[0].dim_param for dims in shapes.values()} == {"rows"}
    assert {name: [d.dim_value for d in dims][1:] for name, dims in shapes.items()} == {
        **{name: [1] for name in X},
        "probabilities": [2],
        "label": [],
    }


class Counting:
    """A network that torch cannot export, since it counts its rows."""

    name = "counting"

    def space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"width": (2, 4)})

    def build(self, shape: Shape, *, width: int) -> nn.Module:
        return Counted(shape.inputs, shape.outputs)


class Counted(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + float(len(x)) * 0


class OwnTree:
    """Estimators whose type is no library's."""

    name = "own_tree"
    inputs = "ordinal"
    trusted = ("test_onnx_model.Grown", "sklearn.tree._tree.Tree")

    def space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"max_depth": (2, 4)})

    def build(self, shape: Shape, *, max_depth: int) -> Any:
        return Grown(max_depth=max_depth)


class Grown(DecisionTreeClassifier):
    pass


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Counting(), r"torch cannot export its network \(.*\); take x.shape\[0\] in place of len\(x\)"),
        (OwnTree(), "Grown has no ONNX form in skl2onnx"),
    ],
    ids=["network", "estimator"],
)
def test_a_member_without_an_onnx_form_is_named_with_the_cure(own: Any, message: str) -> None:
    alone = {"include": [own, "linear"], "exclude": ["linear"]}
    estimator = together([fitted("binary", "linear"), fitted("binary", families=alone, n_trials=1)])
    cure = rf"leave its family out, families=\{{'exclude': \['{own.name}'\]\}}, and fit again"
    with pytest.raises(ExportError, match=rf"trial 1 \(family '{own.name}'\) cannot be exported: {message}.*{cure}"):
        build(estimator)


def test_a_model_beyond_what_a_file_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.export.model.MOST_BYTES", 1000)
    with pytest.raises(
        ExportError, match=r"the model takes 0\.0 GiB, and an ONNX file holds 2; leave out the families"
    ):
        build(fitted("binary", "linear"))


def test_labels_without_an_onnx_form_are_named() -> None:
    estimator = fitted("binary", "linear")
    estimator.classes_ = np.array([("a", 1), ("b", 2)], dtype="O,i4")
    with pytest.raises(ExportError, match="labels of type void have no ONNX form; make them text"):
        build(estimator)


def test_a_library_that_is_missing_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    estimator = fitted("binary", "linear")
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(AutoNetError, match=r"needs skl2onnx, which is not installed; pip install 'autonet\[onnx\]'"):
        estimator.export_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_not_fitted_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        AutoNetClassifier().export_onnx(tmp_path / "model.onnx")


def test_all_that_a_fitted_model_holds_is_known_to_the_export() -> None:
    """A new field of one of these changes predictions: convert it, then add it here."""
    known = {
        EnsembleModel: {"members", "weights", "trials", "calibration"},
        TrialModel: {"family", "config", "folds", "effort"},
        NetworkModel: {"network", "blueprint", "preparer", "target"},
        EstimatorModel: {"estimator", "preparer", "levels", "target", "trusted", "wide"},
        Target: {"outputs", "centre", "scale"},
        Calibration: {"temperature", "factors", "apart", "floor", "shift", "least"},
    }
    assert {kind: set(kind.__dataclass_fields__) for kind in known} == known
