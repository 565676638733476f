"""Reductions in a graph: one function each, in double precision and with the same exact products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.errors import ExportError
from automl.export.graph import DOUBLE, FLOAT, Graph
from automl.preprocessing.matrices import LEAST, factor_bits, on_grid, product
from automl.preprocessing.ranges import FURTHEST

if TYPE_CHECKING:
    from automl.preprocessing.reduce import Reduced

Floats = npt.NDArray[np.float64]


def reduce(graph: Graph, numbers: str, reduced: Reduced) -> str:
    """(rows, width) float32: what the reduction makes of numbers (rows, k) float32.

    Raises
    ------
    ExportError: the reduction has no ONNX form.
    """
    from automl.preprocessing.reduce import LARGEST

    if reduced.method not in REDUCTIONS:
        raise ExportError(
            f"the reduction {reduced.method!r} has no ONNX form; known are {', '.join(REDUCTIONS)}; leave it out of "
            "search_space"
        )
    rows = graph.cast(graph.clip(numbers, np.float32(-LARGEST), np.float32(LARGEST)), DOUBLE)
    value = REDUCTIONS[reduced.method](graph, rows, reduced.fitted)
    return graph.cast(graph.clip(value, np.float64(-FURTHEST), np.float64(FURTHEST)), FLOAT)


def _pca(graph: Graph, rows: str, fitted: Any) -> str:
    return _product(graph, graph.op("Sub", rows, graph.constant(fitted.mean[None])), fitted.weights)


def _truncated_svd(graph: Graph, rows: str, fitted: Any) -> str:
    return _product(graph, rows, fitted.weights)


def _nystroem(graph: Graph, rows: str, fitted: Any) -> str:
    rows = graph.op("Mul", rows, graph.constant(fitted.factor))
    ones = np.ones((fitted.basis.shape[1], 1))
    squares = _product(graph, graph.op("Mul", rows, rows), ones)
    squares = graph.op("Add", squares, graph.constant(product(np.square(fitted.basis), ones).T))
    twice = graph.op("Mul", graph.constant(np.float64(2)), _product(graph, rows, fitted.basis.T))
    distance = graph.op("Relu", graph.op("Sub", squares, twice))
    features = _product(graph, graph.op("Exp", graph.op("Neg", distance)), fitted.weights)
    return graph.op("Sub", features, graph.constant(fitted.shift[None]))


def _kitchen_sinks(graph: Graph, rows: str, fitted: Any) -> str:
    angles = graph.op("Add", _product(graph, rows, fitted.weights), graph.constant(fitted.offset[None]))
    waves = graph.op("Mul", graph.cosine(angles), graph.constant(np.sqrt(2.0)))
    return graph.op(
        "Mul", graph.op("Sub", waves, graph.constant(fitted.mean[None])), graph.constant(fitted.factor[None])
    )


def _select(graph: Graph, rows: str, fitted: Any) -> str:
    return graph.columns(rows, fitted.kept)


def _polynomial(graph: Graph, rows: str, fitted: Any) -> str:
    pairs = graph.op("Mul", graph.columns(rows, fitted.pairs[:, 0]), graph.columns(rows, fitted.pairs[:, 1]))
    centred = graph.op("Sub", pairs, graph.constant(fitted.mean[None]))
    return graph.join([rows, graph.op("Mul", centred, graph.constant(fitted.factor[None]))])


REDUCTIONS: Mapping[str, Callable[[Graph, str, Any], str]] = MappingProxyType(
    {
        "pca": _pca,
        "truncated_svd": _truncated_svd,
        "nystroem": _nystroem,
        "kitchen_sinks": _kitchen_sinks,
        "select": _select,
        "polynomial": _polynomial,
    }
)
"""By the names of `preprocessing.reduce.REDUCTIONS`."""


def _product(graph: Graph, rows: str, weights: Floats) -> str:
    """`preprocessing.matrices.product`: exact, and so the same bits in whatever order a runtime sums."""
    bits = factor_bits(len(weights))
    return graph.op("MatMul", _on_grid(graph, rows, bits), graph.constant(on_grid(weights, 0, bits)))


def _on_grid(graph: Graph, rows: str, bits: int) -> str:
    """Each row rounded to multiples of 2^−bits of the power of two above its largest number."""
    largest = graph.op("ReduceMax", graph.op("Abs", rows), graph.constant(np.array([1])), keepdims=1)
    largest = graph.op("Max", largest, graph.constant(np.float64(LEAST)))
    two = graph.constant(np.float64(2))
    # The logarithm may be off by one; the power of a whole number is exact.
    power = graph.op("Floor", graph.op("Div", graph.op("Log", largest), graph.constant(np.log(2.0))))
    below = graph.op("Pow", two, power)
    above = graph.op("Mul", below, two)
    unit = graph.op("Where", graph.op("Less", largest, below), below, above)
    unit = graph.op("Where", graph.op("LessOrEqual", above, largest), graph.op("Mul", above, two), unit)
    unit = graph.op("Mul", unit, graph.constant(np.ldexp(1.0, -bits)))
    return graph.op("Mul", graph.op("Round", graph.op("Div", rows, unit)), unit)
