"""Targets: labels of any kind, values, weights, and an order of rows of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.errors import DataError
from automl.preprocessing.columns import Arrays
from automl.targets import canonical_order, check_weights, counted_rows, encode_labels, encode_values


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([True, False, True], [False, True]),
        ([-1, -7, -1], [-7, -1]),
        ([1.0, 0.0, 1.0], [0.0, 1.0]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series(["b", "a", "b"], dtype="string"), ["a", "b"]),
        (pd.Series([5, 2, 5], dtype="Int64"), [2, 5]),
        (pd.Series([True, False, True], dtype="boolean"), [False, True]),
        (pd.Series(["b", "a", "b"], index=[9, 9, 9]), ["a", "b"]),
    ],
    ids=["str", "bool", "negative", "float", "category", "string", "Int64", "boolean", "index"],
)
def test_labels_become_indices_of_sorted_classes(labels: Any, classes: list[Any]) -> None:
    codes, found = encode_labels(labels)
    assert found.tolist() == classes
    assert codes.tolist() == [1, 0, 1]
    assert codes.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "a"], "1 class only .*at least 2 classes"),
        (["a", None, "b"], "Input y contains NaN: 1 of 3"),
        ([0.0, np.nan, 1.0], "NaN"),
        (pd.Series([1, None, 2], dtype="Int64"), "NaN: 1 of 3"),
        ([0.1, 0.7, 0.3], "continuous"),
        (np.array(["a", 1, "b"], dtype=object), "mixed types|mix of"),
    ],
    ids=["one class", "None", "nan", "NA", "continuous", "mixed"],
)
def test_labels_that_cannot_be_learned_are_refused(labels: Any, message: str) -> None:
    with pytest.raises((DataError, ValueError, TypeError), match=message):
        encode_labels(labels)


@pytest.mark.parametrize(
    "values", [[1, 2, 3], pd.Series([1, 2, 3], dtype="Int64"), np.array([1, 2, 3], dtype=object), [[1], [2], [3]]]
)
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_values_become_float64(values: Any) -> None:
    found = encode_values(values)
    assert found.dtype == np.float64
    assert found.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan], "NaN: 1 of 2"),
        ([1.0, np.inf], "infinity"),
        (["cheap", "dear"], r"'cheap'.* is no number .*use AutoNetClassifier"),
    ],
)
def test_values_that_cannot_be_learned_are_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode_values(values)


def test_equal_weights_are_no_weights() -> None:
    assert check_weights(None, 3) is None
    assert check_weights([2, 2, 2], 3) is None
    assert check_weights(0.5, 3) is None
    assert check_weights([1, 2, 3], 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize("wrong", [[1, 2], [[1], [2], [3]], [1, -1, 1], [0, 0, 0], [1, np.nan, 1]], ids=str)
def test_wrong_weights_are_refused(wrong: Any) -> None:
    with pytest.raises(DataError, match=r"sample_weight|Sample weights"):
        check_weights(wrong, 3)


def test_small_whole_weights_are_repetitions_and_others_are_scaled_to_mean_one() -> None:
    every = np.arange(3)
    rows, weight = counted_rows(np.array([2.0, 0.0, 1.0]))
    assert (every[rows].tolist(), weight) == ([0, 0, 2], None)
    rows, weight = counted_rows(np.array([1.5, 0.0, 0.5]))
    assert weight is not None
    assert (every[rows].tolist(), weight.tolist()) == ([0, 2], [1.5, 0.5])
    rows, weight = counted_rows(None)
    assert (every[rows].tolist(), weight) == ([0, 1, 2], None)


def test_order_of_rows_follows_from_what_they_hold() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(50, 3)).astype(np.float32)
    numbers[::7, 1] = np.nan
    arrays = Arrays(numbers, rng.integers(0, 4, (50, 2)).astype(np.int32))
    y = rng.normal(size=50)
    mixed = rng.permutation(50)
    order, other = canonical_order(arrays, y), canonical_order(arrays.take(mixed), y[mixed])
    assert np.array_equal(y[order], y[mixed][other])
    assert np.array_equal(numbers[order], numbers[mixed][other], equal_nan=True)


def test_zero_and_minus_zero_are_the_same_and_the_target_counts() -> None:
    codes = np.empty((2, 0), dtype=np.int32)
    zeros = Arrays(np.array([[0.0], [-0.0]], dtype=np.float32), codes)
    assert canonical_order(zeros, np.array([1, 1])).tolist() == [0, 1]
    one, other = (y[canonical_order(zeros, y)].tolist() for y in (np.array([3, 8]), np.array([8, 3])))
    assert one == other
