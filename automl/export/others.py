"""Estimators that AutoNet has no converter for, such as those of a user's own families, through skl2onnx."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, defs
from onnx.reference import ReferenceEvaluator

from automl.errors import ExportError
from automl.export.graph import DOUBLE, FLOAT, OPSET, TREES, Graph
from automl.export.inputs import Inputs

TRIED_ROWS = 64
CLOSE = 1e-5


def convert_other(graph: Graph, estimator: Any, inputs: Inputs) -> str:
    """(rows, classes) probabilities or (rows, 1) values of any estimator that skl2onnx converts.

    What it gives is compared with the estimator's own predictions for random rows, since converters may leave
    something out, such as where missing numbers go.

    Raises
    ------
    ExportError: skl2onnx cannot convert the estimator, or what it gives predicts something else.
    """
    kind = type(estimator).__name__
    converted = _converted(estimator, inputs.width)
    _check_operators(converted, kind)
    rows = np.random.default_rng(0).normal(size=(TRIED_ROWS, inputs.width))
    if inputs.ordinal:
        first = inputs.width - len(inputs.ordinal)
        rows[:, first:] = np.floor(np.random.default_rng(0).random((TRIED_ROWS, len(inputs.ordinal))) * inputs.ordinal)
        rows[::4] = np.nan
    short = rows.astype(np.float32)
    own = _predictions(estimator, short.astype(np.float64))
    found: Any = ReferenceEvaluator(converted).run(None, {"X": short})
    worst = float(np.max(np.abs(found[-1].reshape(own.shape) - own) / (1 + np.abs(own)), initial=0.0))
    if not worst < CLOSE:
        raise ExportError(f"{kind} as converted by skl2onnx predicts otherwise (by up to {worst:.2g})")
    # In single precision, which the numbers fit in: not all of its operators are there in double precision.
    result = graph.cast(graph.inline(converted, [graph.cast(inputs.value, FLOAT)])[-1], DOUBLE)
    return graph.op("Reshape", result, graph.constant(np.array([-1, own.shape[1]])))


def _converted(estimator: Any, width: int) -> ModelProto:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    options: dict[Any, Any] = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model: ModelProto = to_onnx(
                estimator,
                initial_types=[("X", FloatTensorType([None, width]))],
                options=options,
                target_opset={"": OPSET, "ai.onnx.ml": 3},
            )
    except Exception as error:  # converters fail with errors of many types
        first = next(iter(str(error).strip().splitlines()), "")
        raise ExportError(f"{type(estimator).__name__} has no ONNX form in skl2onnx ({first})") from error
    return model


def _check_operators(model: ModelProto, kind: str) -> None:
    """Raises ExportError where an operator is none in the versions of the whole graph."""
    versions = {"": OPSET, "ai.onnx.ml": TREES}
    for node in model.graph.node:
        known = defs.has(node.op_type, node.domain) and node.domain in versions
        if not known or defs.get_schema(node.op_type, versions[node.domain], node.domain).deprecated:
            raise ExportError(f"{kind} needs the operator {node.op_type}, which is no longer part of ONNX")


def _predictions(estimator: Any, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    predict = getattr(estimator, "predict_proba", estimator.predict)
    return np.asarray(predict(rows), dtype=np.float64).reshape(len(rows), -1)
