"""Reductions of all columns: a suite that each must pass, and what each is known to compute."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA as Reference
from sklearn.decomposition import TruncatedSVD as ReferenceSVD
from sklearn.metrics.pairwise import rbf_kernel

from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.reduce import BLOCK_CELLS, REDUCTIONS, Reduced, fit_reduction, load_reduction
from automl.preprocessing.reductions.kitchen_sinks import KitchenSinks
from automl.preprocessing.reductions.polynomial import Polynomial
from automl.preprocessing.reductions.select import Select
from automl.preprocessing.scores import SCORES


def table(rows: int = 200, columns: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(rows, 4)) @ rng.normal(size=(4, columns)) + rng.normal(size=(rows, columns))).astype(
        np.float32
    )


def reduced(numbers: np.ndarray, reduction: str, y: np.ndarray | None = None, **choices: object) -> Reduced:
    labels = Labels(numbers[:, 0] > 0 if y is None else y, 2 if y is None or y.dtype.kind == "i" else 1)
    found = fit_reduction(numbers, labels, Preparation(reduction=reduction, **choices))
    assert found is not None
    return found


def telling(kind: str, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Six columns of noise but for the third, from which the target follows; the fifth is constant."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(rows, 6)).astype(np.float32)
    numbers[:, 4] = 7
    value = numbers[:, 2] + 0.1 * rng.normal(size=rows)
    return numbers, np.digitize(value, [-0.5, 0.5]) if kind == "classes" else 1e6 + value.astype(np.float64)


@pytest.mark.parametrize("method", REDUCTIONS)
def test_a_reduction_survives_saving_bit_for_bit(method):
    numbers = table()
    fitted = reduced(numbers, method)
    read = load_reduction(method, {name: array.copy() for name, array in fitted.arrays().items()})
    assert read.transform(numbers).tobytes() == fitted.transform(numbers).tobytes()
    assert read.fitted.width == fitted.fitted.width == fitted.transform(numbers).shape[1]


@pytest.mark.parametrize("method", REDUCTIONS)
def test_a_reduction_is_finite_for_any_rows(method):
    strange = np.array([[1e18] * 12, [-1e18] * 12, [0] * 12, [1e-30] * 12], dtype=np.float32)
    for numbers in (table(), np.zeros((5, 12), np.float32), np.vstack([table(3), strange])):
        assert np.isfinite(reduced(numbers, method).transform(strange)).all()


@pytest.mark.parametrize("method", REDUCTIONS)
def test_a_row_is_reduced_to_numbers_however_far_it_lies_from_all_others(method):
    fitted = reduced(table(), method)
    far = np.outer(np.geomspace(1, 1e9, 2_000), np.ones(12)).astype(np.float32)  # a kernel passes all that is next to 0
    assert np.isfinite(fitted.transform(far)).all()


@pytest.mark.parametrize("method", ["nystroem", "kitchen_sinks"])
@pytest.mark.parametrize("value", [0.1, 5.3, 1e6])
def test_equal_rows_have_no_directions_and_rounding_is_not_made_one(method, value):
    for rows in (3, 7, 200):
        numbers = np.full((rows, 12), value, np.float32)
        found = reduced(numbers, method).transform(np.vstack([numbers, table(5)]))
        assert np.abs(found).max() < 1e-9


def test_a_product_that_is_constant_adds_nothing():
    numbers = np.full((1001, 12), 0.1, np.float32)
    found = reduced(numbers, "polynomial").transform(table(5))[:, 12:]
    assert not found.any()


@pytest.mark.parametrize("method", REDUCTIONS)
def test_new_columns_are_about_as_large_as_scaled_numbers(method):
    numbers = table(2000)
    found = reduced(numbers / numbers.std(axis=0), method).transform(numbers / numbers.std(axis=0))
    assert 0.3 < found.std(axis=0).max() < 2
    assert np.abs(found.mean(axis=0)).max() < 0.2


@pytest.mark.parametrize("method", REDUCTIONS)
def test_blocks_of_rows_make_no_difference(method):
    numbers = np.tile(table(), (2 * BLOCK_CELLS // (200 * 12), 1))
    found = reduced(table(), method).transform(numbers)
    assert found[-200:].tobytes() == found[:200].tobytes()
    assert reduced(table(), method).transform(numbers[:0]).shape == (0, found.shape[1])


@pytest.mark.parametrize("method", REDUCTIONS)
def test_many_rows_are_sampled(method):
    numbers = np.tile(table(), (60, 1))
    one, other = (reduced(numbers, method).arrays() for _ in range(2))
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize("whiten", [False, True])
def test_principal_components_are_those_of_scikit_learn_up_to_unit_and_sign(whiten):
    numbers = table()
    found = reduced(numbers, "pca", components=5, whiten=whiten).transform(numbers)
    expected = Reference(5, whiten=whiten, svd_solver="full").fit_transform(numbers.astype(np.float64))
    unit = expected.std(axis=0) if whiten else expected.std(axis=0)[0]
    np.testing.assert_allclose(np.abs(found), np.abs(expected / unit), atol=1e-4)


def test_singular_directions_are_those_of_scikit_learn_and_keep_zero_at_zero():
    numbers = table() + 3
    fitted = reduced(numbers, "truncated_svd", components=3)
    expected = ReferenceSVD(3, algorithm="arpack").fit_transform(numbers.astype(np.float64))
    unit = np.sqrt(np.square(expected[:, 0]).mean())
    np.testing.assert_allclose(np.abs(fitted.transform(numbers)), np.abs(expected / unit), atol=1e-4)
    assert not fitted.transform(np.zeros((1, 12), np.float32)).any()


def test_kitchen_sinks_approach_the_gaussian_kernel():
    numbers = table(50)
    fitted = reduced(numbers, "kitchen_sinks", components=100, gamma=0.5)
    assert isinstance(fitted.fitted, KitchenSinks)
    found = fitted.transform(numbers) / fitted.fitted.factor + fitted.fitted.mean
    kernel = rbf_kernel(numbers.astype(np.float64), gamma=0.5 / numbers.var(axis=0, dtype=np.float64).sum())
    assert np.abs(found @ found.T / 100 - kernel).mean() < 0.1


def test_nystroem_on_all_rows_spans_the_gaussian_kernel():
    numbers = table(40)
    found = reduced(numbers, "nystroem", components=40, gamma=2.0).transform(numbers).astype(np.float64)
    kernel = rbf_kernel(numbers.astype(np.float64), gamma=2.0 / numbers.var(axis=0, dtype=np.float64).sum())
    design = np.hstack([found, np.ones((40, 1))])
    fit = design @ np.linalg.lstsq(design, kernel, rcond=None)[0]
    assert np.abs(fit - kernel).max() < 0.02


@pytest.mark.parametrize("kind", ["classes", "values"])
@pytest.mark.parametrize("score", SCORES)
def test_every_score_finds_the_column_that_tells(score, kind):
    numbers, y = telling(kind)
    labels = Labels(y, 3 if kind == "classes" else 1)
    scores = SCORES[score](numbers.astype(np.float64), labels)
    assert scores.shape == (6,)
    assert scores.argmax() == 2
    assert scores[4] == 0
    fitted = fit_reduction(numbers, labels, Preparation(reduction="select", select_by=score, select_share=0.1))
    assert fitted is not None
    assert isinstance(fitted.fitted, Select)
    assert 2 in fitted.fitted.kept
    assert fitted.transform(numbers).tobytes() == np.ascontiguousarray(numbers[:, fitted.fitted.kept]).tobytes()


@pytest.mark.parametrize("score", SCORES)
def test_every_score_copes_with_one_class_one_row_and_constant_columns(score):
    for numbers, y in [
        (table(30), np.zeros(30, np.int64)),
        (table(1), np.ones(1, np.int64)),
        (np.ones((9, 3)), np.arange(9) % 2),
    ]:
        scores = SCORES[score](numbers.astype(np.float64), Labels(y, 2))
        assert np.isfinite(scores).all()


def test_mutual_information_of_a_column_with_itself_is_the_entropy_of_its_tenths():
    column = np.arange(1000.0)[:, None]
    found = SCORES["mutual_information"](column, Labels(column[:, 0], 1))
    assert found == pytest.approx(np.log(10), rel=1e-2)


def test_select_keeps_the_share_but_five_columns_and_the_first_of_equal_ones():
    numbers = np.tile(table(50, 1), (1, 30))
    for share, count in [(0.01, 5), (0.25, 8), (1.0, 30)]:
        fitted = reduced(numbers, "select", select_share=share).fitted
        assert isinstance(fitted, Select)
        assert fitted.kept.tolist() == list(range(count))


def test_polynomial_adds_the_products_of_the_columns_that_tell_most():
    numbers, y = telling("values")
    numbers[:, 0] = numbers[:, 2]
    fitted = reduced(numbers, "polynomial", y, crossed=2)
    assert isinstance(fitted.fitted, Polynomial)
    assert fitted.fitted.pairs.tolist() == [[0, 0], [0, 2], [2, 2]]
    found = fitted.transform(numbers)
    np.testing.assert_array_equal(found[:, :6], numbers)
    square = np.square(numbers[:, 2].astype(np.float64))
    np.testing.assert_allclose(found[:, 7], (square - square.mean()) / square.std(), atol=1e-5)


def test_nothing_is_reduced_without_columns_or_without_a_method():
    assert fit_reduction(np.empty((5, 0), np.float32), None, Preparation(reduction="pca")) is None
    assert fit_reduction(table(), None, Preparation()) is None
