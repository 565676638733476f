"""The target: labels of any kind → class indices, values → float64; sample weights; an order of rows of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.errors import DataError
from automl.preprocessing.columns import Arrays

FREQUENCY_ROWS = 100
"""Rows up to which whole-number weights are carried out as repetitions rather than through the loss."""


def encode_targets(y: Any) -> tuple[NDArray[np.int64], NDArray[Any], bool]:
    """Class index of each row (n,), the labels (classes,), sorted, and False; or (n, labels) of 0 and 1, and True.

    Raises
    ------
    DataError: labels are missing, continuous, or all the same.
    """
    if not is_multilabel(y):
        return *encode_labels(y), False
    labels = np.asarray(y.toarray() if hasattr(y, "toarray") else y).astype(np.int64)
    return labels, np.arange(labels.shape[1]), True


def encode_labels(y: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Class index of each row (n,) and the labels (classes,), sorted.

    Raises
    ------
    DataError: labels are missing, continuous, or all the same.
    """
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import column_or_1d

    y = column_or_1d(_plain(y), warn=True)
    _refuse_missing(y)
    try:
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise DataError(
            f"labels of mixed types cannot be told apart ({error}); make them all text, y.astype(str)"
        ) from error
    if len(classes) < 2:
        raise DataError(f"y has 1 class only ({classes[0]!r}); a classifier needs at least 2 classes")
    return codes.astype(np.int64), classes


def is_multilabel(y: Any) -> bool:
    """Whether y holds several labels of each row, in scikit-learn's form: (n, labels) of 0 and 1, labels at least 2."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape  # what is no array may refuse `np.shape`
    if len(shape) != 2 or shape[1] < 2:
        return False
    from sklearn.utils.multiclass import type_of_target

    return bool(type_of_target(y) == "multilabel-indicator")


def encode_values(y: Any) -> NDArray[np.float64]:
    """Target values (n,).

    Raises
    ------
    DataError: values are missing, infinite or no numbers.
    """
    from sklearn.utils.validation import column_or_1d

    y = column_or_1d(_plain(y), warn=True)
    _refuse_missing(y)
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"y holds {y[0]!r}, which is no number ({error}); give numbers, or use AutoNetClassifier"
        ) from error
    if not np.isfinite(values).all():
        raise DataError("Input y contains infinity or a value too large; drop those rows or clip them")
    return values


def _plain(y: Any) -> Any:
    """pandas' extension types as NumPy arrays of the nearest plain type."""
    if not hasattr(y, "dtype") or isinstance(y, np.ndarray):
        return y
    kind = getattr(y.dtype, "kind", "O")
    if kind == "M" or isinstance(y.dtype, np.dtype):
        return np.asarray(y)
    if kind in "biuf" and not y.isna().any():
        return y.to_numpy(dtype=y.dtype.numpy_dtype if hasattr(y.dtype, "numpy_dtype") else None)
    return y.to_numpy(dtype=object)


def _refuse_missing(y: NDArray[Any]) -> None:
    import pandas as pd

    if not len(y):
        raise DataError("Input y is empty: 0 samples; give a target for every row of X")
    missing = int(pd.isna(y).sum())
    if missing:
        raise DataError(f"Input y contains NaN: {missing} of {len(y)} targets are missing; drop those rows")


def check_weights(sample_weight: Any, rows: int) -> NDArray[np.float64] | None:
    """Weights (n,), or None where all are equal.

    Raises
    ------
    DataError: of another length, negative, not finite, or all zero.
    """
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim == 0:
        weight = np.full(rows, float(weight))
    if weight.ndim != 1:
        raise DataError(f"Sample weights must be 1D array or scalar, got {weight.ndim}D array; give one weight a row")
    if weight.shape != (rows,):
        raise DataError(f"sample_weight.shape == {weight.shape}, expected {(rows,)}; give one weight a row")
    if not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise DataError("sample_weight must be finite, non-negative and not all zero; mend or drop those rows")
    return None if (weight == weight[0]).all() else weight


def counted_rows(weight: NDArray[np.float64] | None) -> tuple[NDArray[np.int64] | slice, NDArray[np.float64] | None]:
    """Rows to learn from and their weights: rows of weight 0 are left out. All are a slice, which copies nothing.

    Whole-number weights of a tiny table are frequencies, carried out exactly: the rows are repeated.
    """
    if weight is None:
        return slice(None), None
    if weight.sum() <= FREQUENCY_ROWS and (weight == np.round(weight)).all():
        return np.repeat(np.arange(len(weight)), weight.astype(np.int64)), None
    kept = np.flatnonzero(weight)
    return kept, weight[kept] / weight[kept].mean()


def canonical_order(arrays: Arrays, y: NDArray[Any]) -> NDArray[np.int64]:
    """An order of the rows that depends on what they hold, not on where they stood.

    It makes folds, and so the whole search, independent of the order in which rows are given. Rows are sorted by a
    hash: a sum of their cells' bits times random numbers, modulo 2**64.
    """
    rng = np.random.default_rng(0)
    total = np.zeros(len(y), dtype=np.uint64)
    numbers = np.where(np.isnan(arrays.numbers), np.float32(np.nan), arrays.numbers) + np.float32(0)  # −0 is 0
    for bits in (numbers.view(np.uint32), arrays.codes.view(np.uint32)):
        for column in range(bits.shape[1]):
            total += _mix(bits[:, column]) * rng.integers(1, 2**63, dtype=np.uint64)
    total += _mix(np.ascontiguousarray(y if y.ndim == 1 else y[:, 0]).view(np.uint64))
    for column in y.T[1:] if y.ndim == 2 else ():
        total += _mix(np.ascontiguousarray(column).view(np.uint64)) * rng.integers(1, 2**63, dtype=np.uint64)
    return np.argsort(total, kind="stable")


def _mix(bits: NDArray[Any]) -> NDArray[np.uint64]:
    """Spread the information of each word over all its bits (the finaliser of splitmix64, Steele et al. 2014)."""
    x = bits.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
