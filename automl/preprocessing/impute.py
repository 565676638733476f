"""Missing numbers: a column's median, mean or most frequent value, or zero, in their place, and a mark of where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.errors import unknown

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Imputation:
    """What a missing entry becomes.

    Attributes
    ----------
    fill: (d,) float32, finite.
    marked: (m,) positions of the columns that get an indicator, those with missing entries in the task.
    """

    fill: Numbers
    marked: npt.NDArray[np.int64]


def fit_imputation(
    numbers: Numbers, method: str, indicator: bool, gaps: npt.NDArray[np.bool_] | None = None
) -> Imputation:
    """Learn from training rows (n, d); a column without any value is filled with 0.

    Parameters
    ----------
    gaps: (d,) True where a column gets an indicator; None for those with missing entries in these rows.

    Raises
    ------
    SettingError: `method` is not in IMPUTATIONS.
    """
    if method not in IMPUTATIONS:
        raise unknown("imputation", method, IMPUTATIONS)
    missing = np.isnan(numbers)
    fill = IMPUTATIONS[method](numbers, missing).astype(np.float32)
    marked = np.flatnonzero(missing.any(axis=0) if gaps is None else gaps) if indicator else np.empty(0)
    return Imputation(np.nan_to_num(fill), marked.astype(np.int64))


def impute(numbers: Numbers, fitted: Imputation) -> Numbers:
    """Numbers (n, d) without NaN; a new array only if something was missing."""
    missing = np.isnan(numbers)
    return np.where(missing, fitted.fill, numbers) if missing.any() else numbers


def indicate(numbers: Numbers, fitted: Imputation) -> Numbers:
    """(n, m) 1 where the marked columns of the raw numbers (n, d) are missing, else 0."""
    return np.isnan(numbers[:, fitted.marked]).astype(np.float32)


def _medians(numbers: Numbers, missing: npt.NDArray[np.bool_]) -> Numbers:
    """(d,) medians. Sorting puts NaN last, so that one sort serves columns with any number of values."""
    count = np.maximum(len(numbers) - missing.sum(axis=0), 1)
    ordered = np.sort(numbers.T, axis=1)
    columns = np.arange(len(ordered))
    return (ordered[columns, (count - 1) // 2] + ordered[columns, count // 2]) / 2


def _means(numbers: Numbers, missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    count = np.maximum(len(numbers) - missing.sum(axis=0), 1)
    return numbers.sum(axis=0, where=~missing, dtype=np.float64) / count


def _modes(numbers: Numbers, missing: npt.NDArray[np.bool_]) -> Numbers:
    """(d,) most frequent values, the least on ties: the longest run of equal values in each sorted column."""
    rows, columns = numbers.shape
    if not columns:
        return np.empty(0, dtype=np.float32)
    ordered = np.sort(numbers.T, axis=1)
    begins = np.ones((columns, rows), dtype=np.bool_)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(begins.ravel())
    lengths = np.diff(starts, append=ordered.size)
    column = starts // rows
    first = np.searchsorted(column, np.arange(columns))
    longest = np.flatnonzero(lengths == np.maximum.reduceat(lengths, first)[column])
    chosen = longest[np.searchsorted(column[longest], np.arange(columns))]
    return ordered.ravel()[starts[chosen]]


def _zeros(numbers: Numbers, missing: npt.NDArray[np.bool_]) -> Numbers:
    return np.zeros(numbers.shape[1], dtype=np.float32)


IMPUTATIONS: dict[str, Callable[[Numbers, npt.NDArray[np.bool_]], npt.NDArray[np.floating]]] = {
    "median": _medians,
    "mean": _means,
    "most_frequent": _modes,
    "constant_zero": _zeros,
}
