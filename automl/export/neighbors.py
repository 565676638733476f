"""Nearest neighbours in a graph; it holds the rows that they are looked for among."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from automl.architectures.nearest_neighbors import NEAR
from automl.export.graph import Graph
from automl.export.inputs import Inputs

SAME = 1e-13
"""Of the squares of two rows: a squared distance below it is rounding, and the rows are the same."""


def convert_neighbors(graph: Graph, learner: Any, inputs: Inputs) -> str:
    """(rows, classes) probabilities or (rows, 1) values of AutoNet's own nearest neighbours, as they are saved."""
    chosen, arrays = learner.state()
    rows, classes = _rows(arrays), arrays["classes"]
    y = arrays["y"][:, None]
    targets = (y == classes).astype(np.float64) if len(classes) else y.astype(np.float64)
    count = min(chosen["n_neighbors"] + 1, len(rows))
    distance, found = graph.least(_distances(graph, inputs.value, rows), count)
    # The last of them is the edge, where the weight has fallen to nothing.
    edge, among = graph.columns(distance, [count - 1]), np.arange(count - 1)
    zero, one = graph.constant(np.float64(0)), graph.constant(np.float64(1))
    apart = graph.op("Greater", edge, zero)
    share = graph.op("Div", graph.columns(distance, among), graph.op("Where", apart, edge, one))
    share = graph.op("Where", apart, share, zero)
    if chosen["weights"] == "inverse":
        near = graph.op("Div", one, graph.op("Max", share, graph.constant(np.float64(NEAR))))
        near = graph.op("Sub", near, one)
    else:
        near = graph.op("Sub", one, graph.op("Mul", share, share))
    found = graph.columns(found, among)
    votes = graph.op("Mul", near, graph.op("Gather", graph.constant(arrays["weight"].astype(np.float64)), found))
    # (rows, 1, neighbours) times (rows, neighbours, targets).
    told = graph.op("MatMul", graph.op("Unsqueeze", votes, graph.constant(np.array([1]))), _told(graph, targets, found))
    mean = np.average(targets, axis=0, weights=arrays["weight"])
    smoothing = chosen["smoothing"]
    total = graph.op("Squeeze", told, graph.constant(np.array([1])))
    total = graph.op("Add", total, graph.constant(smoothing * mean[None]))
    weight = graph.op("ReduceSum", votes, graph.constant(np.array([1])), keepdims=1)
    return graph.op("Div", total, graph.op("Add", weight, graph.constant(np.float64(smoothing))))


def _rows(arrays: dict[str, Any]) -> np.ndarray[Any, Any]:
    if "places" not in arrays:
        return arrays["X"].astype(np.float64)
    shape = (len(arrays["y"]), *arrays["columns"])
    return sparse.csr_array((arrays["X"], arrays["places"], arrays["ends"]), shape=shape).toarray().astype(np.float64)


def _told(graph: Graph, targets: np.ndarray[Any, Any], found: str) -> str:
    return graph.op("Gather", graph.constant(targets), found)


def _distances(graph: Graph, X: str, rows: np.ndarray[Any, Any]) -> str:
    """(rows, m) distances of X to the rows (m, d)."""
    ones = graph.constant(np.array([1]))
    own = graph.op("ReduceSum", graph.op("Mul", X, X), ones, keepdims=1)
    both = graph.op("Add", own, graph.constant(np.square(rows).sum(axis=1)[None]))
    square = graph.op("Sub", both, graph.op("MatMul", X, graph.constant(2 * rows.T)))
    same = graph.op("LessOrEqual", square, graph.op("Mul", both, graph.constant(np.float64(SAME))))
    return graph.op("Sqrt", graph.op("Where", same, graph.constant(np.float64(0)), square))
