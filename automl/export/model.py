"""A fitted AutoNet estimator as one ONNX model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from automl.calibration import FLOOR, Calibration
from automl.errors import ExportError
from automl.evaluation.fitted import EnsembleModel, EstimatorModel, NetworkModel, TrialModel
from automl.evaluation.target import Target
from automl.export.columns import Encoded, encode, used_names
from automl.export.estimators import convert_estimator
from automl.export.graph import BOOL, DOUBLE, INT64, STRING, Graph

if TYPE_CHECKING:
    from automl.estimator import AutoNetClassifier, AutoNetRegressor

MISSING = "missing"  # the property that says what is written where a category is missing, as JSON by column
MOST_BYTES = 2**31 - 1  # of a file without others beside it
PROBABILITIES, LABEL, PREDICTION = "probabilities", "label", "prediction"


def write(estimator: AutoNetClassifier | AutoNetRegressor, path: Path) -> None:
    """Write a fitted estimator; the file appears whole or not at all."""
    model = build(estimator)
    part = path.with_name(path.name + ".part")
    onnx.save(model, part)
    part.replace(path)


def build(estimator: AutoNetClassifier | AutoNetRegressor) -> ModelProto:
    """The checked model of a fitted estimator.

    Raises
    ------
    ExportError: a column or a member of the ensemble has no ONNX form.
    """
    if estimator.ensemble_.calibration.apart:
        raise ExportError("a model of several labels has no ONNX form; fit and export one for each label")
    if estimator.encoder_.fitted.wide is not None:
        raise ExportError("a sparse table of so many columns has no ONNX form; reduce it before fit, by TruncatedSVD")
    classes = getattr(estimator, "classes_", None)
    outputs = [PREDICTION] if classes is None else [PROBABILITIES, LABEL]
    graph = Graph([*used_names(estimator.encoder_, outputs), *outputs])
    encoded = encode(graph, estimator.encoder_)
    predicted = ensemble(graph, estimator.ensemble_, encoded)
    if classes is None:
        if estimator.ensemble_.calibration.shift:
            predicted = graph.op("Add", predicted, graph.constant(np.float64(estimator.ensemble_.calibration.shift)))
        if estimator.ensemble_.calibration.least is not None:
            predicted = graph.op("Max", predicted, graph.constant(np.float64(estimator.ensemble_.calibration.least)))
        value = graph.op("Squeeze", predicted, graph.constant(np.array([1])))
        graph.output(PREDICTION, value, DOUBLE, about="the value of each row")
    else:
        _add_classes(graph, predicted, estimator.ensemble_.calibration, classes)
    about = f"{type(estimator).__name__} of AutoNet {version('autonet')}"
    model = graph.model(about, {MISSING: json.dumps(dict(encoded.missing))})
    if model.ByteSize() > MOST_BYTES:
        raise ExportError(
            f"the model takes {model.ByteSize() / 2**30:.1f} GiB, and an ONNX file holds 2; leave out the families of "
            "its largest members, such as forests, and fit again"
        )
    onnx.checker.check_model(model, full_check=True)
    return model


def _add_classes(graph: Graph, outputs: str, calibration: Calibration, classes: npt.NDArray[Any]) -> None:
    """Add what a classifier gives out, from the ensemble's shares (rows, classes)."""
    if calibration.temperature != 1.0:
        logs = graph.op("Log", graph.op("Max", outputs, graph.constant(np.float64(FLOOR))))
        outputs = graph.op("Softmax", graph.op("Div", logs, graph.constant(calibration.temperature)), axis=1)
    if calibration.floor:
        rest = graph.op("Mul", outputs, graph.constant(np.float64(1 - calibration.floor)))
        outputs = graph.op("Add", rest, graph.constant(np.float64(calibration.floor / len(classes))))
    total = graph.op("ReduceSum", outputs, graph.constant(np.array([1])), keepdims=1)
    probabilities = graph.op("Div", outputs, total)
    graph.output(PROBABILITIES, probabilities, DOUBLE, len(classes), "of each label, in the order of classes_")
    decided = probabilities
    if calibration.factors:
        decided = graph.op("Mul", probabilities, graph.constant(np.array([calibration.factors])))
    labels, kind = _labels(classes)
    best = graph.op("ArgMax", decided, axis=1, keepdims=0)
    about = "the label of each row, as by predict"
    graph.output(LABEL, graph.op("Gather", graph.constant(labels), best), kind, about=about)


def ensemble(graph: Graph, model: EnsembleModel, encoded: Encoded) -> str:
    """(rows, outputs) double: the weighted mean of the members.

    Raises
    ------
    ExportError: a member has no ONNX form; the message names it.
    """
    parts = []
    for k, networks in enumerate(_networks(graph, model, encoded)):
        with _named(model, k):
            predicted = _mean(graph, model.members[k], networks, encoded)
        parts.append(graph.op("Mul", predicted, graph.constant(np.float64(model.weights[k]))))
    return _sum(graph, parts)


@contextmanager
def _named(model: EnsembleModel, k: int) -> Iterator[None]:
    """Say of what fails that it is the member k."""
    family = model.members[k].family
    try:
        yield
    except ExportError as error:
        raise ExportError(
            f"the member of trial {model.trials[k]} (family {family!r}) cannot be exported: {error}; or leave its "
            f"family out, families={{'exclude': [{family!r}]}}, and fit again"
        ) from error


def _networks(graph: Graph, model: EnsembleModel, encoded: Encoded) -> list[list[str]]:
    """What the networks of each member give, in the order of its folds.

    All are exported by one call, since most of what it takes does not depend on how many they are.
    """
    folds = [[fold for fold in member.folds if isinstance(fold, NetworkModel)] for member in model.members]
    if not any(folds):
        return [[] for _ in folds]
    from automl.export.networks import convert_networks

    try:
        values = iter(convert_networks(graph, [fold for each in folds for fold in each], encoded))
    except ExportError:
        for k in [k for k, each in enumerate(folds) if each]:  # which one it is
            with _named(model, k):
                convert_networks(Graph(()), folds[k], encoded)
        raise
    return [[next(values) for _ in each] for each in folds]


def _mean(graph: Graph, member: TrialModel, networks: list[str], encoded: Encoded) -> str:
    """(rows, outputs) double: the mean of a trial's folds, in the unit of y."""
    values = iter(networks)
    parts = []
    for fold in member.folds:
        if isinstance(fold, NetworkModel):
            parts.append(_decoded(graph, next(values), fold.target))
        elif isinstance(fold, EstimatorModel):
            parts.append(_decoded(graph, convert_estimator(graph, fold, encoded), fold.target))
        else:
            raise ExportError(f"a fold is a {type(fold).__name__}, neither a network nor an estimator")
    return graph.op("Div", _sum(graph, parts), graph.constant(np.float64(len(parts))))


def _decoded(graph: Graph, raw: str, target: Target) -> str:
    if target.outputs > 1:
        return raw
    scaled = graph.op("Mul", raw, graph.constant(np.float64(target.scale)))
    return graph.op("Add", scaled, graph.constant(np.float64(target.centre)))


def _sum(graph: Graph, values: list[str]) -> str:
    return reduce(lambda total, value: graph.op("Add", total, value), values)


def _labels(classes: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], int]:
    """The labels as a tensor's elements, and their type."""
    if classes.dtype.kind == "b":
        return classes, BOOL
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64), INT64
    if classes.dtype.kind == "f":
        return classes.astype(np.float64), DOUBLE
    if not all(isinstance(label, str) for label in classes.tolist()):
        raise ExportError(
            f"labels of type {type(classes[0]).__name__} have no ONNX form; make them text, y.astype(str), and fit "
            "again"
        )
    return classes.astype(object), STRING
