"""`DensePreparer` in a graph: one function a step, operation by operation in the precision of the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from automl.errors import ExportError
from automl.export.columns import Encoded
from automl.export.graph import DOUBLE, FLOAT, Graph
from automl.export.reductions import reduce
from automl.preprocessing.power import REACH, SMALL
from automl.preprocessing.ranges import FURTHEST
from automl.preprocessing.scale import CLIP

if TYPE_CHECKING:
    from automl.preprocessing.dense import DensePreparer
    from automl.preprocessing.encodings import Coalescing, Encoding
    from automl.preprocessing.impute import Imputation
    from automl.preprocessing.scale import Scaling

Floats = npt.NDArray[np.float64]

STEPS = frozenset({"imputation", "scaling", "coalescing", "encoding", "reduction"})
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
    codes = encoded.codes
    if preparer.coalescing is not None:
        codes = _coalesced(graph, codes, preparer.coalescing)
    if preparer.encoding is not None:
        parts += _looked_up(graph, codes, preparer.encoding)
        codes = graph.columns(codes, [])
    numbers = graph.join(parts)
    if preparer.reduction is not None:
        numbers = reduce(graph, numbers, preparer.reduction)
    return Prepared(numbers, codes, preparer.levels(encoded.levels))


def _coalesced(graph: Graph, codes: str, fitted: Coalescing) -> str:
    place = graph.op("Add", codes, graph.constant(fitted.starts[None]))
    return graph.op("Gather", graph.constant(fitted.table.astype(np.int64)), place)


def _looked_up(graph: Graph, codes: str, fitted: Encoding) -> list[str]:
    """The numbers of each categorical column, (rows, w) each."""
    columns = [graph.op("Gather", codes, graph.constant(np.int64(j)), axis=1) for j in range(len(fitted.tables))]
    return [
        graph.op("Gather", graph.constant(table), column) for table, column in zip(fitted.tables, columns, strict=True)
    ]


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
    scaled = graph.clip(_affine(graph, numbers, fitted), np.float32(-FURTHEST), np.float32(FURTHEST))
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


def _bent(graph: Graph, numbers: str, fitted: Scaling) -> str:
    """`preprocessing.power.bend`: (expm1(power · log1p|x|) / power − mean) · factor, mirrored below zero."""
    exponent, mean, spread = fitted.bends.T[:, None]
    factor = np.where(spread > SMALL, 1 / np.maximum(spread, SMALL), 0.0)
    scaled = graph.clip(_affine(graph, numbers, fitted), np.float32(-REACH), np.float32(REACH))
    x = graph.cast(scaled, DOUBLE)
    below = graph.op("Less", x, graph.constant(np.float64(0)))
    log = _log1p(graph, graph.op("Abs", x))

    def chosen(above: Floats, mirrored: Floats) -> str:
        return graph.op("Where", below, graph.constant(mirrored), graph.constant(above))

    power = chosen(exponent, 2 - exponent)
    flat = graph.op("Less", graph.op("Abs", power), graph.constant(np.float64(SMALL)))
    divisor = graph.op("Where", flat, graph.constant(np.float64(1)), power)
    grown = graph.op("Div", _expm1(graph, graph.op("Mul", power, log)), divisor)
    size = graph.op("Where", flat, log, grown)
    value = graph.op("Sub", graph.op("Where", below, graph.op("Neg", size), size), graph.constant(mean))
    value = graph.op("Mul", value, graph.constant(factor))
    return graph.cast(graph.clip(value, np.float64(-FURTHEST), np.float64(FURTHEST)), FLOAT)


def _log1p(graph: Graph, x: str) -> str:
    """log(1 + x), exact near zero: log(u) · x / (u − 1) with u = 1 + x (Kahan; Higham 2002, section 1.14.1)."""
    one = graph.constant(np.float64(1))
    u = graph.op("Add", one, x)
    past = graph.op("Sub", u, one)
    nothing = graph.op("Equal", past, graph.constant(np.float64(0)))
    ratio = graph.op("Div", x, graph.op("Where", nothing, one, past))
    return graph.op("Where", nothing, x, graph.op("Mul", graph.op("Log", u), ratio))


def _expm1(graph: Graph, x: str) -> str:
    """exp(x) − 1, exact near zero: (u − 1) · x / log(u) with u = exp(x) (Kahan; Higham 2002, section 1.14.1)."""
    one = graph.constant(np.float64(1))
    u = graph.op("Exp", x)
    past = graph.op("Sub", u, one)
    nothing = graph.op("Equal", past, graph.constant(np.float64(0)))
    nearly = graph.op("Less", u, graph.constant(np.float64(2)))
    inner = graph.op("And", nearly, graph.op("Greater", u, graph.constant(np.float64(0.5))))
    log = graph.op("Log", graph.op("Where", nothing, graph.constant(np.float64(2)), u))
    near = graph.op("Where", nothing, x, graph.op("Div", graph.op("Mul", past, x), log))
    return graph.op("Where", inner, near, past)


def _slopes(fitted: Scaling, size: int) -> Floats:
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
        "maxabs": _affine,
        "robust": _affine,
        "robust_clip": _clipped,
        "quantile": _to_normal,
        "power": _bent,
    }
)
