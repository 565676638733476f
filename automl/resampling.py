"""Which rows a trial trains on and which it is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.errors import DataError, SettingError

FOLDS, CROSS_VALIDATED_BELOW = 5, 5000
"""Folds of the default, and rows under which they are: there a single holdout is too noisy to choose by."""
HOLDOUT_SHARE = 0.2
ROW_EPOCHS_PER_SECOND = 80_000
"""Rows times epochs of networks a second, above which five folds pay: at 9 s for a trial five folds were better for
vehicle and car (254,000 and 518,000 row-epochs), one holdout for dna and phoneme (956,000 and 1,600,000; phoneme's log
loss was .245 by one holdout and .291 by five folds)."""
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Row numbers of one fold; `train` is ordered so that every prefix is stratified."""

    train: Rows
    valid: Rows

    def subset(self, share: float, least: int) -> Rows:
        """The first `share` of the training rows, at least `least`: subsets of growing share are nested."""
        return self.train[: max(round(share * len(self.train)), min(least, len(self.train)))]


def networks_alone(rows: int, epochs: int, seconds: float) -> int | float:
    """The resampling where only networks are searched: five folds cost five trainings, for which there must be time.

    Parameters
    ----------
    rows: of the table. epochs: of a full run. seconds: that a full trial should take.

    Examples
    --------
    >>> networks_alone(1000, 100, 9.0), networks_alone(4000, 100, 9.0), networks_alone(4000, 100, 45.0)
    (5, 0.2, 5)
    """
    affordable = 0.8 * FOLDS * rows * epochs <= ROW_EPOCHS_PER_SECOND * seconds
    return FOLDS if affordable and rows < CROSS_VALIDATED_BELOW else HOLDOUT_SHARE


def make_folds(
    resampling: Any, y: NDArray[Any], *, classification: bool, groups: Any = None, seed: int = 0
) -> tuple[Fold, ...]:
    """Folds for `y` (n,).

    Parameters
    ----------
    resampling: None (five folds below 5,000 rows, else a fifth held out), a share in (0, 1) to hold out, a number
        of folds ≥ 2, or any scikit-learn splitter.
    groups: (n,) labels; rows of one group are never on both sides.

    Raises
    ------
    SettingError: `resampling` is none of these. DataError: too few rows or groups.
    """
    if y.ndim == 2:  # several labels: rows of the same labels are spread over the folds
        y = np.unique(y, axis=0, return_inverse=True)[1].ravel()
        lone = np.empty(0, dtype=np.int64)  # a combination that occurs once is no class that must be met
    else:
        lone = _lone_rows(y, classification)
    if len(y) < 3:
        raise DataError(f"n_samples={len(y)} is too few to be split for validation; give at least 3 rows")
    if resampling is None:
        resampling = FOLDS if len(y) < CROSS_VALIDATED_BELOW else HOLDOUT_SHARE
    rng = np.random.default_rng([seed, len(y)])
    strata = _strata(y, classification)
    try:
        pairs = list(_split(resampling, y, classification, groups, seed))
    except SettingError:
        raise
    except ValueError as error:
        raise DataError(f"resampling {resampling!r} does not fit these {len(y)} rows: {error}") from error
    folds = []
    for train, valid in pairs:
        # A class with one member must be learned in every fold; it can be judged in none.
        if groups is None and len(lone):
            train, valid = np.union1d(train, lone), np.setdiff1d(valid, lone)
        if len(train) and len(valid):
            folds.append(Fold(_stratified_order(strata, train, rng), np.sort(valid).astype(np.int64)))
    if not folds:
        raise DataError(f"resampling {resampling!r} left no rows to train on or to validate with")
    return tuple(folds)


def is_splitter(resampling: Any) -> bool:
    """Whether it is a splitter in scikit-learn's sense (text, too, has a `split`)."""
    return hasattr(resampling, "split") and not isinstance(resampling, str)


def _split(resampling: Any, y: NDArray[Any], classification: bool, groups: Any, seed: int) -> Any:
    from sklearn import model_selection as ms

    rows = np.zeros((len(y), 1))
    if is_splitter(resampling):
        return resampling.split(rows, y, groups)
    if isinstance(resampling, bool) or not isinstance(resampling, int | float | np.number):
        raise SettingError(
            f"resampling {resampling!r} is neither a share in (0, 1), nor a number of folds >= 2, nor a "
            "scikit-learn splitter; use 0.2, 5 or KFold(5), say"
        )
    if 0 < resampling < 1:
        if groups is not None:
            return ms.GroupShuffleSplit(1, test_size=resampling, random_state=seed).split(rows, y, groups)
        strata = _strata(y, classification)
        whole = strata.max() < min(resampling, 1 - resampling) * len(y)  # room for every stratum on both sides
        splitter = ms.StratifiedShuffleSplit if whole else ms.ShuffleSplit
        return splitter(1, test_size=resampling, random_state=seed).split(rows, strata)
    if not 2 <= resampling < np.inf or resampling != int(resampling):
        raise SettingError(f"resampling {resampling!r}: a number of folds is a whole number >= 2; use 5, say")
    folds = int(resampling)
    if groups is not None:
        folds = min(folds, len(np.unique(groups)))
        return ms.StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(
            rows, _strata(y, classification), groups
        )
    folds = min(folds, len(y))
    strata = _strata(y, classification, least=folds)
    if np.bincount(strata).max() < folds:
        return ms.KFold(folds, shuffle=True, random_state=seed).split(rows)
    return ms.StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, strata)


def _strata(y: NDArray[Any], classification: bool, least: int = 2) -> NDArray[np.int64]:
    """Class of each row, or its decile for regression; strata of fewer than `least` rows join the largest."""
    if not classification:
        edges = np.unique(np.quantile(y, np.linspace(0, 1, min(10, max(2, len(y) // 10)) + 1)[1:-1]))
        y = np.searchsorted(edges, y)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    codes = np.where(counts[codes] < least, counts.argmax(), codes)
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _lone_rows(y: NDArray[Any], classification: bool) -> Rows:
    if not classification:
        return np.empty(0, dtype=np.int64)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[codes] == 1).astype(np.int64)


def _stratified_order(strata: NDArray[Any], rows: NDArray[Any], rng: np.random.Generator) -> Rows:
    """`rows` in an order in which every prefix holds each stratum in its share, up to one row."""
    rows = rng.permutation(rows)
    labels = strata[rows]
    by_label = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    place = np.empty(len(rows))
    place[by_label] = (np.arange(len(rows)) - starts + 0.5) / counts[labels[by_label]]
    return rows[np.argsort(place, kind="stable")].astype(np.int64)
