"""Categories as numbers: tables by code, rare levels as one, and means of the target that do not leak."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import TargetEncoder

from automl.preprocessing.encodings import MOST_HOT, fifths, fit_coalescing, fit_encoding
from automl.preprocessing.labels import Labels

CODES = np.array([[1, 0], [2, 3], [0, 1], [2, 1]], dtype=np.int32)
LEVELS = (3, 4)


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def noise(rows: int = 400, levels: int = 200, seed: int = 0) -> tuple[np.ndarray, Labels]:
    """Codes of a column of many levels, and two classes that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, size=(rows, 1)).astype(np.int32)
    return codes, Labels(rng.integers(0, 2, rows), 2)


def test_one_hot_has_a_column_per_level_and_zeros_for_what_is_missing():
    encoding, encoded = fit_encoding(CODES, LEVELS, "one_hot", None, 10.0)
    assert encoded.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0], [0, 1, 1, 0, 0]]
    assert encoding(np.array([[0, 2]], dtype=np.int32)).tolist() == [[0, 0, 0, 1, 0]]


def test_one_hot_of_many_levels_keeps_the_most_frequent():
    codes = np.concatenate([np.arange(1, 201), np.arange(101, 201)])[:, None].astype(np.int32)
    encoding, encoded = fit_encoding(codes, (201,), "one_hot", None, 10.0)
    assert encoding.width == MOST_HOT
    kept = np.flatnonzero(encoding.tables[0].any(axis=1))
    assert kept.tolist() == list(range(101, 101 + MOST_HOT))
    assert encoded.sum() == 2 * MOST_HOT


def test_ordinal_is_the_standardised_code():
    encoding, encoded = fit_encoding(CODES, LEVELS, "ordinal", None, 10.0)
    np.testing.assert_allclose(encoded, standardised(CODES.astype(float)), rtol=1e-6)
    assert encoding.width == 2


def test_target_is_the_smoothed_mean_that_scikit_learn_takes():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, size=(60, 2)).astype(np.int32)
    values = codes[:, 0] + rng.normal(size=60) + 100
    encoding, _ = fit_encoding(codes, (4, 4), "target", Labels(values, 1), 5.0)
    expected = TargetEncoder(smooth=5.0, target_type="continuous").fit(codes, values).transform(codes)
    np.testing.assert_allclose(encoding(codes), standardised(expected), rtol=1e-5)


def test_target_has_a_column_per_class_or_one_for_two_classes():
    codes = np.array([[1], [1], [2], [2], [0]], dtype=np.int32)
    two, _ = fit_encoding(codes, (3,), "target", Labels(np.array([0, 0, 1, 1, 0]), 2), 1.0)
    three, _ = fit_encoding(codes, (3,), "target", Labels(np.array([0, 1, 2, 2, 0]), 3), 1.0)
    assert (two.width, three.width) == (1, 3)
    assert two.tables[0][2, 0] > two.tables[0][0, 0] == pytest.approx(two.tables[0][1, 0], abs=0.3)


def test_target_of_many_classes_has_a_column_for_the_ten_most_frequent():
    y = np.repeat(np.arange(30), np.arange(1, 31))
    encoding, _ = fit_encoding(np.ones((len(y), 1), dtype=np.int32), (2,), "target", Labels(y, 30), 1.0)
    assert encoding.width == 10


def test_many_columns_of_categories_share_five_hundred_columns():
    codes = np.random.default_rng(0).integers(0, 40, size=(200, 100)).astype(np.int32)
    for method, labels in [("one_hot", None), ("target", Labels(np.arange(200) % 20, 20))]:
        encoding, encoded = fit_encoding(codes, (40,) * 100, method, labels, 1.0)
        assert encoding.width == encoded.shape[1] == 500


def test_a_level_that_was_not_seen_has_the_overall_mean():
    codes = np.array([[1], [1], [2], [2]], dtype=np.int32)
    encoding, _ = fit_encoding(codes, (4,), "target", Labels(np.array([0.0, 0, 4, 4]), 1), 1.0)
    assert encoding.tables[0][[0, 3], 0] == pytest.approx([0, 0])


def test_the_target_of_a_training_row_is_not_in_its_own_encoding():
    codes, labels = noise()
    encoding, encoded = fit_encoding(codes, (200,), "target", labels, 1.0)
    leaking = encoding(codes)
    assert np.corrcoef(leaking[:, 0], labels.y)[0, 1] > 0.5
    assert np.corrcoef(encoded[:, 0], labels.y)[0, 1] < 0.05


def test_cross_fitting_uses_the_other_fifths():
    codes = np.ones((10, 1), dtype=np.int32)
    y = np.arange(10.0)
    _, encoded = fit_encoding(codes, (2,), "target", Labels(y, 1), 1e-9)
    folds = fifths(y)
    expected = [y[folds != fold].mean() for fold in folds]
    assert np.corrcoef(encoded[:, 0], expected)[0, 1] == pytest.approx(1)


def test_every_class_is_spread_evenly_over_the_fifths():
    y = np.repeat([0, 1, 2], [52, 33, 5])
    counts = np.array([np.bincount(fifths(y)[y == k], minlength=5) for k in range(3)])
    assert np.ptp(counts, axis=1).max() <= 1


def test_rare_levels_become_the_code_of_what_is_missing():
    codes = np.array([[1, 1]] * 5 + [[2, 1]] * 4 + [[3, 0]], dtype=np.int32)
    coalescing = fit_coalescing(codes, (5, 2), 0.2)
    tested = np.array([[1, 1], [2, 0], [3, 1], [4, 0]], dtype=np.int32)
    assert coalescing(tested).tolist() == [[1, 1], [2, 0], [0, 1], [0, 0]]
    assert coalescing(tested).dtype == np.int32


def test_a_table_without_categories_is_encoded_as_nothing():
    none = np.zeros((3, 0), dtype=np.int32)
    for method in ("one_hot", "ordinal", "target"):
        encoding, encoded = fit_encoding(none, (), method, Labels(np.arange(3.0), 1), 1.0)
        assert (encoding.width, encoded.shape) == (0, (3, 0))
    assert fit_coalescing(none, (), 0.1)(none).shape == (3, 0)
