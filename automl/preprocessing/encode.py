"""Codes as columns of numbers: one-hot for linear models, ordinal for scikit-learn's histogram trees."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
from scipy import sparse

from automl.preprocessing.columns import Arrays

MOST_BINS = 254  # categories that HistGradientBoosting takes apart; its 255th bin is for missing values

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@overload
def one_hot(
    codes: Codes, levels: tuple[int, ...], kept: Mask | None = None, *, as_sparse: Literal[False] = False
) -> npt.NDArray[np.float32]: ...
@overload
def one_hot(
    codes: Codes, levels: tuple[int, ...], kept: Mask | None = None, *, as_sparse: Literal[True]
) -> sparse.csr_array[np.float32]: ...
def one_hot(
    codes: Codes, levels: tuple[int, ...], kept: Mask | None = None, *, as_sparse: bool = False
) -> npt.NDArray[np.float32] | sparse.csr_array[Any]:
    """(n, w) float32, 1 in the column of each row's level; code 0, missing or unseen, is all zeros.

    Parameters
    ----------
    codes: (n, c), code 0 to levels[j] − 1 in column j.
    levels: codes per column, 0 included; w = sum(levels) − c.
    kept: (w,) levels that get a column, see `frequent`; all by default.
    as_sparse: a CSR array instead of a dense one, for columns of many levels.
    """
    rows, columns = codes.shape
    offsets = np.concatenate([[0], np.cumsum(np.array(levels, dtype=np.int64) - 1)])
    width = int(offsets[-1])
    place = np.arange(width) if kept is None else np.where(kept, np.cumsum(kept) - 1, -1)
    present = codes > 0
    target = np.where(present, codes - 1 + offsets[:columns], width)
    position = np.append(place, -1)[target]
    row, _ = np.nonzero(position >= 0)
    column = position[position >= 0]
    width = width if kept is None else int(kept.sum())
    if as_sparse:
        ones = np.ones(len(row), dtype=np.float32)
        ends = np.concatenate([[0], np.cumsum((position >= 0).sum(axis=1))])
        return sparse.csr_array((ones, column, ends), shape=(rows, width))
    dense = np.zeros((rows, width), dtype=np.float32)
    dense[row, column] = 1
    return dense


def frequent(codes: Codes, levels: tuple[int, ...], min_count: int) -> Mask:
    """(w,) True for each level, code 0 aside, that is in at least `min_count` of these training rows (n, c)."""
    counts = [np.bincount(codes[:, j], minlength=size)[1:] for j, size in enumerate(levels)]
    return np.concatenate([np.empty(0, dtype=np.intp), *counts]) >= min_count


def ordinal(arrays: Arrays, levels: tuple[int, ...]) -> tuple[npt.NDArray[np.float32], Mask]:
    """(n, d + c) numbers, then codes from 0 on, NaN where missing or unseen; (d + c,) True where categorical.

    A column of more than 254 levels is not marked as categorical: its levels, the most frequent first, are taken
    as plain numbers, since HistGradientBoosting has 255 bins.
    """
    codes = arrays.codes.astype(np.float32) - 1
    codes[codes < 0] = np.nan
    few = np.array(levels, dtype=np.int64) - 1 <= MOST_BINS
    categorical = np.concatenate([np.zeros(arrays.numbers.shape[1], dtype=np.bool_), few])
    return np.hstack([arrays.numbers, codes]), categorical
