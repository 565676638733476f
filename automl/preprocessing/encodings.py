"""Categories as numbers: every encoding is a table per column, looked up by code.

Code 0 is what is missing, new, or coalesced. Tables are learned from training rows; `target` gives these rows other
values than their look-up would, so that no row's input holds its own target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.errors import SettingError, unknown
from automl.preprocessing.labels import Labels

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.float32]
MOST_COLUMNS = 500  # of all encoded categories together
MOST_HOT = 64  # levels of a column that get a column of their own
MOST_CLASSES = 10  # classes whose shares a column of categories is encoded by
CROSS_FITS = 5


@dataclass(frozen=True)
class Coalescing:
    """What each code becomes: itself, or 0 where its level is rare.

    Attributes
    ----------
    table: (Σ levels,) int32, column after column.
    starts: (c,) int64, where the codes of a column begin in it.
    """

    table: Codes
    starts: npt.NDArray[np.int64]

    def __call__(self, codes: Codes) -> Codes:
        return self.table[self.starts + codes]


def fit_coalescing(codes: Codes, levels: tuple[int, ...], min_frequency: float) -> Coalescing:
    """Learn which levels are in less than this share of the training rows (n, c).

    As the coalescing of minorities in Auto-PyTorch (Zimmer et al. 2021, arXiv:2006.13799), with the code of what is
    missing or new for the rare levels, which so is trained.
    """
    least = min_frequency * len(codes)
    counts = _counts(codes, levels)
    tables = [np.where(count >= least, np.arange(len(count)), 0) for count in counts]
    table = np.concatenate([np.empty(0, dtype=np.int32), *tables]).astype(np.int32)
    starts = np.cumsum([0, *levels], dtype=np.int64)[: len(levels)]
    return Coalescing(table, starts)


@dataclass(frozen=True)
class Encoding:
    """`tables[j]` (levels of column j, columns of numbers) float32."""

    tables: tuple[Numbers, ...]

    @property
    def width(self) -> int:
        return sum(table.shape[1] for table in self.tables)

    def __call__(self, codes: Codes) -> Numbers:
        """Numbers (n, width) of codes (n, c)."""
        columns = [table[codes[:, j]] for j, table in enumerate(self.tables)]
        return np.hstack([np.empty((len(codes), 0), dtype=np.float32), *columns])


def fit_encoding(
    codes: Codes, levels: tuple[int, ...], method: str, labels: Labels | None, smoothing: float
) -> tuple[Encoding, Numbers]:
    """Learn from training rows (n, c), and the numbers (n, width) that these rows get.

    Raises
    ------
    SettingError: `method` is not in ENCODINGS, or is "target" without labels.
    """
    if method == "target":
        if labels is None:
            raise SettingError("encoding='target' learns from the target; pass labels=Labels(y, outputs)")
        return _target(codes, levels, labels, smoothing)
    if method not in ENCODINGS:
        raise unknown("encoding", method, [*ENCODINGS, "embedding"])
    most = _fair_share(len(levels))
    encoding = Encoding(tuple(ENCODINGS[method](count, most) for count in _counts(codes, levels)))
    return encoding, encoding(codes)


def _fair_share(columns: int) -> int:
    """Columns of numbers that one of so many columns of categories may become at most."""
    return max(1, MOST_COLUMNS // max(1, columns))


def _counts(codes: Codes, levels: tuple[int, ...]) -> list[npt.NDArray[np.intp]]:
    return [np.bincount(codes[:, j], minlength=size) for j, size in enumerate(levels)]


def _one_hot(counts: npt.NDArray[np.intp], most: int) -> Numbers:
    """A column for each of the 64 most frequent levels, or fewer; code 0 and the other levels are all zeros."""
    kept = np.sort(np.argsort(-counts[1:], kind="stable")[: min(most, MOST_HOT)]) + 1
    table = np.zeros((len(counts), len(kept)), dtype=np.float32)
    table[kept, np.arange(len(kept))] = 1
    return table


def _ordinal(counts: npt.NDArray[np.intp], most: int) -> Numbers:
    """The codes as one column, standardised: levels are in their own order or the most frequent first."""
    codes = np.arange(len(counts), dtype=np.float64)[:, None]
    return _standardised(codes, codes, counts).astype(np.float32)


ENCODINGS: dict[str, Callable[[npt.NDArray[np.intp], int], Numbers]] = {"one_hot": _one_hot, "ordinal": _ordinal}
"""Encodings that need no target: the (levels,) counts of a column's codes, and the most columns that it may become, to
its table. "target" stands beside them."""


def _target(codes: Codes, levels: tuple[int, ...], labels: Labels, smoothing: float) -> tuple[Encoding, Numbers]:
    """Smoothed means of the target (Micci-Barreca 2001, doi:10.1145/507533.507538), cross-fitted in training.

    A level is (Σ y + smoothing · mean) / (rows + smoothing), as in scikit-learn's TargetEncoder, and then standardised.
    For a training row both means come from the four fifths of the rows that it is not in.
    """
    goal, folds = labels.columns(min(MOST_CLASSES, _fair_share(len(levels)))), fifths(labels.y)
    rows_in, goal_in = np.bincount(folds, minlength=CROSS_FITS), _sums(folds, CROSS_FITS, goal)
    tables, columns = [], []
    for j, size in enumerate(levels):
        counts = np.bincount(codes[:, j], minlength=size)
        sums = _sums(codes[:, j], size, goal)
        cell = folds * size + codes[:, j]
        counts_in = np.bincount(cell, minlength=CROSS_FITS * size).reshape(CROSS_FITS, size)
        sums_in = _sums(cell, CROSS_FITS * size, goal).reshape(CROSS_FITS, size, -1)
        table = _smoothed(sums, counts, goal.sum(axis=0), len(goal), smoothing)
        others = _smoothed(
            sums - sums_in, counts - counts_in, goal.sum(axis=0) - goal_in, len(goal) - rows_in, smoothing
        )
        column = others[folds, codes[:, j]]
        tables.append(_standardised(table, table, counts).astype(np.float32))
        columns.append(_standardised(column, table, counts).astype(np.float32))
    return Encoding(tuple(tables)), np.hstack([np.empty((len(goal), 0), dtype=np.float32), *columns])


def fifths(y: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """(n,) fifth of each row, at random but with about the same targets in each.

    In a fifth with more of a class, all columns would be lower for what the other fifths have less of, and a model
    would learn the opposite of what they say.
    """
    shuffled = np.random.default_rng(0).permutation(len(y))
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    folds = np.empty(len(y), dtype=np.intp)
    folds[order] = np.arange(len(y)) % CROSS_FITS
    return folds


def _sums(groups: npt.NDArray[Any], count: int, goal: Floats) -> Floats:
    """(count, m) sums of the goal's columns (n, m) in each group."""
    return np.stack([np.bincount(groups, weights=column, minlength=count) for column in goal.T], axis=1)


def _smoothed(
    sums: Floats, counts: npt.NDArray[np.intp], total: Floats, rows: npt.NDArray[np.intp] | int, smoothing: float
) -> Floats:
    """(…, levels, m) means of sums (…, levels, m) over counts (…, levels), drawn to total (…, m) / rows (…)."""
    mean = total / np.maximum(np.asarray(rows)[..., None], 1)
    return (sums + smoothing * mean[..., None, :]) / (counts[..., None] + smoothing)


def _standardised(values: Floats, table: Floats, counts: npt.NDArray[np.intp]) -> Floats:
    """Values less the mean, over the spread, of the table's (levels, m) values for the training rows."""
    share = counts[:, None] / max(counts.sum(), 1)
    mean = (share * table).sum(axis=0)
    spread = np.sqrt((share * np.square(table - mean)).sum(axis=0))
    return (values - mean) / np.where(spread > 1e-12, spread, 1.0)
