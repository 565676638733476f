"""Linear models and constant ones of scikit-learn in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl.errors import ExportError
from automl.export.graph import Graph
from automl.export.inputs import Inputs
from automl.export.trees import constant_rows


def convert_regression(graph: Graph, estimator: Any, inputs: Inputs) -> str:
    """(rows, 1) values of a model with `coef_` and `intercept_`."""
    return _decision(graph, estimator, inputs)


def convert_logistic(graph: Graph, estimator: Any, inputs: Inputs) -> str:
    """(rows, classes) probabilities of logistic regression."""
    decision = _decision(graph, estimator, inputs)
    if len(estimator.classes_) > 2:
        if estimator.solver == "liblinear":
            raise ExportError("one-versus-rest logistic regression (liblinear) has no ONNX form; take solver='lbfgs'")
        return graph.op("Softmax", decision, axis=1)
    second = graph.op("Sigmoid", decision)
    return graph.join([graph.op("Sub", graph.constant(np.float64(1)), second), second])


def convert_constant(graph: Graph, estimator: Any, inputs: Inputs) -> str:
    """(rows, classes): the shares of the classes in training, as DummyClassifier predicts by default."""
    if estimator.strategy != "prior":
        raise ExportError(f"a DummyClassifier with strategy={estimator.strategy!r} has no ONNX form; take 'prior'")
    return constant_rows(graph, inputs.value, estimator.class_prior_)


def _decision(graph: Graph, estimator: Any, inputs: Inputs) -> str:
    weights = graph.constant(np.asarray(estimator.coef_, dtype=np.float64).reshape(-1, inputs.width).T)
    shift = graph.constant(np.reshape(estimator.intercept_, (1, -1)).astype(np.float64))
    return graph.op("Add", graph.op("MatMul", inputs.value, weights), shift)
