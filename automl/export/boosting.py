"""Histogram gradient boosting of scikit-learn in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl.errors import ExportError
from automl.export.graph import Graph
from automl.export.inputs import Inputs
from automl.export.trees import Tree, sum_of_trees

LINKS = {"IdentityLink": None, "LogLink": "Exp", "LogitLink": "Sigmoid", "MultinomialLogit": "Softmax"}
"""From the name of a link in scikit-learn to the operator that inverts it."""


def convert_boosting(graph: Graph, estimator: Any, inputs: Inputs) -> str:
    """(rows, classes) probabilities or (rows, 1) values of a HistGradientBoosting estimator."""
    link = type(estimator._loss.link).__name__
    if link not in LINKS:
        raise ExportError(f"the loss {estimator.loss!r} has no ONNX form; take one with the link of {', '.join(LINKS)}")
    columns, categories = _columns(estimator, inputs)
    trees = [_tree(tree, columns, categories, inputs) for iteration in estimator._predictors for tree in iteration]
    outputs = estimator.n_trees_per_iteration_
    targets = [k % outputs for k in range(len(trees))]
    raw = sum_of_trees(graph, inputs.value, trees, targets, np.ravel(estimator._baseline_prediction))
    invert = LINKS[link]
    if invert == "Softmax":
        return graph.op("Softmax", raw, axis=1)
    if invert != "Sigmoid":
        return raw if invert is None else graph.op(invert, raw)
    second = graph.op("Sigmoid", raw)
    return graph.join([graph.op("Sub", graph.constant(np.float64(1)), second), second])


def _columns(estimator: Any, inputs: Inputs) -> tuple[npt.NDArray[np.int64], dict[int, list[float]]]:
    """The column of each of the estimator's features, and the codes that it knows of each categorical column.

    It looks at categorical columns first, and numbers the codes that training met.
    """
    if estimator.is_categorical_ is None:
        return np.arange(inputs.width), {}
    marked = np.flatnonzero(estimator.is_categorical_)
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    known = [found[~np.isnan(found)].tolist() for found in encoder.categories_]
    return np.concatenate([marked, np.flatnonzero(~estimator.is_categorical_)]), dict(
        zip(marked.tolist(), known, strict=True)
    )


def _tree(tree: Any, columns: npt.NDArray[np.int64], categories: dict[int, list[float]], inputs: Inputs) -> Tree:
    nodes = tree.nodes
    feature = columns[np.where(nodes["is_leaf"], 0, nodes["feature_idx"])]
    members = {}
    for node in np.flatnonzero(nodes["is_categorical"] & ~nodes["is_leaf"].astype(bool)).tolist():
        column = int(feature[node])
        bits = tree.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        place = {code: k for k, code in enumerate(categories[column])}
        members[node] = np.array(
            [
                code
                for code in range(inputs.codes(column))
                # A code that training has not met goes where missing values go.
                if (_holds(bits, place[code]) if code in place else nodes["missing_go_to_left"][node])
            ],
            dtype=np.int64,
        )
    return Tree(
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        leaf=nodes["is_leaf"].astype(np.bool_),
        feature=feature,
        split=nodes["num_threshold"],
        missing_left=nodes["missing_go_to_left"].astype(np.bool_),
        value=nodes["value"],
        members=members,
    )


def _holds(bits: npt.NDArray[np.uint32], place: int) -> bool:
    """Whether a set of places below 256, as eight words, holds this one."""
    return bool(int(bits[place // 32]) >> (place % 32) & 1)
