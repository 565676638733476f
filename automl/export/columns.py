"""Raw columns as the inputs of a graph, and what `TableEncoder` makes of them: numbers and codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import ExportError
from automl.export.graph import DOUBLE, FLOAT, INT64, STRING, Graph
from automl.preprocessing.ranges import FURTHEST, Ranges
from automl.preprocessing.text import Text

if TYPE_CHECKING:
    from automl.preprocessing.categories import Level
    from automl.preprocessing.columns import TableEncoder


@dataclass(frozen=True)
class Encoded:
    """The values of `preprocessing.columns.Arrays` in a graph.

    Attributes
    ----------
    numbers: (rows, d) float32, NaN where missing. codes: (rows, c) int64, 0 where missing or new.
    levels: number of codes of each categorical column, 0 included; c of them.
    width: d.
    missing: what is written where a category is missing, by the column's name; NaN for all columns of numbers.
    """

    numbers: str
    codes: str
    levels: tuple[int, ...]
    width: int
    missing: Mapping[str, str | int] = field(default_factory=dict)


def used_names(encoder: TableEncoder, reserved: Sequence[str]) -> list[str]:
    """Names of the columns that predictions depend on: numbers, then categories.

    Raises
    ------
    ExportError: a column has no ONNX form, or its name cannot be that of an input.
    """
    fitted = encoder.fitted
    for part in fitted.derived:
        kind, cure = ("free text", "categories") if isinstance(part.source, Text) else ("dates", "numbers")
        raise ExportError(
            f"column {fitted.names[part.position]!r} holds {kind}, which has no ONNX form; drop it or make it {cure}, "
            "and fit again"
        )
    names = [fitted.names[k] for k in (*fitted.numbers.tolist(), *(c.position for c in fitted.categories))]
    if not names:
        raise ExportError("no column tells rows apart, so there is nothing to export; fit on other columns")
    for name in names:
        if not name or name in reserved or names.count(name) > 1:
            raise ExportError(
                f"column {name!r} cannot be an input: it needs a name of its own other than {', '.join(reserved)}; "
                "rename it, and fit again"
            )
    return names


def encode(graph: Graph, encoder: TableEncoder) -> Encoded:
    """Add an input for each column that predictions depend on, and what the encoder makes of it."""
    fitted = encoder.fitted
    numbers = [graph.input(fitted.names[k], DOUBLE, "a number; NaN where missing") for k in fitted.numbers]
    named = [(fitted.names[category.position], category.levels) for category in fitted.categories]
    missing = {name: mark for name, levels in named if (mark := _mark(levels)) is not None}
    codes = [_coded(graph, name, levels, missing.get(name)) for name, levels in named]
    nothing = graph.columns(graph.cast((numbers or codes)[0], FLOAT), [])
    return Encoded(
        _condensed(graph, graph.join(numbers), fitted.ranges) if numbers else nothing,
        graph.join(codes) if codes else graph.cast(nothing, INT64),
        encoder.levels,
        len(numbers),
        missing,
    )


def _mark(levels: tuple[Level, ...]) -> str | int | None:
    """What is written where a category of these levels is missing: no level; None where it is NaN."""
    kinds = {type(level) for level in levels}
    if kinds == {str}:
        return next(mark for mark in ("", *(f"missing {k}" for k in range(len(levels) + 1))) if mark not in levels)
    if kinds <= {int, bool}:
        return next(-k for k in range(1, len(levels) + 2) if -k not in levels)
    return None


def _coded(graph: Graph, name: str, levels: tuple[Level, ...], mark: str | int | None) -> str:
    """Codes (rows, 1) of a column of text or numbers."""
    places = list(range(1, len(levels) + 1))
    encode: dict[str, Any] = {"domain": "ai.onnx.ml", "values_int64s": places, "default_int64": 0}
    if isinstance(mark, str):
        value = graph.input(name, STRING, f"a category; {mark!r} where missing")
        return graph.op("LabelEncoder", value, keys_strings=levels, **encode)
    if mark is not None:
        value = graph.input(name, INT64, f"a category as a number; {mark} where missing")
        return graph.op("LabelEncoder", value, keys_int64s=list(map(int, levels)), **encode)
    kinds = {type(level) for level in levels}
    if not kinds <= {int, bool, float}:
        raise ExportError(
            f"column {name!r} holds categories of the types {', '.join(sorted(kind.__name__ for kind in kinds))}, "
            "which have no common ONNX form; make them all text, astype(str), and fit again"
        )
    value = graph.input(name, DOUBLE, "a category as a number; NaN where missing")
    same = graph.op("Equal", value, graph.constant(np.array(levels, dtype=np.float64)[None]))
    found = graph.op("Mul", graph.cast(same, INT64), graph.constant(np.array(places, dtype=np.int64)[None]))
    return graph.op("ReduceSum", found, graph.constant(np.array([1])), keepdims=1)


def _condensed(graph: Graph, numbers: str, ranges: Ranges) -> str:
    """`preprocessing.ranges.condense`, operation by operation in double precision, and so the same bits."""

    def row(values: Any) -> str:
        return graph.constant(np.broadcast_to(np.asarray(values, dtype=np.float64), ranges.low.shape)[None])

    ends = graph.op("Where", graph.op("Greater", numbers, row(0.0)), row(ranges.high), row(ranges.low))
    value = graph.op("Where", graph.op("IsInf", numbers), ends, numbers)
    if (ranges.unit != 1).any():
        value = graph.op("Div", value, row(ranges.unit))
    if ranges.centre.any():
        value = graph.op("Sub", value, row(ranges.centre / ranges.unit))
    return graph.cast(graph.clip(value, np.float64(-FURTHEST), np.float64(FURTHEST)), FLOAT)
