"""Folds: stratified in every prefix, nested, whole groups, and right for tiny tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, ShuffleSplit, TimeSeriesSplit

from automl.errors import DataError, SettingError
from automl.resampling import CROSS_VALIDATED_BELOW, Fold, make_folds

UNEVEN = np.repeat([0, 1, 2], [60, 30, 10])


def folds_of(y: Any, resampling: Any = None, **more: Any) -> tuple[Fold, ...]:
    return make_folds(resampling, np.asarray(y), classification=more.pop("classification", True), **more)


def test_default_is_five_folds_for_small_tables_and_a_fifth_held_out_for_others() -> None:
    small = np.arange(CROSS_VALIDATED_BELOW - 1) % 2
    large = np.arange(CROSS_VALIDATED_BELOW) % 2
    assert len(folds_of(small)) == 5
    (fold,) = folds_of(large)
    assert len(fold.valid) == CROSS_VALIDATED_BELOW // 5


@pytest.mark.parametrize("resampling", [2, 5, 0.25, KFold(3), ShuffleSplit(2, random_state=0)], ids=str)
def test_training_and_validation_rows_never_overlap(resampling: Any) -> None:
    for fold in folds_of(UNEVEN, resampling):
        assert not np.intersect1d(fold.train, fold.valid).size
        assert len(np.unique(fold.train)) == len(fold.train)


def test_folds_validate_each_row_once_and_keep_the_shares_of_the_classes() -> None:
    folds = folds_of(UNEVEN, 5)
    assert np.array_equal(np.sort(np.concatenate([f.valid for f in folds])), np.arange(100))
    for fold in folds:
        assert np.bincount(UNEVEN[fold.valid]).tolist() == [12, 6, 2]


def test_every_prefix_of_the_training_rows_is_stratified() -> None:
    (fold,) = folds_of(UNEVEN, 0.2)
    labels = UNEVEN[fold.train]
    assert np.bincount(labels).tolist() == [48, 24, 8]
    for length in range(1, 81):
        expected = np.array([0.6, 0.3, 0.1]) * length
        assert np.abs(np.bincount(labels[:length], minlength=3) - expected).max() <= 1


def test_every_prefix_holds_small_and_large_targets_alike() -> None:
    y = np.arange(200.0)
    (fold,) = folds_of(y, 0.5, classification=False)
    assert abs(y[fold.subset(0.2, 0)].mean() - y[fold.train].mean()) < 10


def test_subsets_of_growing_share_are_nested() -> None:
    fold = folds_of(UNEVEN, 5)[0]
    small, middle, whole = (set(fold.subset(share, 4)) for share in (0.1, 0.5, 1.0))
    assert small < middle < whole == set(fold.train)
    assert len(fold.subset(0.001, 4)) == 4
    assert len(fold.subset(0.001, 10_000)) == len(fold.train)


def test_the_only_row_of_a_class_is_learned_in_every_fold_and_judged_in_none() -> None:
    y = np.array([0] * 10 + [1] * 10 + [2])
    for resampling in (5, 0.3, KFold(3)):
        for fold in folds_of(y, resampling):
            assert 20 in fold.train
            assert 20 not in fold.valid


@pytest.mark.parametrize("resampling", [5, 0.3])
def test_groups_are_never_split(resampling: Any) -> None:
    groups = np.repeat(np.arange(20), 5)
    for fold in folds_of(UNEVEN, resampling, groups=groups):
        assert not np.intersect1d(groups[fold.train], groups[fold.valid]).size


def test_fewer_groups_than_folds_give_a_fold_a_group() -> None:
    groups = np.repeat(["a", "b", "c"], [40, 30, 30])
    folds = folds_of(np.arange(100) % 2, 5, groups=groups)
    assert sorted(len(f.valid) for f in folds) == [30, 30, 40]


@given(
    y=st.lists(st.integers(0, 4), min_size=3, max_size=30),
    resampling=st.sampled_from([None, 2, 3, 0.2, 0.5, 0.9]),
    classification=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_any_tiny_table_is_split_or_refused_in_words(y: list[int], resampling: Any, classification: bool) -> None:
    try:
        folds = folds_of(np.array(y, dtype=float), resampling, classification=classification)
    except DataError as error:
        assert "resampling" in str(error)  # noqa: PT017 (both endings are right)
        return
    for fold in folds:
        assert len(fold.train)
        assert len(fold.valid)
        if classification:
            alone = [k for k in range(len(y)) if y.count(y[k]) == 1]
            assert set(alone) <= set(fold.train)


def test_three_rows_are_enough_and_two_are_not() -> None:
    assert len(folds_of([0, 1, 1])) >= 1
    with pytest.raises(DataError, match=r"n_samples=2 is too few .*give at least 3"):
        folds_of([0, 1])


def test_splitters_are_taken_as_they_are() -> None:
    folds = folds_of(np.arange(40.0), TimeSeriesSplit(3), classification=False)
    assert [f.valid.tolist() for f in folds] == [list(range(k, k + 10)) for k in (10, 20, 30)]
    assert all(f.train.max() < f.valid.min() for f in folds)


def test_same_seed_gives_the_same_folds_and_another_seed_others() -> None:
    first, again, other = (folds_of(UNEVEN, 5, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a.train, b.train) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.valid, b.valid) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("wrong", [0, 1, -3, 2.5, True, "kfold", float("nan"), float("inf"), [0.2]], ids=str)
def test_anything_else_is_refused_with_the_rule(wrong: Any) -> None:
    with pytest.raises(SettingError, match=r"resampling .*(a number of folds is a whole number >= 2|neither a share)"):
        folds_of(UNEVEN, wrong)


def test_splitter_that_does_not_fit_is_named() -> None:
    with pytest.raises(DataError, match=r"KFold\(n_splits=200.* does not fit these 100 rows"):
        folds_of(UNEVEN, KFold(200))
