"""Products with the same bits in any company, and the leading directions of a table."""

from __future__ import annotations

import numpy as np
import pytest

from automl.preprocessing.matrices import inverse, leading, product


@pytest.mark.parametrize("columns", [0, 1, 7, 500])
def test_a_product_is_accurate_to_single_precision(columns):
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(size=(50, columns)), rng.normal(size=(columns, 9))
    scale = np.abs(rows).max(axis=1, initial=0)[:, None] * np.abs(weights).max(axis=0, initial=0)
    np.testing.assert_array_less(np.abs(product(rows, weights) - rows @ weights), 1e-5 * scale + 1e-300)


def test_a_product_has_the_same_bits_in_any_order_of_rows_columns_and_summation():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 777)) * 10 ** rng.uniform(-9, 9, size=(300, 777))
    weights = rng.normal(size=(777, 5))
    whole = product(rows, weights)
    alone = np.concatenate([product(row[None], weights) for row in rows])
    order = rng.permutation(777)
    assert alone.tobytes() == whole.tobytes()
    assert product(rows[:, order], weights[order]).tobytes() == whole.tobytes()


def test_products_of_zeros_and_of_huge_numbers_are_finite():
    rows = np.array([[0.0, 0.0], [1e9, -1e9], [1e-30, 1e30]])
    found = product(rows, np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert found[:2].tolist() == [[0, 0], [0, 0]]
    assert found[2] == pytest.approx([1e30, 0])


def test_products_of_what_is_next_to_zero_are_zero():
    rows = np.array([[1e-320, 5e-324], [0.0, 1e-305]])  # the unit of the first one's grid would be 0
    assert np.abs(product(rows, np.ones((2, 1)))).max() < 1e-300


def test_leading_directions_are_those_of_the_singular_values_and_zeros_beyond_the_rank():
    rows = np.random.default_rng(0).normal(size=(40, 6)) * [9, 5, 3, 1, 1, 1]
    directions, size = leading(rows, 2)
    expected = np.linalg.svd(rows, compute_uv=False)[:2] / np.sqrt(40)
    np.testing.assert_allclose(size, expected)
    np.testing.assert_allclose(np.sqrt(np.square(rows @ directions).mean(axis=0)), expected)
    few, size = leading(rows[:2], 4)
    assert few.shape == (6, 4)
    assert size[2:].tolist() == [0, 0]
    assert not few[:, 2:].any()


def test_what_is_nothing_beside_the_widest_has_no_inverse():
    assert inverse(np.array([2.0, 1e-9, 0.0])).tolist() == [0.5, 0, 0]
    assert inverse(np.zeros(2)).tolist() == [0, 0]
