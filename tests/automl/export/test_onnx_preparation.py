"""The preparation in a graph equals that of the library: to the bit, but for powers and exponentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sessions import computed

from automl.errors import ExportError
from automl.export import preparation, reductions
from automl.export.columns import Encoded
from automl.export.graph import DOUBLE, Graph
from automl.export.preparation import SCALES, STEPS, prepare
from automl.preprocessing.columns import Arrays
from automl.preprocessing.dense import DensePreparer
from automl.preprocessing.impute import IMPUTATIONS
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import product
from automl.preprocessing.reduce import REDUCTIONS
from automl.preprocessing.scale import SCALINGS

LEVELS = (4, 70, 2)
ROUNDED = 1e-6
"""What a float32 of about one may differ by after a sine, a power or an exponential."""


def table(rows: int = 300, seed: int = 0, holes: bool = True) -> Arrays:
    """Numbers on several scales, with ties, outliers and holes, and codes."""
    rng = np.random.default_rng(seed)
    numbers = np.column_stack(
        [
            *(rng.normal(size=rows), rng.integers(0, 3, rows), rng.standard_cauchy(rows) * 1e3, np.full(rows, 7.0)),
            *(rng.normal(size=rows) * 1e-7, np.where(rng.random(rows) < 0.9, 0, rng.normal(size=rows)) - 5e5),
        ]
    ).astype(np.float32)
    if holes:
        numbers[rng.random(numbers.shape) < 0.1] = np.nan
    codes = np.column_stack([rng.integers(0, size, rows) for size in LEVELS]).astype(np.int32)
    return Arrays(numbers, codes)


def fitted(arrays: Arrays, **choices: Any) -> DensePreparer:
    labels = Labels(np.nan_to_num(arrays.numbers[:, 0]) > 0, 2)
    return DensePreparer.fit(arrays, levels=LEVELS, labels=labels, **choices)


def exported(preparer: DensePreparer, arrays: Arrays) -> Any:
    return computed(lambda graph, encoded: prepare(graph, preparer, encoded).numbers, arrays, LEVELS)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("indicator", [True, False])
def test_a_scaling_equals_the_original(scaling: str, indicator: bool) -> None:
    train = table()
    preparer = fitted(train, scaling=scaling, missing_indicator=indicator)
    # In training, beyond its range, and exactly at quantiles, which are where a piecewise map bends.
    wide = table(seed=1)
    at_knots = Arrays(preparer.scaling.knots.T.astype(np.float32), train.codes[: preparer.scaling.knots.shape[1]])
    furthest = Arrays(np.full_like(wide.numbers, 1e18), wide.codes)
    for arrays in (train, Arrays(wide.numbers * 50, wide.codes), furthest, train.take(slice(1)), at_knots):
        if not len(arrays) or not arrays.numbers.shape[1]:
            continue
        found, wanted = exported(preparer, arrays), preparer.transform(arrays)
        if scaling == "power":
            np.testing.assert_allclose(found, wanted, rtol=ROUNDED, atol=ROUNDED)
        else:
            assert np.array_equal(found, wanted)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_table_without_numbers_is_prepared_too(scaling: str) -> None:
    arrays = Arrays(table().numbers[:, :0], table().codes)
    for encoding in ("embedding", "one_hot"):
        preparer = DensePreparer.fit(arrays, levels=LEVELS, scaling=scaling, encoding=encoding)
        assert np.array_equal(exported(preparer, arrays), preparer.transform(arrays))


@pytest.mark.parametrize("imputation", IMPUTATIONS)
def test_an_imputation_equals_the_original(imputation: str) -> None:
    preparer = fitted(table(), imputation=imputation, scaling="none")
    for arrays in (
        table(),
        table(seed=2),
        table(holes=False),
        Arrays(np.full((2, 6), np.nan, np.float32), table().codes[:2]),
    ):
        assert np.array_equal(exported(preparer, arrays), preparer.transform(arrays))


@pytest.mark.parametrize("coalescing", [False, True])
@pytest.mark.parametrize("encoding", ["embedding", "one_hot", "ordinal", "target"])
def test_an_encoding_equals_the_original(encoding: str, coalescing: bool) -> None:
    preparer = fitted(table(), encoding=encoding, coalescing=coalescing, min_frequency=0.02)
    for arrays in (table(), table(seed=3), table(1)):
        assert np.array_equal(exported(preparer, arrays), preparer.transform(arrays))
        codes = computed(lambda graph, encoded: prepare(graph, preparer, encoded).codes, arrays, LEVELS)
        assert np.array_equal(codes, preparer.codes(arrays))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_reduction_equals_the_original(reduction: str) -> None:
    preparer = fitted(table(), encoding="one_hot", reduction=reduction, components=5)
    for arrays in (table(), table(seed=4), table(1)):
        found, wanted = exported(preparer, arrays), preparer.transform(arrays)
        if reduction in ("nystroem", "kitchen_sinks"):
            np.testing.assert_allclose(found, wanted, rtol=ROUNDED, atol=ROUNDED)
        else:
            assert np.array_equal(found, wanted)


@pytest.mark.parametrize("scale", [1.0, 2.0**-40, 2.0**20 - 2.0**-10])
def test_products_are_rounded_to_the_same_grid(scale: float) -> None:
    rng = np.random.default_rng(0)
    rows = np.vstack([rng.normal(size=(40, 7)) * scale, np.zeros(7), np.full(7, 2.0**-3), np.full(7, 2.0**9)])
    rows = rows.astype(np.float32)
    weights = rng.normal(size=(7, 3))

    def add(graph: Graph, encoded: Encoded) -> str:
        return reductions._product(graph, graph.cast(encoded.numbers, DOUBLE), weights)

    found = computed(add, Arrays(rows, np.empty((len(rows), 0), dtype=np.int32)))
    assert np.array_equal(found, product(rows.astype(np.float64), weights))


def test_all_that_a_preparation_can_be_has_a_conversion() -> None:
    assert {*SCALES} == {*SCALINGS}
    assert {*reductions.REDUCTIONS} == {*REDUCTIONS}
    assert {*DensePreparer.__dataclass_fields__} == STEPS


def test_a_step_without_a_conversion_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    preparer = fitted(table(), reduction="pca")
    strange = replace(preparer, scaling=replace(preparer.scaling, method="strange"))
    with pytest.raises(ExportError, match="the scaling 'strange' has no ONNX form; known are none, standard"):
        exported(strange, table())
    assert preparer.reduction is not None
    strange = replace(preparer, reduction=replace(preparer.reduction, method="strange"))
    with pytest.raises(ExportError, match="the reduction 'strange' has no ONNX form; known are pca"):
        exported(strange, table())
    monkeypatch.setattr(preparation, "STEPS", STEPS - {"reduction"})
    with pytest.raises(ExportError, match="the preparation step 'reduction' has no ONNX form; fix it to none"):
        exported(preparer, table())
