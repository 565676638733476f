"""What the estimators of other libraries are fed in a graph: see `evaluation.fitted.estimator_inputs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.errors import ExportError
from automl.export.columns import Encoded
from automl.export.graph import DOUBLE, Graph
from automl.export.preparation import Prepared, prepare

if TYPE_CHECKING:
    from automl.preprocessing.dense import DensePreparer


@dataclass(frozen=True)
class Inputs:
    """The table of an estimator.

    Attributes
    ----------
    value: (rows, width) double; each number is one of single precision.
    ordinal: number of codes, missing not counted, of each of the last columns where these are codes from 0 on, NaN
        where missing; () where categories are one-hot columns.
    """

    value: str
    width: int
    ordinal: tuple[int, ...] = ()

    def codes(self, column: int) -> int:
        """Number of codes of a column.

        Raises
        ------
        ExportError: it is a column of numbers, which the estimator takes for categories.
        """
        place = column - (self.width - len(self.ordinal))
        if place < 0:
            raise ExportError(
                f"an estimator that takes column {column} of its inputs, numbers, for categories has no ONNX form"
            )
        return self.ordinal[place]


def estimator_inputs(graph: Graph, preparer: DensePreparer | None, encoded: Encoded) -> Inputs:
    """The encoded columns as an estimator wants them: ordinal without a preparer, else prepared and one-hot."""
    if preparer is not None:
        return _one_hot(graph, prepare(graph, preparer, encoded), preparer.width)
    ordinal = tuple(levels - 1 for levels in encoded.levels)
    codes = graph.op("Sub", graph.cast(encoded.codes, DOUBLE), graph.constant(np.float64(1)))
    missing = graph.op("Less", codes, graph.constant(np.float64(0)))
    codes = graph.op("Where", missing, graph.constant(np.float64(np.nan)), codes)
    value = graph.join([graph.cast(encoded.numbers, DOUBLE), codes])
    return Inputs(value, encoded.width + len(ordinal), ordinal)


def _one_hot(graph: Graph, prepared: Prepared, width: int) -> Inputs:
    pairs = [(column, level) for column, size in enumerate(prepared.levels) for level in range(1, size)]
    numbers = graph.cast(prepared.numbers, DOUBLE)
    if not pairs:
        return Inputs(numbers, width)
    columns, levels = np.array(pairs, dtype=np.int64).T
    hot = graph.op("Equal", graph.columns(prepared.codes, columns), graph.constant(levels[None]))
    return Inputs(graph.join([numbers, graph.cast(hot, DOUBLE)]), width + len(pairs))
