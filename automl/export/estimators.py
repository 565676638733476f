"""Estimators of scikit-learn and its kin in a graph: a table of converters by type, and skl2onnx for all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from automl.evaluation.fitted import ABSENT, EstimatorModel
from automl.export.columns import Encoded
from automl.export.graph import Graph
from automl.export.inputs import Inputs, estimator_inputs

Converter = Callable[[Graph, Any, Inputs], str]

CONVERTERS: Mapping[str, str] = MappingProxyType(
    {
        "automl.Forest": "forests:convert_forest_learner",
        "automl.LightGBMLearner": "lightgbm:convert_lightgbm",
        "automl.Neighbors": "neighbors:convert_neighbors",
        "sklearn.HistGradientBoostingClassifier": "boosting:convert_boosting",
        "sklearn.HistGradientBoostingRegressor": "boosting:convert_boosting",
        "sklearn.DecisionTreeClassifier": "forests:convert_forest",
        "sklearn.DecisionTreeRegressor": "forests:convert_forest",
        "sklearn.ExtraTreesClassifier": "forests:convert_forest",
        "sklearn.ExtraTreesRegressor": "forests:convert_forest",
        "sklearn.RandomForestClassifier": "forests:convert_forest",
        "sklearn.RandomForestRegressor": "forests:convert_forest",
        "sklearn.DummyClassifier": "linear:convert_constant",
        "sklearn.ElasticNet": "linear:convert_regression",
        "sklearn.Lasso": "linear:convert_regression",
        "sklearn.LinearRegression": "linear:convert_regression",
        "sklearn.LogisticRegression": "linear:convert_logistic",
        "sklearn.Ridge": "linear:convert_regression",
    }
)
"""Library and type → "module:function" in this package; a function adds (rows, outputs) double to the graph."""


def convert_estimator(graph: Graph, model: EstimatorModel, encoded: Encoded) -> str:
    """(rows, classes) probabilities or (rows, 1) raw values, double.

    Raises
    ------
    ExportError: the estimator has no ONNX form.
    """
    kind = type(model.estimator)
    place = CONVERTERS.get(f"{kind.__module__.partition('.')[0]}.{kind.__name__}", "others:convert_other")
    module, _, name = place.partition(":")
    converter: Converter = getattr(import_module(f"automl.export.{module}"), name)
    found = converter(graph, model.estimator, estimator_inputs(graph, model.preparer, encoded))
    outputs = model.target.outputs
    if outputs == 1 or len(model.estimator.classes_) == outputs:
        return found
    return _whole(graph, found, model.estimator.classes_.astype(int), outputs)


def _whole(graph: Graph, found: str, classes: np.ndarray[Any, Any], outputs: int) -> str:
    """Probabilities of all classes: one that was absent from the training rows gets a small one rather than none."""
    least = graph.constant(np.float64(ABSENT))
    nothing = graph.op("Mul", graph.columns(found, [0]), graph.constant(np.float64(0)))
    place = np.full(outputs, len(classes))
    place[classes] = np.arange(len(classes))
    whole = graph.op("Max", graph.columns(graph.join([found, nothing]), place), least)
    total = graph.op("ReduceSum", whole, graph.constant(np.array([1])), keepdims=1)
    return graph.op("Div", whole, total)
