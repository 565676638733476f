"""The part of a table that metafeatures are computed from, in an order that does not depend on how it was given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_ROWS = 10_000
MOST_COLUMNS = 500
MOST_CELLS = 1_000_000
"""Of the sample: a wide table gives fewer rows, or its moments alone would take seconds."""
MOST_LEVELS = 500
"""Levels of all categorical columns together that become columns of the dense matrix; rarer ones stay zeros."""


@dataclass(frozen=True)
class Sample:
    """Rows and columns of a table.

    Attributes
    ----------
    numbers: (n, p), NaN where missing.
    categories: (n, q) whole numbers, 0 where missing, else the code of a level.
    y: (n,) codes of classes from 0, or values.
    """

    numbers: Floats
    categories: NDArray[np.int64]
    y: NDArray[np.float64]

    @classmethod
    def of(cls, numbers: Floats, categories: NDArray[np.int64], y: Floats, *, classes: int, seed: int = 0) -> Sample:
        """Columns and rows in a canonical order, at most 10,000 rows of 500 columns of them, drawn by `seed`.

        Of more than 100 columns, at most a million values.
        """
        rng = np.random.default_rng(seed)
        labels = _frequencies(y) if classes else y
        of_numbers, of_categories = _column_marks(numbers), _column_marks(categories)
        marks = _row_marks(numbers, of_numbers) + _row_marks(categories, of_categories) + _mixed(_bits(labels))
        numbers = numbers[:, _drawn(of_numbers, MOST_COLUMNS, rng)]
        categories = categories[:, _drawn(of_categories, MOST_COLUMNS, rng)]
        columns = max(1, numbers.shape[1] + categories.shape[1])
        rows = _drawn(marks, min(MOST_ROWS, MOST_CELLS // columns), rng)
        return cls(numbers[rows], categories[rows], y[rows])

    @cached_property
    def dense(self) -> Floats:
        """(n, d) without gaps: numbers filled by their mean and scaled to variance 1 about 0, then one-hot levels."""
        filled = np.where(np.isnan(self.numbers), _means(self.numbers), self.numbers)
        spread = filled.std(axis=0)
        scaled = (filled - filled.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        counted = [(count, k, level) for k, column in enumerate(self.categories.T) for level, count in _counts(column)]
        most = sorted(sorted(counted, key=lambda each: -each[0])[:MOST_LEVELS], key=lambda each: each[1:])
        hot = [(self.categories[:, k] == level)[:, None] for _, k, level in most]
        return np.hstack([scaled, *hot]) if hot else scaled


def _means(numbers: Floats) -> Floats:
    counts = np.maximum((~np.isnan(numbers)).sum(axis=0), 1)
    found: Floats = np.nansum(numbers, axis=0) / counts
    return found


def _counts(column: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(level, rows that have it) of each level of a column."""
    levels, counts = np.unique(column[column > 0], return_counts=True)
    return list(zip(levels.tolist(), counts.tolist(), strict=True))


def _drawn(marks: NDArray[np.uint64], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions in the order of their marks, at most `most` of them."""
    order = np.argsort(marks, kind="stable")
    return order if len(order) <= most else order[np.sort(rng.choice(len(order), most, replace=False))]


def _column_marks(table: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.uint64]:
    """(columns,) numbers that follow from the values of a column, in whatever order they stand."""
    marks: NDArray[np.uint64] = _mixed(_bits(table)).sum(axis=0, dtype=np.uint64)
    return marks


def _row_marks(table: NDArray[np.float64] | NDArray[np.int64], columns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(rows,) numbers that follow from the values of a row, each with the mark of its column."""
    marks: NDArray[np.uint64] = _mixed(_bits(table) ^ columns).sum(axis=1, dtype=np.uint64)
    return marks


def _bits(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(values + 0.0, dtype=np.float64).view(np.uint64)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scrambled bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _frequencies(y: Floats) -> Floats:
    """How often the class of each row occurs, which does not depend on what it is called."""
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.float64)
