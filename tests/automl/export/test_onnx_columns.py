"""Raw columns in a graph: the same bits as the table encoder's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sessions import feeds, mixed, session

from automl.errors import ExportError
from automl.export.columns import encode, used_names
from automl.export.graph import FLOAT, INT64, Graph
from automl.preprocessing.columns import TableEncoder

ANY = st.floats(width=64)
SENSIBLE = st.one_of(st.floats(-1e6, 1e6), st.floats(1.7e9, 1.7e9 + 1e5), st.just(np.nan))


def encoded(encoder: TableEncoder, *tables: pd.DataFrame) -> list[tuple[Any, Any]]:
    graph = Graph(["numbers", "codes", *used_names(encoder, [])])
    found = encode(graph, encoder)
    graph.output("numbers", found.numbers, FLOAT, "d")
    graph.output("codes", found.codes, INT64, "c")
    opened = session(graph.model(""))
    return [tuple(opened.run(["numbers", "codes"], feeds(opened, table, found.missing))) for table in tables]


def assert_same_bits(fit: pd.DataFrame, *tables: pd.DataFrame) -> None:
    encoder = TableEncoder().fit(fit)
    for table, (numbers, codes) in zip(tables, encoded(encoder, *tables), strict=True):
        wanted = encoder.transform(table)
        assert np.array_equal(numbers, wanted.numbers, equal_nan=True)
        assert np.array_equal(codes, wanted.codes)


@given(arrays(np.float64, (6, 2), elements=SENSIBLE), arrays(np.float64, (5, 2), elements=ANY))
def test_any_numbers_become_the_same_bits(fitted: Any, others: Any) -> None:
    fit = pd.DataFrame(fitted, columns=["a", "b"]).assign(c=range(6))
    assert_same_bits(fit, fit, pd.DataFrame(others, columns=["a", "b"]).assign(c=range(5)))


def test_a_frame_of_many_kinds_becomes_the_same_bits() -> None:
    table, other = (mixed(seed=seed) for seed in (0, 1))
    assert_same_bits(table, table, other, other.iloc[:1])


def test_numbers_that_need_double_precision_keep_their_differences() -> None:
    stamps = pd.DataFrame(
        {"stamp": 1.7e9 + np.arange(50.0), "id": 2.0**52 + np.arange(50.0), "huge": np.geomspace(1e300, 1e308, 50)}
    )
    assert_same_bits(stamps, stamps, stamps + 0.25)
    (numbers, _), *_ = encoded(TableEncoder().fit(stamps), stamps)
    assert len(np.unique(numbers[:, 0])) == len(np.unique(numbers[:, 1])) == 50


CATEGORIES = {
    "text": pd.Series(["b", "a", "", None, "b", "ä"] * 9),
    "whole": pd.Series(pd.Categorical([3, -1, 3, None, 2**40, 0] * 9)),
    "parts": pd.Series(pd.Categorical([0.1, 0.5, None, 0.1, np.inf, -0.5] * 9)),
    "flags": pd.Series(pd.Categorical([True, False, None, True, True, False] * 9)),
}


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_become_the_same_codes(name: str) -> None:
    column = CATEGORIES[name]
    new = {"text": "new", "whole": 7, "parts": 0.7, "flags": 5}[name]
    fit = pd.DataFrame({name: column})
    more = pd.DataFrame({name: pd.Series([*column.astype(object), new], dtype=object)})
    encoder = TableEncoder().fit(fit)
    (_, codes), (_, more_codes) = encoded(encoder, fit, more)
    assert np.array_equal(codes, encoder.transform(fit).codes)
    assert more_codes.ravel().tolist() == [*codes.ravel().tolist(), 0]
    assert (codes[column.isna(), 0] == 0).all()


def test_what_stands_for_a_missing_category_is_no_category() -> None:
    encoder = TableEncoder().fit(pd.DataFrame(CATEGORIES))
    graph = Graph([*CATEGORIES])
    assert encode(graph, encoder).missing == {"text": "missing 0", "whole": -2, "flags": -1}
    about = {put.name: put.doc_string for put in graph.model("").graph.input}
    assert about["whole"] == "a category as a number; -2 where missing"
    assert about["parts"] == "a category as a number; NaN where missing"


def test_columns_that_tell_nothing_are_no_inputs() -> None:
    table = mixed().assign(empty=None, same=1)
    assert used_names(TableEncoder().fit(table), []) == [*mixed()]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.date_range("2024-01-01", periods=60), "column 'x' holds dates, .* make it numbers"),
        ([f"the quick brown fox number {k}" for k in range(60)], "column 'x' holds free text, .* make it categories"),
        ([1, "one", 2.5] * 20, "types float, int, str"),
    ],
    ids=["dates", "text", "mixed"],
)
def test_a_column_without_an_onnx_form_is_named_with_the_cure(column: Any, message: str) -> None:
    encoder = TableEncoder().fit(pd.DataFrame({"x": column, "y": np.arange(60.0)}))
    with pytest.raises(ExportError, match=f"{message}.*fit again"):
        encode(Graph(used_names(encoder, [])), encoder)


@pytest.mark.parametrize("names", [["a", "a"], ["label", "b"], ["", "b"]], ids=str)
def test_a_name_that_cannot_be_an_input_is_refused(names: list[str]) -> None:
    encoder = TableEncoder().fit(pd.DataFrame(np.arange(20.0).reshape(10, 2), columns=names))
    with pytest.raises(ExportError, match=f"column '{names[0]}' cannot be an input: .* other than label; rename it"):
        used_names(encoder, ["label"])


def test_a_table_that_tells_nothing_is_refused() -> None:
    with pytest.warns(UserWarning, match="tells its rows apart"):
        encoder = TableEncoder().fit(pd.DataFrame({"a": [1.0] * 9}))
    with pytest.raises(ExportError, match="nothing to export"):
        used_names(encoder, [])
