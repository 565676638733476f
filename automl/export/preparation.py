"""`DensePreparer` in a graph: one function a step, operation by operation in the precision of the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from automl.errors import ExportError
from automl.export.columns import Encoded
from automl.export.graph import DOUBLE, FLOAT, Graph
from automl.preprocessing.scale import CLIP

if TYPE_CHECKING:
    from automl.preprocessing.dense import DensePreparer
    from automl.preprocessing.impute import Imputation
    from automl.preprocessing.scale import Scaling

STEPS = frozenset({"imputation", "scaling"})
"""The fields of `DensePreparer` that `prepare` knows."""


@dataclass(frozen=True)
class Prepared:
    """What a model is fed.

    Attributes
    ----------
    numbers: (rows, width) float32 without NaN. codes: (rows, c) int64.
    levels: number of codes of each categorical column, 0 included; c of them.
    """

    numbers: str
    codes: str
    levels: tuple[int, ...]


def prepare(graph: Graph, preparer: DensePreparer, encoded: Encoded) -> Prepared:
    """What the preparer makes of the encoded columns.

    Raises
    ------
    ExportError: a step has no ONNX form.
    """
    for field in fields(preparer):
        if field.name not in STEPS and getattr(preparer, field.name) is not None:
            raise ExportError(f"the preparation step {field.name!r} has no ONNX form; fix it to none in search_space")
    parts = [_scaled(graph, _imputed(graph, encoded.numbers, preparer.imputation), preparer.scaling)]
    if len(preparer.imputation.marked):
        parts.append(_marks(graph, encoded.numbers, preparer.imputation))
    return Prepared(graph.join(parts), encoded.codes, encoded.levels)


def _imputed(graph: Graph, numbers: str, fitted: Imputation) -> str:
    return graph.op("Where", graph.op("IsNaN", numbers), graph.constant(fitted.fill[None]), numbers)


def _marks(graph: Graph, numbers: str, fitted: Imputation) -> str:
    return graph.cast(graph.op("IsNaN", graph.columns(numbers, fitted.marked)), FLOAT)


def _scaled(graph: Graph, numbers: str, fitted: Scaling) -> str:
    if fitted.method not in SCALES:
        raise ExportError(f"the scaling {fitted.method!r} has no ONNX form; known are {', '.join(SCALES)}")
    return SCALES[fitted.method](graph, numbers, fitted)


def _same(graph: Graph, numbers: str, fitted: Scaling) -> str:
    return numbers


def _affine(graph: Graph, numbers: str, fitted: Scaling) -> str:
    centred = graph.op("Sub", numbers, graph.constant(fitted.shift[None]))
    return graph.op("Mul", centred, graph.constant(fitted.factor[None]))


def _clipped(graph: Graph, numbers: str, fitted: Scaling) -> str:
    scaled = _affine(graph, numbers, fitted)
    share = graph.op("Div", scaled, graph.constant(np.float32(CLIP)))
    length = graph.op("Sqrt", graph.op("Add", graph.constant(np.float32(1)), graph.op("Mul", share, share)))
    return graph.op("Div", scaled, length)


def _to_normal(graph: Graph, numbers: str, fitted: Scaling) -> str:
    """`numpy.interp` in double precision: each column's place among its knots is found by halving."""
    columns, count = fitted.knots.shape
    size = 1 << (count - 1).bit_length()
    knots = np.pad(fitted.knots, ((0, 0), (0, size - count)), constant_values=np.inf)
    value = graph.cast(numbers, DOUBLE)
    below = graph.op("Less", value, graph.constant(knots[None, :, 0]))
    value = graph.op("Where", below, graph.constant(knots[None, :, 0]), value)
    flat = graph.constant(knots.ravel())
    place = graph.constant(np.arange(columns, dtype=np.int64)[None] * size)  # of the last knot that is not above
    step = size // 2
    while step:
        further = graph.op("Add", place, graph.constant(np.int64(step)))
        reached = graph.op("LessOrEqual", graph.op("Gather", flat, further), value)
        place = graph.op("Where", reached, further, place)
        step //= 2
    past = graph.op("Sub", value, graph.op("Gather", flat, place))
    rise = graph.op("Mul", past, graph.op("Gather", graph.constant(_slopes(fitted, size).ravel()), place))
    scores = np.pad(fitted.scores, ((0, 0), (0, size - count)))
    return graph.cast(graph.op("Add", rise, graph.op("Gather", graph.constant(scores.ravel()), place)), FLOAT)


def _slopes(fitted: Scaling, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(d, size) the slope after each knot, 0 after the last one and between equal knots."""
    width, rise = np.diff(fitted.knots, axis=1), np.diff(fitted.scores, axis=1)
    slopes = np.zeros((len(fitted.knots), size))
    np.divide(rise, width, out=slopes[:, : width.shape[1]], where=width > 0)
    return slopes


SCALES: Mapping[str, Callable[[Graph, str, Scaling], str]] = MappingProxyType(
    {
        "none": _same,
        "standard": _affine,
        "minmax": _affine,
        "robust": _affine,
        "robust_clip": _clipped,
        "quantile": _to_normal,
    }
)
